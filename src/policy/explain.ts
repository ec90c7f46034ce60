/**
 * Why a policy does not hold: the same decision as `evaluate`, with everything that was looked at. For refusals only:
 * nothing of it runs for what passes. Pure; its decision is tested against the policies' own.
 * Beyond Fabric, whose texts name neither policy nor signer.
 */
import * as Either from "effect/Either"
import { ATTRIBUTE, type Name } from "../crypto/index.js"
import type { Identity } from "../msp/index.js"
import { common, msp } from "../wire/index.js"
import { toHex } from "../wire/protoutil.js"
import type { SignaturePolicy } from "./cauthdsl.js"
import { fromEnvelopeBytes } from "./cauthdsl.js"
import { type ImplicitMetaPolicy, printImplicitMeta } from "./implicitMeta.js"
import { printPolicy } from "./language.js"
import type { IdentityDeserializer, SignedData, Verify } from "./Policy.js"
import { verifyBySelf } from "./Policy.js"
import type { PolicyManager } from "./PolicyManager.js"

/** One signature of the set that a policy was asked about. */
export interface SignerFinding {
  readonly mspId: string
  /** The certificate's subject; empty where it cannot be read. */
  readonly subject: string
  /** Whether the signature holds; undefined when no rule asked for it. */
  readonly signature: boolean | undefined
  /** Why it counts for nothing at all: not known to the channel, or a repetition. */
  readonly fault: string | undefined
}

/** A policy, or a rule inside one, with its outcome. */
export interface PolicyFinding {
  /** The policy's path, such as `/Channel/Application/Org1/Admins`; empty for a rule inside a policy. */
  readonly path: string
  /** As text: `OutOf(2, …)`, `'Org1MSP.peer'`, `MAJORITY Admins`. */
  readonly rule: string
  readonly satisfied: boolean
  /** For a principal that no signer fits: what each signer lacks. */
  readonly detail: string | undefined
  /** For a principal that is satisfied: the signer's index in `signers`. */
  readonly signer: number | undefined
  readonly parts: ReadonlyArray<PolicyFinding>
}

export interface PolicyExplanation {
  readonly finding: PolicyFinding
  readonly signers: ReadonlyArray<SignerFinding>
}

/** Rules and signers shown at most; what is beyond is counted. A policy may have thousands. */
const SHOWN = 64
/** As deep as a policy is shown. */
const DEPTH = 16

// ---- Signers -----------------------------------------------------------------------------------------------------

const shortNames: ReadonlyMap<string, string> = new Map([
  [ATTRIBUTE.commonName, "CN"],
  [ATTRIBUTE.country, "C"],
  [ATTRIBUTE.locality, "L"],
  [ATTRIBUTE.province, "ST"],
  [ATTRIBUTE.organization, "O"],
  [ATTRIBUTE.organizationalUnit, "OU"]
])

const subjectText = ({ attributes }: Name): string =>
  attributes.map(({ oid, value }) => `${shortNames.get(oid) ?? oid}=${value}`).join(",")

/** Control characters do not get into logs and terminals. */
const printable = (text: string): string => JSON.stringify(text).slice(1, -1)

/** Who a serialized identity says it is. Never fails. */
export const describeIdentity = (
  serialized: Uint8Array,
  deserializer: Pick<IdentityDeserializer, "deserializeIdentity"> | undefined
): { readonly mspId: string; readonly subject: string } => {
  const known = deserializer?.deserializeIdentity(serialized)
  if (known !== undefined && Either.isRight(known))
    return { mspId: known.right.mspId, subject: printable(subjectText(known.right.certificate.subject)) }
  try {
    return { mspId: printable(msp.SerializedIdentity.decode(serialized).mspid), subject: "" }
  } catch {
    return { mspId: "", subject: "" }
  }
}

interface Signer {
  readonly index: number
  readonly identity: Identity
  readonly holds: () => boolean
}

interface Signers {
  readonly findings: () => ReadonlyArray<SignerFinding>
  /** Those that count, in order. */
  readonly counted: ReadonlyArray<Signer>
}

const signersOf = (set: ReadonlyArray<SignedData>, deserializer: IdentityDeserializer, verify: Verify): Signers => {
  const seen = new Set<string>()
  const counted: Array<Signer> = []
  const verdicts = new Map<number, boolean>()
  const faults = new Map<number, string>()
  for (const [index, { data, identity: serialized, signature }] of set.entries()) {
    const known = deserializer.deserializeIdentity(serialized)
    if (Either.isLeft(known)) {
      faults.set(index, printable(known.left.message))
      continue
    }
    const identity = known.right
    const name = identity.mspId + identity.id
    if (seen.has(name)) {
      faults.set(index, "signed before: only the first signature of an identity counts")
      continue
    }
    seen.add(name)
    const holds = (): boolean => {
      const asked = verdicts.get(index) ?? verify(identity, data, signature)
      verdicts.set(index, asked)
      return asked
    }
    counted.push({ index, identity, holds })
  }
  const findings = () =>
    set.slice(0, SHOWN).map(({ identity }, index) => ({
      ...describeIdentity(identity, deserializer),
      signature: verdicts.get(index),
      fault: faults.get(index)
    }))
  return { counted, findings }
}

