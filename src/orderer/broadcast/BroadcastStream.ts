/**
 * One Broadcast stream: messages are judged side by side, ordered in the order they came, answered in that order. Each
 * gets one answer; the first that is not SUCCESS is the last, and what came behind it is dropped unordered.
 * Callbacks and no fibers, but for what a chain does not take at once: one per batch of messages.
 * Source: orderer.md 3.5; design.md section 5; orderer/common/broadcast/broadcast.go.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { SyncLog } from "../../runtime/Log.js"
import { type CallEvents, Code, GrpcFailure, type ServerCall } from "../../transport/index.js"
import { common, orderer } from "../../wire/index.js"
import type { Chain, Ordering } from "../consensus/Chain.js"
import type { NotReady } from "../consensus/errors.js"
import { readEnvelope } from "../msgprocessor/envelope.js"
import { type MessageRefused, refusal, statusOf } from "../msgprocessor/errors.js"
import { classify, type Message, openMessage } from "../msgprocessor/Message.js"
import type { Processor } from "../msgprocessor/Processor.js"
import type { BroadcastMetrics } from "./metrics.js"
import type { VerifyLane } from "./VerifyLane.js"

/** A channel as Broadcast uses it. */
export interface BroadcastChannel {
  readonly processor: Processor
  readonly chain: Pick<Chain, "waitReady" | "order" | "orderNow" | "configure">
}

/** What became of messages handed to consensus; `undefined` when it was interrupted. */
export type Outcome = Either.Either<void, NotReady> | undefined

export interface BroadcastOptions {
  /** The channel of that name, or the system channel, which judges what is meant for channels that do not exist. */
  readonly channel: (id: string) => BroadcastChannel
  readonly lane: VerifyLane
  readonly metrics: BroadcastMetrics
  readonly log: SyncLog
  /** Runs an effect in the scope of the service and tells how it ended. */
  readonly run: (effect: Effect.Effect<void, NotReady>, done: (outcome: Outcome) => void) => void
  /** Runs a callback above which nobody stands. */
  readonly guard: (callback: () => void) => void
  /** Milliseconds on a monotonic clock. */
  readonly clock: () => number
  /** Told of every message as it came (Debug.BroadcastTraceDir). */
  readonly trace?: ((message: Uint8Array) => void) | undefined
}

/** Messages of one stream taken in and not answered, and their bytes, at most (one message may be larger). */
const windowMessages = 128
const windowBytes = 16 * 1024 * 1024
/** Messages that go to consensus together, at most. */
const batchLimit = 512

const success = orderer.BroadcastResponse.encode({ status: common.Status.SUCCESS })
const failure = (status: number, info: string) => orderer.BroadcastResponse.encode({ status, info })

interface Update {
  readonly _tag: "Update"
  readonly channel: BroadcastChannel
  readonly message: Message
}

type State =
  | { readonly _tag: "Verifying" }
  | { readonly _tag: "Ready"; readonly channel: BroadcastChannel; readonly ordering: Ordering }
  | Update
  | { readonly _tag: "Refused"; readonly status: number; readonly info: string }
  /** Bytes that gRPC itself refuses in the reference. */
  | { readonly _tag: "Broken"; readonly failure: GrpcFailure }

interface Entry {
  readonly bytes: number
  readonly received: number
  channelId: string
  type: number | undefined
  validated: number | undefined
  state: State
}

const refused = (refusal: MessageRefused): State => ({
  _tag: "Refused",
  status: statusOf(refusal),
  info: refusal.detail
})

/** What callers hear while the node stops. */
const stoppingFailure = new GrpcFailure({ code: Code.Unavailable, details: "transport is closing" })
const verifying = { _tag: "Verifying" } as const
const taken: Outcome = Either.right(undefined)

export class BroadcastStream implements CallEvents {
  private readonly entries: Array<Entry> = []
  private bytes = 0
  /** A config update is on its way: what follows is judged after it was taken. */
  private barrier = false
  private ordering = false
  private writable = true
  private reading = false
  private ended = false
  private stopping = false
  private advancing = false
  private over = false

  constructor(
    private readonly call: ServerCall,
    private readonly options: BroadcastOptions
  ) {
    this.readMore()
  }

  // ---- Coming in -------------------------------------------------------------------------------------------------

  message(bytes: Uint8Array): void {
    this.reading = false
    if (this.over) return
    this.options.trace?.(bytes)
    const entry: Entry = {
      bytes: bytes.length,
      received: this.options.clock(),
      channelId: "unknown",
      type: undefined,
      validated: undefined,
      state: verifying
    }
    this.entries.push(entry)
    this.bytes += entry.bytes
    entry.state = this.judge(bytes, entry)
    if (this.entries[0] === entry) this.advance()
    this.readMore()
  }

  halfClosed(): void {
    this.ended = true
    this.endWhenAnswered()
  }

  drained(): void {
    this.writable = true
    this.advance()
  }

  closed(): void {
    this.over = true
    this.entries.length = 0
  }

  /** The service stops: nothing more is taken in; what consensus has is answered, then the caller is told. */
  stop(): void {
    this.stopping = true
    if (!this.ordering) this.abandon()
  }

  /** The service waits no longer for what consensus has. */
  abandon(): void {
    if (!this.over) this.end(stoppingFailure)
  }

  private readMore(): void {
    if (this.reading || this.over || this.ended || this.barrier || this.stopping) return
    if (this.entries.length >= windowMessages || (this.bytes >= windowBytes && this.entries.length > 0)) return
    this.reading = true
    this.call.read()
  }

  // ---- Judging ---------------------------------------------------------------------------------------------------

