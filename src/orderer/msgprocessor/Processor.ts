/**
 * What a channel does with a message before it is ordered: judging normal messages, turning config updates into
 * configs, and judging both anew when the config has changed since. Synchronous; a normal message's signature may be
 * verified elsewhere.
 * Source: orderer.md 3.2; orderer/common/msgprocessor/standardchannel.go.
 */
import * as Either from "effect/Either"
import {
  Bundle,
  type ConfigUpdateRefusal,
  explainConfigUpdate,
  explainSender,
  proposeConfigUpdate,
  validateNew
} from "../../channelconfig/index.js"
import type { Identity } from "../../msp/index.js"
import { common } from "../../wire/index.js"
import { headerTypeName } from "../../wire/protoutil.js"
import { checkResources } from "../multichannel/resources.js"
import { type RawEnvelope, readEnvelope } from "./envelope.js"
import { type MessageRefused, prefixed, refusal } from "./errors.js"
import { applyFilters, applyFiltersNow, ordererOf } from "./filters.js"
import { decoding, type Message, openMessage } from "./Message.js"
import { maintenanceFilter } from "./maintenance.js"
import { type Standing, Standings, writerPolicies } from "./Standings.js"
import { type Signing, signedEnvelope } from "./signedEnvelope.js"

export type Result<A> = Either.Either<A, MessageRefused>

/** A message that was judged, with the config sequence it was judged at. */
export interface Processed {
  readonly message: RawEnvelope
  readonly sequence: bigint
}

/** A normal message's signature that remains to be verified; `settle` gives the sequence it was judged at. */
export interface PendingSignature {
  readonly identity: Identity
  readonly settle: (good: boolean) => Result<bigint>
}

export interface Processor {
  /** Judges a normal message up to its signature. */
  readonly beginNormal: (message: Message) => PendingSignature | Result<bigint>
  /** Judges a normal message, signature included: the config sequence that it was judged at. */
  readonly processNormal: (message: Message) => Result<bigint>
  /** Turns a config update into what is ordered in its stead. */
  readonly processConfigUpdate: (message: Message) => Result<Processed>
  /** Judges an ordered config anew: what takes its place. Never used on what clients send. */
  readonly processConfig: (message: Message) => Result<Processed>
}

export interface ProcessorOptions extends Signing {
  readonly channelId: string
  /** The bundle in force. */
  readonly bundle: () => Bundle
  /** False with General.Authentication.NoExpirationChecks. */
  readonly checkExpiration: boolean
  /**
   * Told why of each config update that is refused for its sender, its versions or its signatures; `creating`: the
   * channel that it would have made. Must not throw.
   */
  readonly explained?: ((refusal: ConfigUpdateRefusal, creating?: string) => void) | undefined
  /** Filters behind the signature (system channel). */
  readonly lastFilter?: (message: Message) => Result<void>
}

const bad = (detail: string) => Either.left(refusal(detail))

/** Reads an envelope that stands inside a config: `last_update`, or the CONFIG inside an ORDERER_TRANSACTION. */
export const openInner = (envelope: common.Envelope | undefined): Result<Message> =>
  Either.mapLeft(Either.flatMap(readEnvelope(common.Envelope.encode(envelope ?? {})), openMessage), (text) =>
    refusal(text)
  )

/** The data of an envelope that must be of one type. */
export const dataOfType = <A>(message: Message, type: number, read: (data: Uint8Array) => A): Result<A> => {
  const found = message.channelHeader.type
  if (found !== type) return bad(`invalid type ${headerTypeName(found)}, expected ${headerTypeName(type)}`)
  return Either.mapLeft(
    decoding(`error unmarshaling message for type ${headerTypeName(type)}`, () => read(message.data)),
    (text) => refusal(text)
  )
}

/** The config envelope in a message of type CONFIG. */
export const configEnvelopeOf = (message: Message): Result<common.ConfigEnvelope> =>
  dataOfType(message, common.HeaderType.CONFIG, common.ConfigEnvelope.decode)

/** A processor with the steps that the system channel's one reuses. */
export interface StandardProcessor extends Processor {
  /** All filters on a message, signature in line. */
  readonly applyFilters: (message: Message) => Result<void>
}

/** What holds as long as a bundle is in force. */
interface UnderBundle {
  readonly standings: Standings
  readonly accepted: Result<bigint>
  readonly pending: WeakMap<Standing, PendingSignature>
}