// ---- Signature policies ------------------------------------------------------------------------------------------

/** A principal as people write it. */
export const principalText = ({ principal, principalClassification }: common.MSPPrincipal): string => {
  try {
    switch (principalClassification) {
      case common.MSPPrincipal_Classification.ROLE: {
        const { mspIdentifier, role } = common.MSPRole.decode(principal)
        return printable(`'${mspIdentifier}.${common.MSPRole_MSPRoleTypeInfo.nameOf(role)?.toLowerCase() ?? role}'`)
      }
      case common.MSPPrincipal_Classification.ORGANIZATION_UNIT: {
        const { mspIdentifier, organizationalUnitIdentifier } = common.OrganizationUnit.decode(principal)
        return printable(`unit '${organizationalUnitIdentifier}' of ${mspIdentifier}`)
      }
      case common.MSPPrincipal_Classification.IDENTITY:
        return printable(`one identity of ${msp.SerializedIdentity.decode(principal).mspid}`)
      default:
        return `principal of kind ${principalClassification}`
    }
  } catch {
    return `unreadable principal ${toHex(principal).slice(0, 32)}`
  }
}

interface Work {
  readonly signers: Signers
  readonly deserializer: IdentityDeserializer
  readonly principals: ReadonlyArray<common.MSPPrincipal>
  readonly envelope: common.SignaturePolicyEnvelope
}

const leaf = (principal: common.MSPPrincipal, { deserializer, signers }: Work, used: Set<number>): PolicyFinding => {
  const rule = principalText(principal)
  const reasons: Array<string> = []
  for (const { holds, identity, index } of signers.counted) {
    const fits = deserializer.satisfiesPrincipal(identity, principal)
    if (Either.isLeft(fits)) {
      if (reasons.length < SHOWN) reasons.push(`signer ${index}: ${printable(fits.left.message)}`)
      continue
    }
    if (used.has(index)) {
      reasons.push(`signer ${index}: fits, but stands for another rule already`)
      continue
    }
    if (!holds()) {
      reasons.push(`signer ${index}: fits, but its signature does not hold`)
      continue
    }
    used.add(index)
    return { path: "", rule, satisfied: true, detail: undefined, signer: index, parts: [] }
  }
  const detail = signers.counted.length === 0 ? "nobody signed" : reasons.join("; ")
  return { path: "", rule, satisfied: false, detail, signer: undefined, parts: [] }
}

const ruleText = (rule: common.SignaturePolicy, { envelope, principals }: Work): string => {
  if (rule.signedBy !== undefined) {
    const principal = principals[rule.signedBy]
    return principal === undefined ? "nobody" : principalText(principal)
  }
  const text = printPolicy(common.SignaturePolicyEnvelope.create({ ...envelope, rule }))
  if (Either.isRight(text)) return text.right
  const gate = rule.nOutOf
  return gate === undefined ? "nothing" : `${gate.n} of ${gate.rules.length} rules`
}

/** As `gate` in cauthdsl.ts: every rule is asked, in order; what a rule that fails has used is given back. */
const signatureRule = (rule: common.SignaturePolicy, work: Work, used: Set<number>, depth: number): PolicyFinding => {
  const principal = rule.signedBy === undefined ? undefined : work.principals[rule.signedBy]
  if (principal !== undefined) return leaf(principal, work, used)
  const gate = rule.nOutOf
  const parts: Array<PolicyFinding> = []
  let satisfied = 0
  for (const part of gate?.rules ?? []) {
    const attempt = new Set(used)
    const finding = signatureRule(part, work, attempt, depth + 1)
    if (finding.satisfied) {
      satisfied += 1
      for (const index of attempt) used.add(index)
    }
    if (depth < DEPTH && parts.length < SHOWN) parts.push(finding)
  }
  const holds = gate !== undefined && satisfied >= gate.n
  return {
    path: "",
    rule: ruleText(rule, work),
    satisfied: holds,
    detail: holds || gate === undefined ? undefined : `${satisfied} of the ${gate.n} rules needed hold`,
    signer: undefined,
    parts
  }
}