  private judge(bytes: Uint8Array, entry: Entry): State {
    const envelope = readEnvelope(bytes)
    if (Either.isLeft(envelope)) {
      const details = `grpc: failed to unmarshal the received message ${envelope.left}`
      return { _tag: "Broken", failure: new GrpcFailure({ code: Code.Internal, details }) }
    }
    const opened = openMessage(envelope.right)
    if (Either.isLeft(opened)) return refused(refusal(`could not determine channel ID: ${opened.left}`))
    const message = opened.right
    entry.channelId = message.channelHeader.channelId
    entry.type = message.channelHeader.type
    const channel = this.options.channel(entry.channelId)
    const kind = classify(entry.type)
    if (kind === "config") return refused(refusal("message is of type that cannot be processed directly"))
    if (kind === "configUpdate") {
      this.barrier = true
      return { _tag: "Update", channel, message }
    }
    const outcome = channel.processor.beginNormal(message)
    if (!("settle" in outcome)) return this.settled(entry, channel, message, outcome)
    const { identity, settle } = outcome
    this.options.lane.verify(identity, message.payload, message.signature, (good) => {
      if (this.over) return
      entry.state = this.settled(entry, channel, message, settle(good))
      if (this.entries[0] === entry) this.advanceSoon()
    })
    return verifying
  }

  private settled(
    entry: Entry,
    channel: BroadcastChannel,
    message: Message,
    verdict: Either.Either<bigint, MessageRefused>
  ): State {
    if (Either.isLeft(verdict)) return refused(verdict.left)
    entry.validated = this.options.clock()
    return { _tag: "Ready", channel, ordering: { message, sequence: verdict.right } }
  }

  // ---- Ordering and answering ------------------------------------------------------------------------------------

  /** Verdicts come in runs: what of a run is ready goes to consensus together. */
  private advanceSoon(): void {
    if (this.advancing) return
    this.advancing = true
    queueMicrotask(() => {
      this.advancing = false
      this.options.guard(() => this.advance())
    })
  }

  /** Goes on with the message at the head as far as it can. */
  private advance(): void {
    if (this.over || this.ordering || !this.writable) return
    const entry = this.entries[0]
    if (entry === undefined) this.endWhenAnswered()
    else if (entry.state._tag === "Refused") this.answerLast(entry, entry.state.status, entry.state.info)
    else if (entry.state._tag === "Broken") this.end(entry.state.failure)
    else if (entry.state._tag === "Ready") this.orderFrom(entry.state.channel)
    else if (entry.state._tag === "Update") this.configure(entry, entry.state)
  }

  private configure(entry: Entry, { channel, message }: Update): void {
    const processed = channel.processor.processConfigUpdate(message)
    entry.validated = this.options.clock()
    if (Either.isLeft(processed)) this.answerLast(entry, statusOf(processed.left), processed.left.detail)
    else {
      this.ordering = true
      this.run(channel.chain, channel.chain.configure(processed.right), (outcome) => {
        if (outcome !== undefined && Either.isRight(outcome)) this.barrier = false
        this.settle(1, outcome)
      })
    }
  }

  /** Hands over the messages at the head that are ready and of one channel. */
  private orderFrom(channel: BroadcastChannel): void {
    const batch: Array<Ordering> = []
    for (const { state } of this.entries) {
      if (state._tag !== "Ready" || state.channel !== channel || batch.length === batchLimit) break
      batch.push(state.ordering)
    }
    const { chain } = channel
    const count = batch.length
    this.ordering = true
    const done = (refused: NotReady | undefined) => {
      this.options.guard(() => this.settle(count, refused === undefined ? taken : Either.left(refused)))
    }
    if (chain.orderNow?.(batch, done) === true) return
    this.run(chain, chain.order(batch), (outcome) => this.settle(count, outcome))
  }

  private run(
    chain: BroadcastChannel["chain"],
    take: Effect.Effect<void, NotReady>,
    done: (outcome: Outcome) => void
  ): void {
    this.options.run(Effect.zipRight(chain.waitReady, take), done)
  }

  /** Consensus has taken the first messages, or not. */
  private settle(count: number, outcome: Outcome): void {
    this.ordering = false
    if (this.over) return
    if (outcome === undefined) this.end(stoppingFailure)
    else if (Either.isLeft(outcome)) {
      const entry = this.entries[0]
      if (entry !== undefined) this.answerLast(entry, common.Status.SERVICE_UNAVAILABLE, outcome.left.detail)
    } else {
      for (const entry of this.entries.splice(0, count)) this.answer(entry)
      if (this.stopping) this.end(stoppingFailure)
      this.advance()
      this.readMore()
    }
  }

  private answer(entry: Entry): void {
    this.bytes -= entry.bytes
    this.measure(entry, common.Status.SUCCESS)
    this.writable = this.call.send(success)
  }

  private answerLast(entry: Entry, status: number, info: string): void {
    const from = this.call.info.peer
    const name = common.StatusInfo.nameOf(status)
    this.options.log.warning(
      `[channel: ${entry.channelId}] Rejecting broadcast of message from ${from} with ${name}: ${info}`
    )
    this.measure(entry, status)
    this.over = true
    this.call.send(failure(status, info))
    this.call.end()
  }

  private measure(entry: Entry, status: number): void {
    this.options.metrics.answered(entry.channelId, entry.type, status, entry, this.options.clock())
  }

  private end(failure: GrpcFailure): void {
    this.over = true
    this.call.fail(failure)
  }

  private endWhenAnswered(): void {
    if (this.ended && !this.over && this.entries.length === 0) {
      this.over = true
      this.call.end()
    }
  }
}
