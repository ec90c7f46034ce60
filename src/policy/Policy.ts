/**
 * What a policy is: a decision over a set of signatures. Everything is a pure function of the set, the channel's MSPs
 * and the verdicts of `Verify`, so signatures may be verified beforehand, in parallel, without changing the decision.
 */
import * as Either from "effect/Either"
import type { Identity, IdentityDeserializer as MspDeserializer } from "../msp/index.js"
import { equalBytes } from "../wire/bytes.js"
import type { PolicyError } from "./errors.js"

/** One signature: `identity` is a serialized identity, `signature` is over `data` (DER). */
export interface SignedData {
  readonly data: Uint8Array
  readonly identity: Uint8Array
  readonly signature: Uint8Array
}

/** Whether `signature` over `data` is by `identity`. The default asks the identity itself. */
export type Verify = (identity: Identity, data: Uint8Array, signature: Uint8Array) => boolean

/** A verification that an evaluation may ask for. */
export interface Verification {
  readonly identity: Identity
  readonly data: Uint8Array
  readonly signature: Uint8Array
}

/** What policies need of MSPs: a channel's manager and a local MSP both have it. */
export type IdentityDeserializer = Pick<MspDeserializer, "deserializeIdentity" | "satisfiesPrincipal">

export interface Policy {
  /**
   * Decides. In: the signatures in the order received (order matters, rule 44); `verify`, when verdicts are at hand.
   * Out: nothing, or why not.
   */
  readonly evaluate: (set: ReadonlyArray<SignedData>, verify?: Verify) => Either.Either<void, PolicyError>
  /**
   * Every verification that `evaluate` on the same set may ask for, each once, in the order of the set: entries whose
   * identity is known, is not a repetition, and satisfies one of the principals that the policy names.
   */
  readonly verifications: (set: ReadonlyArray<SignedData>) => ReadonlyArray<Verification>
}

/**
 * A policy that can work on a set prepared once: sub-policies of an implicit meta policy share deserialization,
 * deduplication and signature verdicts.
 */
export interface PreparedPolicy extends Policy {
  readonly holds: (prepared: PreparedSet) => boolean
  /** Marks in `wanted` the entries of `prepared` whose signature may be asked for. */
  readonly mark: (prepared: PreparedSet, wanted: Uint8Array) => void
}

export const verifyBySelf: Verify = (identity, data, signature) => identity.verify(data, signature)

/** Up to here comparing each with each beats a set of names. */
const manySigners = 16

/** The reference compares MSP id and identifier as one text; identifiers of one hash have one length. */
const sameSigner = (a: Identity, b: Identity): boolean =>
  a === b || (a.id.length === b.id.length ? a.id === b.id && a.mspId === b.mspId : a.mspId + a.id === b.mspId + b.id)

/** A signature set with identities known and repetitions dropped (rule 43); remembers verdicts for one evaluation. */
export class PreparedSet {
  readonly identities: ReadonlyArray<Identity>
  private readonly entries: ReadonlyArray<SignedData>
  /** 0 not asked, 1 good, 2 bad. */
  private readonly verdicts: Uint8Array

  constructor(
    readonly deserializer: IdentityDeserializer,
    set: ReadonlyArray<SignedData>,
    private readonly verify: Verify = verifyBySelf
  ) {
    const identities: Array<Identity> = []
    const entries: Array<SignedData> = []
    const seen = set.length > manySigners ? new Set<string>() : undefined
    for (const entry of set) {
      const known = deserializer.deserializeIdentity(entry.identity)
      if (Either.isLeft(known)) continue
      const identity = known.right
      // The first entry of an identity stays even when its signature is bad and a later one's is good.
      if (seen === undefined) {
        if (identities.some((other) => sameSigner(other, identity))) continue
      } else {
        const name = identity.mspId + identity.id
        if (seen.has(name)) continue
        seen.add(name)
      }
      identities.push(identity)
      entries.push(entry)
    }
    this.identities = identities
    this.entries = entries
    this.verdicts = new Uint8Array(entries.length)
  }

  /** Whether the signature of entry `i` is good. */
  signatureHolds(i: number): boolean {
    const known = this.verdicts[i]
    if (known !== 0) return known === 1
    const { identity, data, signature } = this.verification(i)
    const good = this.verify(identity, data, signature)
    this.verdicts[i] = good ? 1 : 2
    return good
  }

  verification(i: number): Verification {
    const identity = this.identities[i]
    const entry = this.entries[i]
    if (identity === undefined || entry === undefined) throw new RangeError(`no signature at index ${i}`)
    return { identity, data: entry.data, signature: entry.signature }
  }
}

/** `verifications` of any prepared policy. */
export const collectVerifications = (prepared: PreparedSet, policy: PreparedPolicy): ReadonlyArray<Verification> => {
  const wanted = new Uint8Array(prepared.identities.length)
  policy.mark(prepared, wanted)
  const out: Array<Verification> = []
  for (let i = 0; i < wanted.length; i++) if (wanted[i] === 1) out.push(prepared.verification(i))
  return out
}

/** Names a verification by who signed and the signature's bytes. */
const keyOf = (identity: Identity, signature: Uint8Array): string =>
  `${identity.mspId}\u0000${identity.id}\u0000${Buffer.from(signature).toString("latin1")}`

/**
 * Runs verifications side by side in the thread pool.
 * Out: a `Verify` that answers from the results, by content and not by object, and asks the identity itself about
 * anything else.
 */
export const verifyAhead = async (verifications: ReadonlyArray<Verification>): Promise<Verify> => {
  const results = await Promise.all(
    verifications.map(async ({ data, identity, signature }) => ({
      key: keyOf(identity, signature),
      data,
      good: await identity.verifyAsync(data, signature)
    }))
  )
  const known = new Map<string, Array<{ readonly data: Uint8Array; readonly good: boolean }>>()
  for (const { data, good, key } of results) {
    const same = known.get(key)
    if (same === undefined) known.set(key, [{ data, good }])
    else same.push({ data, good })
  }
  return (identity, data, signature) => {
    const result = known
      .get(keyOf(identity, signature))
      ?.find((other) => other.data === data || equalBytes(other.data, data))
    return result === undefined ? identity.verify(data, signature) : result.good
  }
}