/** The processor of a channel; the system channel's is built around it. */
export const standardProcessor = (options: ProcessorOptions): StandardProcessor => {
  const { channelId, checkExpiration, lastFilter, now } = options
  const underOf = (bundle: Bundle): UnderBundle => ({
    standings: new Standings(bundle, writerPolicies),
    accepted: Either.right(bundle.sequence),
    pending: new WeakMap()
  })
  let under = underOf(options.bundle())
  const current = (): UnderBundle => {
    const bundle = options.bundle()
    if (under.standings.bundle !== bundle) under = underOf(bundle)
    return under
  }
  const filters = (message: Message): Result<void> => {
    const passed = applyFiltersNow(message, current().standings, { now: now(), checkExpiration })
    return Either.isRight(passed) && lastFilter !== undefined ? lastFilter(message) : passed
  }
  const finish = (verdict: Result<void>, message: Message, accepted: Result<bigint>): Result<bigint> => {
    if (Either.isLeft(verdict)) return Either.left(verdict.left)
    const last = lastFilter?.(message)
    return last !== undefined && Either.isLeft(last) ? Either.left(last.left) : accepted
  }
  const beginNormal = (message: Message): PendingSignature | Result<bigint> => {
    const { accepted, pending, standings } = current()
    const { capabilities, consensusState } = ordererOf(standings.bundle)
    if (capabilities.consensusTypeMigration && consensusState !== "NORMAL") {
      return Either.left(refusal("normal transactions are rejected: maintenance mode", "maintenance"))
    }
    const outcome = applyFilters(message, standings, { now: now(), checkExpiration })
    if (!("identity" in outcome)) return finish(outcome, message, accepted)
    const { identity, ifBad, ifGood } = outcome
    if (lastFilter !== undefined) {
      return { identity, settle: (good) => finish(good ? ifGood : ifBad, message, accepted) }
    }
    // the same for all messages of a creator under one config
    const known = pending.get(outcome)
    if (known !== undefined) return known
    const made: PendingSignature = { identity, settle: (good) => Either.andThen(good ? ifGood : ifBad, accepted) }
    pending.set(outcome, made)
    return made
  }
  const processConfigUpdate = (message: Message): Result<Processed> =>
    Either.gen(function* () {
      const bundle = options.bundle()
      const envelope = () => common.Envelope.decode(message.canonical)
      const passed = filters(message)
      if (Either.isLeft(passed)) {
        options.explained?.(explainSender(bundle, envelope(), passed.left.detail))
        const because = prefixed("config update for existing channel did not pass initial checks")
        return yield* Either.left(because(passed.left))
      }
      const proposed = proposeUpdate(bundle, message)
      if (Either.isLeft(proposed)) {
        options.explained?.(explainConfigUpdate(bundle, envelope()))
        const because = prefixed(`error applying config update to existing channel '${channelId}'`)
        return yield* Either.left(because(proposed.left))
      }
      const next = proposed.right
      const config = signedEnvelope(common.HeaderType.CONFIG, channelId, common.ConfigEnvelope.encode(next), options)
      const opened = yield* Either.mapLeft(openMessage(config), (text) => refusal(text))
      yield* Either.mapLeft(filters(opened), prefixed("config update for existing channel did not pass final checks"))
      yield* Either.mapLeft(maintenanceFilter(bundle, next), (text) =>
        refusal(`config update for existing channel did not pass maintenance checks: ${text}`)
      )
      return { message: config, sequence: bundle.sequence }
    })
  return {
    applyFilters: filters,
    beginNormal,
    processNormal: (message) => {
      const outcome = beginNormal(message)
      return "settle" in outcome ? outcome.settle(outcome.identity.verify(message.payload, message.signature)) : outcome
    },
    processConfigUpdate,
    processConfig: (message) =>
      Either.gen(function* () {
        const { lastUpdate } = yield* configEnvelopeOf(message)
        return yield* processConfigUpdate(yield* openInner(lastUpdate))
      })
  }
}

/** Applies an update to the config in force and checks that the result can be run and may follow. */
const proposeUpdate = (bundle: Bundle, message: Message): Result<common.ConfigEnvelope> => {
  const envelope = common.Envelope.decode(message.canonical)
  return Either.mapLeft(
    Either.gen(function* () {
      const proposed = yield* Either.mapLeft(proposeConfigUpdate(bundle, envelope), ({ message }) => message)
      const next = yield* Either.mapLeft(Bundle.fromConfig(bundle.channelId, proposed.config), ({ message }) => message)
      yield* Either.mapLeft(checkResources(next), (text) => `config update is not compatible: ${text}`)
      yield* Either.mapLeft(validateNew(bundle, next), ({ message }) => message)
      return proposed
    }),
    (text) => refusal(text)
  )
}
