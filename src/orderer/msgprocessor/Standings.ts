/**
 * Who may write (or read) under one config: what the policy says of each creator, remembered, so that a message costs
 * its signature and a look-up. An envelope has one signature; the decision over it is a function of the creator and of
 * whether that signature is good. One object per bundle: a new config starts with an empty memory.
 * Source: orderer.md 3.3 rules 3 and 4; orderer/common/msgprocessor/sigfilter.go, expiration.go.
 */
import * as Either from "effect/Either"
import type { Bundle } from "../../channelconfig/index.js"
import type { Identity } from "../../msp/index.js"
import { expiresAt } from "../../msp/index.js"
import type { SignedData } from "../../policy/index.js"
import { copyBytes, equalBytes } from "../../wire/protoutil.js"
import type { MessageRefused } from "./errors.js"
import { refusal } from "./errors.js"

type Verdict = Either.Either<void, MessageRefused>

/** What is known of a creator. */
export interface Standing {
  /** End of the certificate, milliseconds since the epoch; undefined when it never ends. */
  readonly expiresAt: number | undefined
  /** Whom to ask about the signature; undefined when the decision does not need it. */
  readonly identity: Identity | undefined
  readonly ifGood: Verdict
  readonly ifBad: Verdict
}

/** The pair of policies of which the channel's state picks one: in maintenance mode, only orderers may write or read. */
export interface PolicyNames {
  readonly normal: string
  readonly maintenance: string
}

export const writerPolicies: PolicyNames = { normal: "/Channel/Writers", maintenance: "/Channel/Orderer/Writers" }
export const readerPolicies: PolicyNames = { normal: "/Channel/Readers", maintenance: "/Channel/Orderer/Readers" }

const remembered = 4096
/** Creators compared by their bytes before any is looked up: streams repeat theirs. */
const recently = 8
const nothing = new Uint8Array()

export class Standings {
  private readonly policyName: string
  private readonly known = new Map<string, Standing>()
  private readonly recent: Array<{ readonly creator: Uint8Array; readonly standing: Standing }> = []
  private turn = 0

  constructor(
    readonly bundle: Bundle,
    names: PolicyNames
  ) {
    this.policyName = bundle.orderer?.consensusState === "MAINTENANCE" ? names.maintenance : names.normal
  }

  of(creator: Uint8Array): Standing {
    for (const { creator: known, standing } of this.recent) if (equalBytes(known, creator)) return standing
    const standing = this.find(creator)
    this.recent[this.turn] = { creator: copyBytes(creator), standing }
    this.turn = (this.turn + 1) % recently
    return standing
  }

  private find(creator: Uint8Array): Standing {
    const key = Buffer.from(creator.buffer, creator.byteOffset, creator.byteLength).toString("latin1")
    const found = this.known.get(key)
    if (found !== undefined) return found
    const standing = this.judge(copyBytes(creator))
    // creators are the caller's to invent: a full memory starts again
    if (this.known.size >= remembered) this.known.clear()
    this.known.set(key, standing)
    return standing
  }

  private judge(creator: Uint8Array): Standing {
    const end = expiresAt(creator)
    const { policyManager } = this.bundle
    if (!policyManager.has(this.policyName)) {
      const missing = Either.left(refusal(`could not find policy ${this.policyName}`))
      return { expiresAt: end, identity: undefined, ifGood: missing, ifBad: missing }
    }
    const policy = policyManager.getPolicy(this.policyName)
    const set: ReadonlyArray<SignedData> = [{ data: nothing, identity: creator, signature: nothing }]
    const decide = (good: boolean): Verdict =>
      Either.mapLeft(
        policy.evaluate(set, () => good),
        (error) => refusal(`${error.message}: permission denied`, "permissionDenied")
      )
    const identity = policy.verifications(set)[0]?.identity
    return { expiresAt: end, identity, ifGood: decide(true), ifBad: decide(false) }
  }
}
