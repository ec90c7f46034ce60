/**
 * Writes a channel's blocks: the header is made at once, so that the next block can be prepared; metadata, signature and
 * append follow behind, one block at a time and in order. A config block switches the channel's bundle after all blocks
 * before it are written and before it is written itself.
 * Source: orderer.md 3.7 rules 5-9, trap 26; orderer/common/multichannel/blockwriter.go.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Bundle, type BundleSource, validateConfigEnvelope } from "../../channelconfig/index.js"
import type { BlockStoreShape } from "../../ledger/blockstore/index.js"
import * as Log from "../../runtime/Log.js"
import { common } from "../../wire/index.js"
import { blockHeaderHash } from "../../wire/protoutil.js"
import type { ConsenterFailed } from "../consensus/errors.js"
import { readEnvelope } from "../msgprocessor/envelope.js"
import { ordererOf } from "../msgprocessor/filters.js"
import type { Message } from "../msgprocessor/Message.js"
import { configEnvelopeOf } from "../msgprocessor/Processor.js"
import { type Signing, signatureHeader } from "../msgprocessor/signedEnvelope.js"
import { annotate, type BlockHeader, encodeBlock, nextBlock } from "./blockAssembly.js"
import type { ChannelHealth } from "./ChannelHealth.js"
import { BlockRefused, LedgerFailed } from "./errors.js"
import { checkResources } from "./resources.js"

const log = Log.module("orderer.commmon.multichannel") // three m, as the reference spells it

/** What a consenter has done around the append of its block. */
export interface Around {
  /** Must be done before the append; tried again with it when it fails. */
  readonly before: Effect.Effect<void, Error>
  /** Called when the block is written. */
  readonly after: () => void
}

export interface BlockWriter {
  /** Number of the last block handed to the writer, written or on its way. */
  readonly lastNumber: () => bigint
  /** Makes the next block of canonical envelopes. Returns when the block is in the queue; waits while it is full. */
  readonly write: (
    entries: ReadonlyArray<Uint8Array>,
    consenterMetadata: Uint8Array | undefined,
    around?: Around
  ) => Effect.Effect<void>
  /**
   * Makes a block of one config message (CONFIG, or ORDERER_TRANSACTION: the channel is created first). Returns when
   * the new config is in force.
   */
  readonly writeConfig: (
    message: Message,
    consenterMetadata: Uint8Array | undefined,
    around?: Around
  ) => Effect.Effect<void, BlockRefused>
}

export interface BlockWriterOptions {
  readonly channelId: string
  readonly ledger: BlockStoreShape
  readonly bundles: BundleSource
  readonly signing: Signing
  readonly health: ChannelHealth
  /** The ledger's last block. */
  readonly lastBlock: common.Block
  readonly lastConfig: bigint
  /** Creates the channel of a config envelope (system channel); tried again when a medium fails. */
  readonly createChannel: (
    config: common.Envelope
  ) => Effect.Effect<void, BlockRefused | LedgerFailed | ConsenterFailed>
}

interface Job {
  readonly block: common.Block
  readonly consenterMetadata: Uint8Array | undefined
  readonly lastConfig: bigint
  readonly around: Around | undefined
}
type Work =
  | { readonly _tag: "Block"; readonly job: Job }
  | { readonly _tag: "Barrier"; readonly reached: Deferred.Deferred<void> }

/** Blocks made and not yet written, at most. */
const queued = 8

const headerOf = (block: common.Block): BlockHeader => block.header ?? common.BlockHeader.create()