const ofSignaturePolicy = (
  path: string,
  envelope: common.SignaturePolicyEnvelope,
  signers: Signers,
  deserializer: IdentityDeserializer
): PolicyFinding => {
  const work: Work = { signers, deserializer, principals: envelope.identities, envelope }
  const rule = envelope.rule ?? common.SignaturePolicy.create({})
  return { ...signatureRule(rule, work, new Set(), 0), path }
}

// ---- Policies of a channel ---------------------------------------------------------------------------------------

const isImplicit = (policy: object): policy is ImplicitMetaPolicy =>
  "_tag" in policy && policy._tag === "ImplicitMetaPolicy"
const isSignature = (policy: object): policy is SignaturePolicy => "_tag" in policy && policy._tag === "SignaturePolicy"

const ofManaged = (
  manager: PolicyManager,
  name: string,
  signers: Signers,
  deserializer: IdentityDeserializer
): PolicyFinding => {
  const { group, last } = manager.locate(name)
  const path = `/${group.path}/${last}`
  const policy = group.prepared(last)
  if (isSignature(policy)) return ofSignaturePolicy(path, policy.envelope, signers, deserializer)
  if (!isImplicit(policy))
    return { path, rule: "", satisfied: false, detail: "there is no such policy", signer: undefined, parts: [] }
  const parts = group.groups.map((below) => ofManaged(below, policy.subPolicy, signers, deserializer))
  // as in implicitMeta.ts: counted until the threshold is met; threshold 0 wants none
  const satisfied = parts.filter((part) => part.satisfied).length
  const holds = policy.threshold === 0 ? satisfied === 0 : satisfied >= policy.threshold
  const rule = printImplicitMeta(policy.definition) ?? `${policy.threshold} ${policy.subPolicy}`
  return {
    path,
    rule,
    satisfied: holds,
    detail: holds ? undefined : `${satisfied} of ${parts.length} hold, ${policy.threshold} are needed`,
    signer: undefined,
    parts: parts.slice(0, SHOWN)
  }
}

/**
 * Explains a policy of a channel.
 * In: the channel's policies, the policy's name (absolute or relative), the signatures it was asked about.
 */
export const explainPolicy = (
  manager: PolicyManager,
  name: string,
  set: ReadonlyArray<SignedData>,
  deserializer: IdentityDeserializer,
  verify: Verify = verifyBySelf
): PolicyExplanation => {
  const signers = signersOf(set, deserializer, verify)
  const finding = ofManaged(manager, name, signers, deserializer)
  return { finding, signers: signers.findings() }
}

/**
 * Explains a signature policy in its bytes, as chaincode definitions and key metadata carry it.
 * @param path what to call it
 */
export const explainSignaturePolicy = (
  path: string,
  policy: Uint8Array,
  set: ReadonlyArray<SignedData>,
  deserializer: IdentityDeserializer,
  verify: Verify = verifyBySelf
): PolicyExplanation => {
  const signers = signersOf(set, deserializer, verify)
  const compiled = fromEnvelopeBytes(policy, deserializer)
  if (Either.isRight(compiled)) {
    const finding = ofSignaturePolicy(path, compiled.right.envelope, signers, deserializer)
    return { finding, signers: signers.findings() }
  }
  const detail = printable(compiled.left.message)
  const finding = { path, rule: "", satisfied: false, detail, signer: undefined, parts: [] }
  return { finding, signers: signers.findings() }
}

// ---- For people --------------------------------------------------------------------------------------------------

const signerLine = ({ fault, mspId, signature, subject }: SignerFinding, index: number): string => {
  const said = signature === undefined ? "" : signature ? ", signature holds" : ", signature does NOT hold"
  const who = subject === "" ? mspId || "unreadable identity" : `${mspId} ${subject}`
  return `  signer ${index}: ${who}${said}${fault === undefined ? "" : ` - does not count: ${fault}`}`
}

const findingLines = (finding: PolicyFinding, indent: string): ReadonlyArray<string> => {
  const { detail, parts, path, rule, satisfied, signer } = finding
  const name = [path, rule].filter((text) => text !== "").join(": ")
  const why = satisfied ? (signer === undefined ? "" : ` by signer ${signer}`) : detail ? ` - ${detail}` : ""
  const head = `${indent}${satisfied ? "ok    " : "FAILED"} ${name}${why}`
  return [head, ...parts.flatMap((part) => findingLines(part, `${indent}  `))]
}

/** An explanation as lines: the policy's tree, then the signers. */
export const explanationLines = ({ finding, signers }: PolicyExplanation): ReadonlyArray<string> => [
  ...findingLines(finding, "  "),
  ...(signers.length === 0 ? ["  nobody signed"] : signers.map(signerLine))
]
