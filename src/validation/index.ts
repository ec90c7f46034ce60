/**
 * Validation of transactions (rank 6): message form, signatures, endorsement policies, conflicts inside a block. MVCC
 * and the rules of state are the ledger's. Imports chaincode's platform checks, channelconfig, policy, msp and below;
 * commit and the peer import it.
 */
export * from "./errors.js"
export * from "./message.js"
export * from "./plugin.js"
export * from "./refusal.js"
export {
  layerSignatureVerifier,
  makeSignatureVerifier,
  SignatureVerifier,
  type SignatureVerifierShape
} from "./SignatureVerifier.js"
export * from "./state.js"
export * from "./TxValidator.js"
export { defaultValidation } from "./vscc/DefaultValidation.js"
