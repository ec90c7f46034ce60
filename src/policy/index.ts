/**
 * Policies (rank 3): signature policies, implicit meta policies, the manager tree over a channel's groups, and the policy
 * language both ways. Pure: a decision is a function of the signature set, the MSPs and the verdicts of `Verify`.
 * Imports wire and msp; channel configuration, validation, deliver, gossip and the tools import it.
 */
export * from "./builder.js"
export {
  fromEnvelope,
  fromEnvelopeBytes,
  fromSignaturePolicyEnvelope,
  type SignaturePolicy
} from "./cauthdsl.js"
export * from "./errors.js"
export {
  describeIdentity,
  explainPolicy,
  explainSignaturePolicy,
  explanationLines,
  type PolicyExplanation,
  type PolicyFinding,
  principalText,
  type SignerFinding
} from "./explain.js"
export { type ImplicitMetaPolicy, parseImplicitMeta, printImplicitMeta } from "./implicitMeta.js"
export { parsePolicy, printPolicy } from "./language.js"
export * from "./names.js"
export {
  type IdentityDeserializer,
  type Policy,
  type SignedData,
  type Verification,
  type Verify,
  verifyAhead
} from "./Policy.js"
export { PolicyManager } from "./PolicyManager.js"
