/**
 * Why a proposal or a transaction was refused, as data: what the log, the spans and `network.mjs explain` tell beside the
 * reference's texts and codes. Made for refusals only; beyond Fabric.
 */
import * as Either from "effect/Either"
import type { IdentityDeserializer } from "../msp/index.js"
import { explanationLines, type PolicyExplanation } from "../policy/index.js"
import { protos } from "../wire/index.js"
import type { CreatorSignature } from "./message.js"

/** What was checked. */
export type RefusalCheck =
  | "access"
  | "chaincode"
  | "conflict in the block"
  | "creator"
  | "duplicate"
  | "endorsement policy"
  | "filter"
  | "form"
  | "phantom read"
  | "read conflict"
  | "simulation"
  | "write set"

/** Absent fields have nothing to do with the check, or could not be read. */
export interface Refusal {
  readonly channel: string
  readonly txId: string
  readonly check: RefusalCheck
  /** Name of the validation code; absent for proposals. */
  readonly code?: string | undefined
  /** The reference's text where it has one. */
  readonly reason: string
  readonly block?: bigint | undefined
  /** Index in the block. */
  readonly position?: number | undefined
  readonly chaincode?: string | undefined
  /** Who sent it. */
  readonly creator?: { readonly mspId: string; readonly subject: string } | undefined
  readonly namespace?: string | undefined
  readonly collection?: string | undefined
  /** In clear, or the hash of a private key in hex. */
  readonly key?: string | undefined
  /** What the transaction read or was endorsed with, and what is there: versions as `block:transaction`. */
  readonly expected?: string | undefined
  readonly found?: string | undefined
  readonly explanation?: PolicyExplanation | undefined
}

/** What a refusing check knows that its code does not tell. */
export type RefusalDetail = Partial<Omit<Refusal, "channel" | "txId" | "code" | "block" | "position">>

const Code = protos.TxValidationCode

const sentences: ReadonlyMap<number, readonly [check: RefusalCheck, reason: string]> = new Map([
  [Code.BAD_CREATOR_SIGNATURE, ["creator", "the sender is not known to the channel, or its signature does not hold"]],
  [Code.ENDORSEMENT_POLICY_FAILURE, ["endorsement policy", "the endorsements do not satisfy the policy"]],
  [
    Code.DUPLICATE_TXID,
    ["duplicate", "a transaction with this id was committed before, or stands earlier in the block"]
  ],
  [Code.MVCC_READ_CONFLICT, ["read conflict", "a key that it read was written after it was endorsed: send it again"]],
  [
    Code.PHANTOM_READ_CONFLICT,
    ["phantom read", "a range that it read has changed since it was endorsed: send it again"]
  ],
  [Code.EXPIRED_CHAINCODE, ["chaincode", "the chaincode was upgraded after it was endorsed: send it again"]],
  [
    Code.CHAINCODE_VERSION_CONFLICT,
    ["conflict in the block", "the chaincode is upgraded by another transaction of the block"]
  ],
  [
    Code.ILLEGAL_WRITESET,
    ["write set", "it writes a namespace that its chaincode may not write, or one namespace twice"]
  ],
  [Code.INVALID_WRITESET, ["write set", "a key or value cannot be kept by the state database"]],
  [
    Code.INVALID_OTHER_REASON,
    ["chaincode", "chaincode, version or event do not fit each other, or the chaincode is not defined"]
  ]
])

/** The check behind a code, and a sentence. */
export const codeMeaning = (code: number): { readonly check: RefusalCheck; readonly reason: string } => {
  const [check, reason] = sentences.get(code) ?? ["form" as const, "the transaction is not formed as it must be"]
  return { check, reason }
}

export const codeName = (code: number): string => protos.TxValidationCodeInfo.nameOf(code) ?? String(code)

/** Why a creator does not count; undefined when it does. */
export const creatorFault = (
  { creator, data, signature }: CreatorSignature,
  deserializer: IdentityDeserializer | undefined
): string | undefined => {
  if (deserializer === undefined) return "the channel is not known here"
  const checked = Either.gen(function* () {
    const identity = yield* deserializer.deserializeIdentity(creator)
    yield* deserializer.validate(identity)
    yield* identity.checkSignature(data, signature)
  })
  return Either.isLeft(checked) ? checked.left.message : undefined
}

const versionText = (version: Refusal["expected"]): string => (version === undefined ? "nothing" : version)

/** A refusal as lines for people; the first one says it all in short. */
export const refusalLines = (refusal: Refusal): ReadonlyArray<string> => {
  const { block, chaincode, check, code, collection, creator, explanation, key, namespace, position, reason } = refusal
  const place =
    block === undefined ? "" : ` in block ${block}${position === undefined ? "" : `, transaction ${position}`}`
  const where = [
    ...(namespace === undefined ? [] : [`namespace ${namespace}`]),
    ...(collection === undefined || collection === "" ? [] : [`collection ${collection}`]),
    ...(key === undefined ? [] : [`key ${JSON.stringify(key)}`])
  ]
  const versions = refusal.expected !== undefined || refusal.found !== undefined
  return [
    `refused by check "${check}"${code === undefined ? "" : ` (${code})`}${place}: ${reason}`,
    ...(creator === undefined ? [] : [`  sent by ${creator.mspId} ${creator.subject}`.trimEnd()]),
    ...(chaincode === undefined || chaincode === "" ? [] : [`  chaincode ${chaincode}`]),
    ...(where.length === 0 ? [] : [`  ${where.join(", ")}`]),
    ...(versions ? [`  expected ${versionText(refusal.expected)}, found ${versionText(refusal.found)}`] : []),
    ...(explanation === undefined ? [] : explanationLines(explanation))
  ]
}

/** A refusal as fields of a log line: flat, without what is long. */
export const refusalFields = (refusal: Refusal): Readonly<Record<string, string | bigint | number>> => {
  const { check, code, collection, creator, expected, explanation, found, key, namespace } = refusal
  const policy = explanation?.finding
  const all = {
    check,
    code,
    creator: creator === undefined ? undefined : `${creator.mspId} ${creator.subject}`.trim(),
    namespace,
    collection,
    key,
    expected,
    found,
    policy: policy === undefined ? undefined : [policy.path, policy.rule].filter((text) => text !== "").join(": "),
    why: policy?.detail,
    signers: explanation?.signers.map(({ mspId, subject }) => `${mspId} ${subject}`.trim()).join("; ")
  }
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) =>
      value === undefined || value === "" ? [] : [[name, value] as const]
    )
  )
}