/** The writer of one channel; its committing fiber lives in the scope. */
export const makeBlockWriter = (options: BlockWriterOptions): Effect.Effect<BlockWriter, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { bundles, channelId, health, ledger, signing } = options
    const refuse = (detail: string) => new BlockRefused({ channelId, detail })
    const work = yield* Queue.bounded<Work>(queued)
    let last = headerOf(options.lastBlock)
    let lastConfig = options.lastConfig
    let lastConfigSequence = bundles.current().sequence

    const append = ({ around, block, consenterMetadata, lastConfig }: Job) =>
      Effect.gen(function* () {
        if (around !== undefined) yield* around.before
        const signed = annotate(
          block,
          { consenterMetadata, lastConfig },
          {
            signatureHeader: signatureHeader(signing),
            sign: signing.signer.sign
          }
        )
        yield* LedgerFailed.refail(ledger.append(encodeBlock(signed)))
        around?.after()
        yield* log.debug(`[channel: ${channelId}] Wrote block [${headerOf(block).number}]`)
      })
    /** The medium may come back (disk full, folder unwritable): nothing is lost meanwhile, the channel says so. */
    const persist = <A>(what: string, attempt: Effect.Effect<A, Error>): Effect.Effect<A> =>
      attempt.pipe(
        Effect.tapError(({ message }) => {
          const text = `Could not ${what}: ${message}`
          return health.fail("ledger", text) ? log.error(`[channel: ${channelId}] ${text}`) : Effect.void
        }),
        Effect.retry(Schedule.spaced("1 second")),
        Effect.orDie, // the schedule has no end
        Effect.tap(() =>
          health.recover("ledger") ? log.info(`[channel: ${channelId}] the ledger can be written again`) : Effect.void
        )
      )
    const committing = Effect.flatMap(Queue.take(work), (item) =>
      item._tag === "Barrier"
        ? Effect.asVoid(Deferred.succeed(item.reached, undefined))
        : persist("append block", Effect.uninterruptible(append(item.job)))
    )
    yield* Effect.forkScoped(
      Effect.catchAllCause(Effect.forever(committing), (cause) => {
        if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause)
        const text = "writing blocks has stopped"
        health.fail("writer", text)
        return log.fatal(`[channel: ${channelId}] ${text}`, { error: Cause.pretty(cause) })
      })
    )

    const drained = Effect.gen(function* () {
      const reached = yield* Deferred.make<void>()
      yield* Queue.offer(work, { _tag: "Barrier", reached })
      yield* Deferred.await(reached)
    })

    const write: BlockWriter["write"] = (entries, consenterMetadata, around) =>
      Effect.suspend(() => {
        const block = nextBlock(last, entries)
        last = headerOf(block)
        const sequence = bundles.current().sequence
        if (sequence > lastConfigSequence) {
          lastConfig = last.number
          lastConfigSequence = sequence
        }
        return Queue.offer(work, { _tag: "Block", job: { block, consenterMetadata, lastConfig, around } })
      })

    /** Puts the config in force; true when it asks for another consensus type. */
    const switchConfig = (message: Message): Effect.Effect<boolean, BlockRefused> =>
      Effect.gen(function* () {
        const envelope = yield* Effect.mapError(configEnvelopeOf(message), ({ detail }) =>
          refuse(`Told to write a config block with new channel, but did not have config envelope encoded: ${detail}`)
        )
        const current = bundles.current()
        yield* Effect.mapError(validateConfigEnvelope(current, envelope), ({ message: text }) =>
          refuse(`Told to write a config block with new config, but could not apply it: ${text}`)
        )
        const next = yield* Effect.mapError(Bundle.fromConfig(channelId, envelope.config), ({ message: text }) =>
          refuse(`Told to write a config block with a new config, but could not convert it to a bundle: ${text}`)
        )
        yield* Effect.mapError(checkResources(next), refuse)
        yield* drained
        bundles.update(next)
        return ordererOf(current).consensusType !== ordererOf(next).consensusType
      })

    const createChannel = (message: Message): Effect.Effect<void, BlockRefused> =>
      Effect.suspend(() => {
        const inner = readEnvelope(message.data)
        if (Either.isLeft(inner)) {
          return refuse(
            `Told to write a config block with new channel, but did not have config update embedded: ${inner.left}`
          )
        }
        const create = options.createChannel(common.Envelope.decode(inner.right.canonical))
        const attempt = Effect.catchTag(create, "BlockRefused", (refused) => Effect.succeed(refused))
        return Effect.flatMap(persist("create channel", attempt), (refused) => refused ?? Effect.void)
      })

    return {
      lastNumber: () => last.number,
      write,
      writeConfig: (message, consenterMetadata, around) =>
        Effect.gen(function* () {
          const { type } = message.channelHeader
          let metadata = consenterMetadata
          if (type === common.HeaderType.ORDERER_TRANSACTION) yield* createChannel(message)
          else if (type !== common.HeaderType.CONFIG) {
            return yield* refuse(`Told to write a config block with unknown header type: ${type}`)
          } else if (yield* switchConfig(message)) metadata = undefined
          yield* write([message.canonical], metadata, around)
        })
    }
  })

/** Header hash of an encoded block. */
export const hashOfBlock = (block: Uint8Array): Uint8Array => blockHeaderHash(headerOf(common.Block.decode(block)))
