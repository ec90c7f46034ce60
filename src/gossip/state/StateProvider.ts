/**
 * A channel's blocks from wherever they come, orderers, other peers' pushes, state transfer, put in order before the
 * commit line; and this peer's blocks given to those who ask.
 * Source: gossip-discovery.md 3.8, 3.9 rule 7; gossip/state/state.go.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { type BlockRefused, type CommitPipeline, type CommitStopped, isConfigBlock } from "../../commit/index.js"
import type { SignedData } from "../../policy/index.js"
import * as Log from "../../runtime/Log.js"
import { common, gossip, type transientstore } from "../../wire/index.js"
import { utf8 } from "../../wire/protoutil.js"
import type { GossipShape } from "../Gossip.js"
import type { ReceivedMessage } from "../messages.js"
import type { SecurityShape } from "../Security.js"
import type { StateSettings } from "../settings.js"
import { antiEntropy } from "./antiEntropy.js"
import { PayloadRefused } from "./errors.js"
import type { StateMetrics } from "./metrics.js"
import { type BlockPayload, PayloadBuffer } from "./PayloadBuffer.js"
import { receivePrivateData, serveState } from "./requests.js"
import { Signal } from "./Signal.js"

export interface StateSupport {
  readonly channelId: string
  readonly gossip: GossipShape
  readonly security: SecurityShape
  readonly settings: StateSettings
  readonly metrics: StateMetrics
  /** The commit line; blocks enter it in order. */
  readonly line: CommitPipeline
  /** Blocks committed. */
  readonly height: () => bigint
  /** A block for someone who asks, with the private data that he may have. */
  readonly payloadFor: (number: bigint, requester: SignedData) => Effect.Effect<gossip.Payload, Failure>
  /** Keeps private data that was pushed, until its block comes. */
  readonly persist: (
    txId: string,
    height: bigint,
    data: transientstore.TxPvtReadWriteSetWithConfigInfo
  ) => Effect.Effect<void, Failure>
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number
}

interface Failure {
  readonly message: string
}

export interface StateProvider {
  /** Takes a verified block into the buffer; `blocking` waits for room, else one too far ahead is refused (rule 4). */
  readonly addPayload: (payload: BlockPayload, blocking: boolean) => Effect.Effect<void, PayloadRefused>
  /** A block as an orderer delivered it: verified, taken in, told to others. Blocks that are here already are skipped. */
  readonly deliver: (bytes: Uint8Array) => Effect.Effect<void, PayloadRefused | BlockRefused | CommitStopped>
  /** The lowest number that is neither committed nor waiting. */
  readonly nextBlock: () => bigint
}

const log = Log.module("gossip.state")

/** Bytes of blocks that may wait, whatever their number: the reference counts blocks only. */
const BYTES = 128 * 1024 * 1024

