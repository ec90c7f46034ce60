/**
 * The signatures of a block: collected while it is taken apart, verified together, read in order later. Which block comes
 * next does not matter to a signature: only the MSPs do, so work done under another configuration is thrown away (see
 * TxValidator).
 * Source: peer-endorse-validate.md 3.9 rule 2; design.md section 5.
 */
import * as Either from "effect/Either"
import type { SignatureJob } from "../crypto/index.js"
import type { Identity, IdentityDeserializer } from "../msp/index.js"
import type { SignedData, Verify } from "../policy/index.js"
import { concatBytes, equalBytes } from "../wire/protoutil.js"
import type { CreatorSignature, EndorserTransaction } from "./message.js"
import type { SignatureVerifierShape } from "./SignatureVerifier.js"

/** Signatures that are verified while the rest of their block is still taken apart. */
const PORTION = 256

/** The verdicts of a block by the number that `add` gave. */
export type Verdicts = (job: number) => boolean

export class BlockSignatures {
  private jobs: Array<SignatureJob | undefined> = []
  private readonly portions: Array<Promise<Uint8Array>> = []
  private count = 0

  constructor(private readonly verifier: SignatureVerifierShape) {}

  /** Has a signature verified; its number. */
  add(identity: Identity, data: Uint8Array, signature: Uint8Array): number {
    this.jobs.push(identity.signatureJob(data, signature))
    if (this.jobs.length === PORTION) this.hand()
    return this.count++
  }

  /** After the last `add`. Never rejects. */
  async verdicts(): Promise<Verdicts> {
    this.hand()
    const good = await Promise.all(this.portions)
    return (job) => verdictOf(good, job)
  }

  private hand(): void {
    if (this.jobs.length > 0) this.portions.push(this.verifier.verifyAll(this.jobs))
    this.jobs = []
  }
}

const verdictOf = (good: ReadonlyArray<Uint8Array>, job: number): boolean =>
  good[Math.floor(job / PORTION)]?.[job % PORTION] === 1

/** Starts the creator's signature: its number, or false where the creator is no valid member. */
export const addCreator = (
  signatures: BlockSignatures,
  { creator, data, signature }: CreatorSignature,
  deserializer: IdentityDeserializer | undefined
): number | false => {
  if (deserializer === undefined) return false
  const identity = deserializer.deserializeIdentity(creator)
  if (Either.isLeft(identity) || Either.isLeft(deserializer.validate(identity.right))) return false
  return signatures.add(identity.right, data, signature)
}

/** The signature set of a transaction: each endorser signs the response payload followed by itself. */
export const endorsementSet = (parts: EndorserTransaction): ReadonlyArray<SignedData> => {
  const { endorsements, proposalResponsePayload } = parts.endorsedAction
  const set: Array<SignedData> = []
  for (const { endorser, signature } of endorsements)
    set.push({ data: concatBytes(proposalResponsePayload, endorser), identity: endorser, signature })
  return set
}

/** An endorser's signature that is being verified. */
export interface StartedEndorsement {
  readonly identity: Identity
  readonly signed: SignedData
  readonly job: number
}

/** Above so many endorsements, those seen are looked up in a set: a hostile transaction may carry many. */
const MANY = 8

/** Starts what any policy may ask of a set: the first signature of each identity (policies drop the others). */
export const addEndorsements = (
  signatures: BlockSignatures,
  set: ReadonlyArray<SignedData>,
  deserializer: IdentityDeserializer
): ReadonlyArray<StartedEndorsement> => {
  const seen = set.length > MANY ? new Set<string>() : undefined
  const started: Array<StartedEndorsement> = []
  for (const signed of set) {
    const known = deserializer.deserializeIdentity(signed.identity)
    if (Either.isLeft(known)) continue
    const identity = known.right
    if (seen === undefined) {
      if (startedBy(started, identity) !== undefined) continue
    } else {
      const name = identity.mspId + identity.id
      if (seen.has(name)) continue
      seen.add(name)
    }
    started.push({ identity, signed, job: signatures.add(identity, signed.data, signed.signature) })
  }
  return started
}

/** Answers from the verdicts, by content; asks the identity itself about anything that was not started. */
export const verifyFrom = (started: ReadonlyArray<StartedEndorsement>, verdicts: Verdicts): Verify => {
  const byName =
    started.length > MANY ? new Map(started.map((one) => [one.identity.mspId + one.identity.id, one])) : undefined
  return (identity, data, signature) => {
    const found = byName === undefined ? startedBy(started, identity) : byName.get(identity.mspId + identity.id)
    return found !== undefined && same(found.signed.data, data) && same(found.signed.signature, signature)
      ? verdicts(found.job)
      : identity.verify(data, signature)
  }
}

const startedBy = (started: ReadonlyArray<StartedEndorsement>, identity: Identity): StartedEndorsement | undefined => {
  for (const one of started) if (sameIdentity(one.identity, identity)) return one
  return undefined
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a === b || equalBytes(a, b)

const sameIdentity = (a: Identity, b: Identity): boolean => a === b || (a.id === b.id && a.mspId === b.mspId)
