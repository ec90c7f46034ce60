/**
 * The system channel's processor: the standard one, and channel creation. It also gets what is meant for channels that
 * do not exist.
 * Source: orderer.md 3.2 rules 3, 5, 6, 3.3 filter 5, 3.4; orderer/common/msgprocessor/systemchannel.go,
 * systemchannelfilter.go.
 */
import * as Either from "effect/Either"
import {
  Bundle,
  equalConfigs,
  explainConfigUpdate,
  newChannelTemplate,
  proposeConfigUpdate,
  validateNew
} from "../../channelconfig/index.js"
import { common } from "../../wire/index.js"
import { equalBytes } from "../../wire/protoutil.js"
import { readEnvelope } from "./envelope.js"
import { refusal } from "./errors.js"
import { ordererOf } from "./filters.js"
import { type Message, openMessage } from "./Message.js"
import {
  configEnvelopeOf,
  openInner,
  type Processed,
  type Processor,
  type ProcessorOptions,
  type Result,
  standardProcessor
} from "./Processor.js"
import { signedEnvelope } from "./signedEnvelope.js"

export interface SystemProcessorOptions extends Omit<ProcessorOptions, "lastFilter"> {
  /** Channels that exist, the system channel included. */
  readonly channelCount: () => number
}

const bad = (detail: string) => Either.left(refusal(detail))
const readable = <A>(result: Either.Either<A, string>): Result<A> => Either.mapLeft(result, (text) => refusal(text))

// ---- Filter ------------------------------------------------------------------------------------------------------

/** Judges an ORDERER_TRANSACTION: may channels be created, and is this one what its update makes of the template? */
export const channelCreationFilter =
  ({ bundle, channelCount }: Pick<SystemProcessorOptions, "bundle" | "channelCount">) =>
  (message: Message): Result<void> => {
    if (message.channelHeader.type !== common.HeaderType.ORDERER_TRANSACTION) return Either.right(undefined)
    const { consensusState, maxChannels } = ordererOf(bundle())
    // strictly more: the system channel does not count
    if (maxChannels > 0n && BigInt(channelCount()) > maxChannels) {
      return bad(`channel creation would exceed maximimum number of channels: ${maxChannels}`)
    }
    if (consensusState !== "NORMAL") {
      return Either.left(refusal("channel creation is not permitted: maintenance mode", "maintenance"))
    }
    const inner = Either.flatMap(readEnvelope(message.data), openMessage)
    return Either.isLeft(inner)
      ? bad(`payload data error unmarshaling to envelope: ${inner.left}`)
      : inspect(bundle(), inner.right)
  }

const inspect = (system: Bundle, config: Message): Result<void> =>
  Either.gen(function* () {
    if (config.channelHeader.type !== common.HeaderType.CONFIG) {
      return yield* bad("wrapped configtx envelope not a config transaction")
    }
    const received = yield* configEnvelopeOf(config)
    const update = received.lastUpdate
    if (update === undefined) return yield* bad("updated config does not include a config update")
    const template = yield* Either.mapLeft(newChannelTemplate(system, update), ({ message }) =>
      refusal(`error constructing new channel config from update: ${message}`)
    )
    const proposed = yield* Either.mapLeft(proposeConfigUpdate(template, update), ({ message }) =>
      refusal(`error proposing channel update to new channel config: ${message}`)
    )
    if (!sameConfig(proposed, received)) {
      return yield* bad(
        "config proposed by the channel creation request did not match the config received with the channel creation request"
      )
    }
    const next = yield* Either.mapLeft(Bundle.fromConfig(template.channelId, proposed.config), ({ message }) =>
      refusal(`config does not validly parse: ${message}`)
    )
    yield* Either.mapLeft(validateNew(template, next), ({ message }) => refusal(`new bundle invalid: ${message}`))
    if (next.orderer === undefined) return yield* bad("config is missing orderer group")
    yield* Either.mapLeft(next.ordererSupport, ({ message }) => refusal(`config update is not compatible: ${message}`))
  })

/** Message equality, in which absent and empty are the same; the update inside is compared by its canonical bytes. */
const sameConfig = (a: common.ConfigEnvelope, b: common.ConfigEnvelope): boolean =>
  a.config !== undefined &&
  b.config !== undefined &&
  equalConfigs(a.config, b.config) &&
  equalBytes(common.Envelope.encode(a.lastUpdate ?? {}), common.Envelope.encode(b.lastUpdate ?? {}))

// ---- Processor ---------------------------------------------------------------------------------------------------

export const systemProcessor = (options: SystemProcessorOptions): Processor => {
  const { channelId } = options
  const standard = standardProcessor({ ...options, lastFilter: channelCreationFilter(options) })

  const createChannel = (message: Message): Result<Processed> =>
    Either.gen(function* () {
      const system = options.bundle()
      const newId = message.channelHeader.channelId
      const update = common.Envelope.decode(message.canonical)
      const template = yield* Either.mapLeft(newChannelTemplate(system, update), ({ message: text }) => refusal(text))
      const config = yield* Either.mapLeft(proposeConfigUpdate(template, update), ({ message: text }) => {
        options.explained?.(explainConfigUpdate(template, update, { creation: true }), newId)
        return refusal(
          `error validating channel creation transaction for new channel '${newId}', could not succesfully apply update to template configuration: ${text}`
        )
      })
      const inner = signedEnvelope(common.HeaderType.CONFIG, newId, common.ConfigEnvelope.encode(config), options)
      const outer = signedEnvelope(common.HeaderType.ORDERER_TRANSACTION, channelId, inner.canonical, options)
      yield* standard.applyFilters(yield* readable(openMessage(outer)))
      return { message: outer, sequence: system.sequence }
    })

  const processConfigUpdate: Processor["processConfigUpdate"] = (message) =>
    message.channelHeader.channelId === channelId ? standard.processConfigUpdate(message) : createChannel(message)

  return {
    beginNormal: (message) =>
      message.channelHeader.channelId === channelId
        ? standard.beginNormal(message)
        : Either.left(refusal("channel does not exist", "channelNotFound")),
    processNormal: (message) =>
      message.channelHeader.channelId === channelId
        ? standard.processNormal(message)
        : Either.left(refusal("channel does not exist", "channelNotFound")),
    processConfigUpdate,
    processConfig: (message) =>
      Either.gen(function* () {
        const { type } = message.channelHeader
        if (type === common.HeaderType.CONFIG) return yield* standard.processConfig(message)
        if (type !== common.HeaderType.ORDERER_TRANSACTION) {
          return yield* bad(`Panic processing config msg due to unexpected envelope type ${type}`)
        }
        const inner = yield* readable(Either.flatMap(readEnvelope(message.data), openMessage))
        const { lastUpdate } = yield* configEnvelopeOf(inner)
        return yield* processConfigUpdate(yield* openInner(lastUpdate))
      })
  }
}
