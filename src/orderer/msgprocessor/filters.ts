/**
 * What every message must pass, in this order: not empty, not too large, signer not expired, signer may write. All of
 * it is read afresh from the bundle in force. Pure; the time and the signature's verdict come in as data.
 * Source: orderer.md 3.3; orderer/common/msgprocessor.
 */
import * as Either from "effect/Either"
import type { Bundle, OrdererSection } from "../../channelconfig/index.js"
import type { Identity } from "../../msp/index.js"
import { messageSize } from "../blockcutter/BlockCutter.js"
import type { MessageRefused } from "./errors.js"
import { refusal } from "./errors.js"
import type { Message } from "./Message.js"
import { creatorOf } from "./Message.js"
import type { Standing, Standings } from "./Standings.js"

type Verdict = Either.Either<void, MessageRefused>
const passed: Verdict = Either.right(undefined)
const refuse = (detail: string) => Either.left(refusal(detail))

/** The orderer section: every channel that is served has one, it was checked when the bundle came into force. */
export const ordererOf = (bundle: Bundle): OrdererSection => {
  if (bundle.orderer === undefined) throw new Error(`[channel ${bundle.channelId}] has no orderer configuration`)
  return bundle.orderer
}

export const emptyFilter = (message: Message): Verdict =>
  message.payload.length === 0 ? refuse("Message was empty") : passed

export const sizeFilter = (message: Message, bundle: Bundle): Verdict => {
  const maximum = ordererOf(bundle).batchSize.absoluteMaxBytes
  const size = messageSize(message)
  return size > maximum
    ? refuse(`message payload is ${size} bytes and exceeds maximum allowed ${maximum} bytes`)
    : passed
}

/** The signature that remains to be verified, and what follows from it: the creator's standing, the same for all its messages. */
export type SignatureCheck = Standing & { readonly identity: Identity }

const needsSignature = (standing: Standing): standing is SignatureCheck => standing.identity !== undefined

export interface FilterOptions {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** False with General.Authentication.NoExpirationChecks. */
  readonly checkExpiration: boolean
}

/** All filters up to the signature: a refusal, or the signature to verify, or a decision that needs none. */
export const applyFilters = (
  message: Message,
  standings: Standings,
  { checkExpiration, now }: FilterOptions
): SignatureCheck | Verdict => {
  const { bundle } = standings
  const empty = emptyFilter(message)
  if (Either.isLeft(empty)) return empty
  const size = sizeFilter(message, bundle)
  if (Either.isLeft(size)) return size
  const creator = creatorOf(message)
  if (Either.isLeft(creator)) return refuse(creator.left)
  const standing = standings.of(creator.right)
  const expires = checkExpiration && ordererOf(bundle).capabilities.expirationCheck
  if (expires && standing.expiresAt !== undefined && now >= standing.expiresAt) return refuse("identity expired")
  return needsSignature(standing) ? standing : standing.ifBad
}

/** The same with the signature verified in line. */
export const applyFiltersNow = (message: Message, standings: Standings, options: FilterOptions): Verdict => {
  const outcome = applyFilters(message, standings, options)
  if (!("identity" in outcome)) return outcome
  return outcome.identity.verify(message.payload, message.signature) ? outcome.ifGood : outcome.ifBad
}
