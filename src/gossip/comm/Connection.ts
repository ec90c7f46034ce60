/**
 * One authenticated stream to another peer, whoever dialled it: a bounded line of what goes out, a bounded line of what
 * came in, and one fiber for each of reading, writing and handing out. What is not read stays in the network.
 * Source: gossip-discovery.md 3.2 rules 8, 10, 11 (gossip/comm/conn.go).
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { SyncLog } from "../../runtime/Log.js"
import type { GrpcFailure } from "../../transport/index.js"
import type { gossip } from "../../wire/index.js"
import type { ConnectionInfo, ReceivedMessage, SignedGossipMessage } from "../messages.js"
import { ackMessage, envelopeBytes, openMessage, unsigned } from "../signing.js"
import { Line } from "./Line.js"
import type { CommMetrics } from "./metrics.js"
import { type GossipStream, refusal } from "./stream.js"

/** Bytes that may wait on a connection, each way (ours: the reference bounds the count only). */
export const maxWaitingBytes = 64 * 1024 * 1024
/** Answers are not dropped before the line of what goes out holds this many times its bounds. */
const answerFactor = 2
/** How long handing out waits for a remote that does not take its answers; both sides could wait for each other. */
const answerPatience = "3 seconds"

export interface ConnectionOptions {
  readonly recvBuffSize: number
  readonly sendBuffSize: number
  readonly metrics: CommMetrics
  readonly log: SyncLog
  /** Hands a message to those who asked for it; an Effect given back holds back the ones behind it. */
  readonly dispatch: (message: ReceivedMessage) => Effect.Effect<void> | undefined
  /** Nothing more comes; what came is still handed out, and nothing should be sent here any more. */
  readonly ended: (connection: Connection) => void
  /** A write failed: the remote is presumed dead. */
  readonly broken: (connection: Connection, reason: string) => void
}

export class Connection {
  private readonly out: Line<Uint8Array>
  private readonly inbox: Line<{ readonly bytes: number; readonly message: SignedGossipMessage }>
  private readonly over = Deferred.unsafeMake<void>(FiberId.none)
  private isClosed = false
  private hasEnded = false

  constructor(
    readonly info: ConnectionInfo,
    /** The address dialled; undefined: the remote dialled. */
    readonly dialled: string | undefined,
    private readonly options: ConnectionOptions
  ) {
    this.out = new Line({ count: options.sendBuffSize, bytes: maxWaitingBytes })
    this.inbox = new Line({ count: options.recvBuffSize, bytes: maxWaitingBytes })
  }

  get closed(): boolean {
    return this.isClosed
  }

  /** Envelopes that wait to be written. */
  get waiting(): number {
    return this.out.length
  }

  /** Queues an envelope; where the line is full it is dropped and counted. */
  send(bytes: Uint8Array): void {
    if (this.isClosed || this.out.offer(bytes, bytes.length)) return
    this.options.metrics.overflowed()
    this.options.log.debug(`Buffer to ${this.info.endpoint} overflowed, dropping message`)
  }

  /** Waits for room; false: the connection is closed. */
  put(bytes: Uint8Array): Effect.Effect<boolean> {
    return this.out.put(bytes, bytes.length)
  }

  /** Discards what was not written, and ends {@link serve}. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.out.close()
    this.inbox.close()
    Deferred.unsafeDone(this.over, Effect.void)
  }

  /**
   * Serves the stream until it ends: success where this side closed it, a failure where reading failed. A remote that
   * says no more is heard to its last message.
   */
  readonly serve = (stream: GossipStream): Effect.Effect<void, GrpcFailure> =>
    Effect.gen(this, function* () {
      // an exit as a value: the end of a stream is no news to Effect's log of failed fibers
      const reader = yield* Effect.fork(Effect.exit(this.read(stream)))
      const writer = yield* Effect.fork(this.write(stream))
      const handedOut = Effect.zipRight(this.handOut, Fiber.join(reader))
      const exit = yield* Effect.raceFirst(handedOut, Effect.as(Deferred.await(this.over), undefined)).pipe(
        Effect.ensuring(
          Effect.sync(() => {
            reader.unsafeInterruptAsFork(reader.id())
            writer.unsafeInterruptAsFork(writer.id())
          })
        )
      )
      if (exit !== undefined) yield* exit
    })

  /** Reads until the remote ends or breaks the stream; always fails in the end. */
  private read(stream: GossipStream): Effect.Effect<void, GrpcFailure> {
    const { log, metrics } = this.options
    const step: Effect.Effect<boolean, GrpcFailure> = Effect.flatMap(stream.next, (bytes) => {
      if (bytes === undefined) return refusal("EOF")
      metrics.received()
      const opened = openMessage(bytes)
      if (Either.isLeft(opened)) {
        log.warning(`Got error, aborting: ${opened.left.message}`, { remote: this.info.endpoint })
        return refusal(opened.left.message)
      }
      return this.inbox.put({ bytes: bytes.length, message: opened.right }, bytes.length)
    })
    return Effect.iterate(true, { while: (open) => open, body: () => step }).pipe(
      Effect.asVoid,
      Effect.ensuring(
        Effect.sync(() => {
          this.hasEnded = true
          this.inbox.finish()
          this.options.ended(this)
        })
      )
    )
  }

  private write(stream: GossipStream): Effect.Effect<void> {
    const { metrics } = this.options
    const step = Effect.flatMap(this.out.take, (bytes) => {
      if (bytes === undefined) return Effect.succeed(false)
      return Effect.as(
        Effect.tap(stream.send(bytes), () => metrics.sent()),
        true
      )
    })
    return Effect.iterate(true, { while: (open) => open, body: () => step }).pipe(
      Effect.catchAll(({ message }) =>
        Effect.sync(() => {
          // a remote that has gone is no news; what it sent before is still being handed out
          if (!this.hasEnded) this.options.broken(this, message)
        })
      ),
      Effect.asVoid
    )
  }

  /** One message after the other, in the order of their arrival. */
  private readonly handOut: Effect.Effect<void> = Effect.suspend(() => {
    const step = Effect.flatMap(this.inbox.take, (item) => {
      if (item === undefined) return Effect.succeed(false)
      const waits = this.options.dispatch(this.received(item.message))
      const handled = waits === undefined ? Effect.void : waits
      return Effect.as(Effect.zipRight(handled, this.answersTaken), true)
    })
    return Effect.asVoid(Effect.iterate(true, { while: (open) => open, body: () => step }))
  })

  private readonly answersTaken: Effect.Effect<void> = Effect.suspend(() =>
    this.out.hasRoom ? Effect.void : Effect.asVoid(Effect.timeoutOption(this.out.room, answerPatience))
  )

  private received({ envelope, message }: SignedGossipMessage): ReceivedMessage {
    return {
      envelope,
      message,
      connection: this.info,
      respond: (answer) => this.answer(unsigned(answer)),
      ack: (error) => this.answer(ackMessage(message.nonce, error))
    }
  }

  /** On this stream, and behind what waits already. */
  private answer({ envelope }: { readonly envelope: gossip.Envelope }): void {
    const bytes = envelopeBytes(envelope)
    if (this.isClosed || this.out.force(bytes, bytes.length, answerFactor)) return
    this.options.metrics.overflowed()
    this.options.log.debug(`Buffer to ${this.info.endpoint} overflowed, dropping an answer`)
  }
}