/** Starts all loops; they end with the scope. The ledger has its first block at least. */
export const makeStateProvider = (support: StateSupport): Effect.Effect<StateProvider, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { channelId, gossip: core, line, metrics, security, settings } = support
    const channel = utf8(channelId)
    const buffer = new PayloadBuffer(line.next())
    const moved = new Signal()
    /** Config blocks that are not committed yet. */
    const configs = new Set<bigint>()
    const room = () => buffer.size <= settings.blockBufferSize * 2 && (buffer.bytes <= BYTES || buffer.size === 0)

    yield* log.info(
      `Updating metadata information for channel ${channelId}, current ledger sequence is at = ${support.height() - 1n}, next expected block is = ${buffer.next}`
    )
    core.updateLedgerHeight(channelId, support.height())
    metrics.height(support.height())
    metrics.bufferSize(0)

    // ---- Into the buffer ----

    const addPayload = (payload: BlockPayload, blocking: boolean): Effect.Effect<void, PayloadRefused> =>
      Effect.gen(function* () {
        const { number } = payload
        const height = support.height()
        // unsigned: a block long committed counts as too far ahead (trap 21)
        if (!blocking && BigInt.asUintN(64, number - height) >= BigInt(settings.blockBufferSize))
          return yield* new PayloadRefused({
            channel: channelId,
            number,
            reason: `Ledger height is at ${height}, cannot enqueue block with sequence of ${number}`
          })
        if (blocking) yield* moved.until(room)
        if (!buffer.push(payload)) return
        if (payload.config) configs.add(number)
        metrics.bufferSize(buffer.size)
        moved.notify()
      })

    /** Waits until every config block below `number` that is on its way is in force: it says who may sign `number`. */
    const configured = (number: bigint): Effect.Effect<void> =>
      moved.until(() => ![...configs].some((config) => config < number) || buffer.firstMissing < number)

    const deliver = (bytes: Uint8Array): Effect.Effect<void, PayloadRefused | BlockRefused | CommitStopped> =>
      Effect.gen(function* () {
        const number = yield* numberOf(channelId, bytes)
        if (number < buffer.firstMissing) return
        if (number > buffer.firstMissing)
          return yield* new PayloadRefused({
            channel: channelId,
            number,
            reason: `Got unexpected block with sequence ${number}, expected ${buffer.firstMissing}`
          })
        yield* configured(number)
        const vouched = yield* line.verify(bytes)
        yield* addPayload({ number, bytes, config: vouched.config, vouched }, !settings.nonBlockingCommitMode)
        core.gossip(dataMessage(channel, number, bytes))
      })

    // ---- Out of the buffer, in order ----

    const refused = ({ message }: BlockRefused): Effect.Effect<void> =>
      Effect.suspend(() => {
        buffer.rewind(line.next())
        for (const config of [...configs]) if (config >= line.next()) configs.delete(config)
        metrics.bufferSize(buffer.size)
        moved.notify()
        return log.error(`[${channelId}] ${message}; it is asked for again`)
      })

    yield* Effect.gen(function* () {
      yield* moved.until(() => buffer.firstMissing > buffer.next)
      const payload = buffer.pop()
      if (payload === undefined) return
      metrics.bufferSize(buffer.size)
      moved.notify()
      yield* Effect.catchTag(line.submit(payload.vouched ?? payload.bytes, payload.pvtData), "BlockRefused", refused)
    }).pipe(
      Effect.forever,
      // the channel's end is told by the line itself
      Effect.catchAllCause((cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.void : log.debug(`[${channelId}] no more blocks are committed`)
      ),
      Effect.forkScoped
    )

    const commits = yield* line.commits
    yield* Queue.take(commits).pipe(
      Effect.tap(({ number }) =>
        Effect.sync(() => {
          for (const config of [...configs]) if (config <= number) configs.delete(config)
          core.updateLedgerHeight(channelId, number + 1n)
          metrics.height(number + 1n)
          moved.notify()
        })
      ),
      Effect.forever,
      Effect.forkScoped
    )

    // ---- From other peers ----

    const ofChannel = (message: gossip.GossipMessage) => Buffer.compare(message.channel, channel) === 0
    const subscription = (subscribe: () => () => void) =>
      Effect.acquireRelease(Effect.sync(subscribe), (end) => Effect.sync(end))

    /** Pushed and pulled blocks: the core has verified them. */
    const pushed = (payload: gossip.Payload): Effect.Effect<void> =>
      Effect.flatMap(configOf(payload.data), (config) =>
        addPayload({ number: payload.seqNum, bytes: payload.data, config }, false)
      ).pipe(
        Effect.catchAll(({ message }) =>
          log.warning(`Block [${payload.seqNum}] received from gossip wasn't added to payload buffer: ${message}`)
        )
      )
    yield* subscription(() =>
      core.subscribe(
        ({ message }) => message.dataMsg !== undefined && ofChannel(message),
        ({ message: { dataMsg } }) => (dataMsg?.payload === undefined ? undefined : pushed(dataMsg.payload))
      )
    )

    const requests = yield* Queue.dropping<ReceivedMessage>(Math.max(settings.channelSize, 1))
    yield* Effect.forkScoped(Effect.forever(Effect.flatMap(Queue.take(requests), serveState(support))))
    const transfer = yield* antiEntropy(support, {
      configured,
      add: (payload) => addPayload(payload, true),
      next: () => buffer.firstMissing
    })
    const authorised = ({ connection: { auth, identity } }: ReceivedMessage): boolean =>
      security.verifyByChannel(channelId, identity, auth.signature, auth.signedData)._tag === "Right"
    const direct = (received: ReceivedMessage): Effect.Effect<void> | undefined => {
      const { message } = received
      if (message.stateResponse !== undefined && !transfer.awaits(message.nonce)) return
      if (!authorised(received)) return log.warning(`Got unauthorized request from ${received.connection.endpoint}`)
      if (message.stateRequest !== undefined) Queue.unsafeOffer(requests, received)
      else if (message.stateResponse !== undefined) transfer.receive(received)
      else return receivePrivateData(support, received)
    }
    yield* subscription(() =>
      core.subscribeRaw(
        ({ message }) =>
          (message.stateRequest !== undefined ||
            message.stateResponse !== undefined ||
            message.privateData !== undefined) &&
          ofChannel(message),
        direct
      )
    )

    return { addPayload, deliver, nextBlock: () => buffer.firstMissing }
  })

/** What other peers of the organisation are told of a block. */
export const dataMessage = (channel: Uint8Array, seqNum: bigint, data: Uint8Array): gossip.GossipMessage =>
  gossip.GossipMessage.create({
    channel,
    tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
    dataMsg: gossip.DataMessage.create({ payload: gossip.Payload.create({ seqNum, data }) })
  })

const decoded = (channel: string, bytes: Uint8Array): Effect.Effect<common.Block, PayloadRefused> =>
  Effect.try({
    try: () => common.Block.decode(bytes),
    catch: (error) =>
      new PayloadRefused({ channel, number: 0n, reason: `failed to decode the block: ${String(error)}` })
  })

const numberOf = (channel: string, bytes: Uint8Array): Effect.Effect<bigint, PayloadRefused> =>
  Effect.flatMap(decoded(channel, bytes), ({ header }) =>
    header === undefined
      ? new PayloadRefused({ channel, number: 0n, reason: "header must be different from nil" })
      : Effect.succeed(header.number)
  )

const configOf = (bytes: Uint8Array): Effect.Effect<boolean, PayloadRefused> =>
  Effect.map(decoded("", bytes), isConfigBlock)
