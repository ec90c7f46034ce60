/**
 * One call of a client, below grpc-js's streams: pulled and written message by message, so that nothing is buffered
 * without bound on either side.
 * Source: anchors C8.
 */
import * as grpc from "@grpc/grpc-js"
import * as Effect from "effect/Effect"
import { textOf } from "../runtime/Stage.js"
import { GrpcFailure } from "./errors.js"
import { Code } from "./status.js"

type Call = ReturnType<grpc.Channel["createCall"]>

const asBuffer = (message: Uint8Array): Buffer =>
  Buffer.isBuffer(message) ? message : Buffer.from(message.buffer, message.byteOffset, message.byteLength)

const failureOf = (status: { readonly code: number; readonly details: string }): GrpcFailure =>
  new GrpcFailure({ code: status.code, details: status.details })

/** What `send` says when the server has ended the stream with OK and reads no more. */
export const serverEnded = new GrpcFailure({ code: Code.OK, details: "EOF" })

/** Creates a call or says why the channel has none: it throws when it is closed. */
const open = (channel: grpc.Channel, path: string, deadline: number): Call | GrpcFailure => {
  try {
    return channel.createCall(path, deadline, null, null, null)
  } catch (error) {
    const details = textOf(error)
    return new GrpcFailure({ code: Code.Unavailable, details })
  }
}

const canceled = "context canceled"

/** One request, one answer. Interruption cancels the call. `deadline` in milliseconds since the epoch. */
export const unaryCall = (
  channel: grpc.Channel,
  path: string,
  request: Uint8Array,
  deadline: number
): Effect.Effect<Uint8Array, GrpcFailure> =>
  Effect.async((resume) => {
    const call = open(channel, path, deadline)
    if (call instanceof GrpcFailure) return resume(call)
    let answer: Uint8Array | undefined
    call.start(new grpc.Metadata(), {
      onReceiveMetadata: () => {},
      onReceiveMessage: (message: Buffer) => {
        answer = message
        call.startRead() // the status comes only to a reader
      },
      onReceiveStatus: (status) => {
        if (status.code !== Code.OK) resume(failureOf(status))
        else if (answer === undefined) resume(new GrpcFailure({ code: Code.Internal, details: "unexpected EOF" }))
        else resume(Effect.succeed(answer))
      }
    })
    call.sendMessageWithContext({}, asBuffer(request))
    call.halfClose()
    call.startRead()
    return Effect.sync(() => call.cancelWithStatus(grpc.status.CANCELLED, canceled))
  })

/** A stream of a client. One fiber pulls, any number send. */
export interface ClientStream {
  /** Hands a message over; waits while the one before it is not taken by the network. Fails when the call has ended. */
  readonly send: (message: Uint8Array) => Effect.Effect<void, GrpcFailure>
  /** The next message; undefined when the server ended the stream with OK, otherwise its status as a failure. */
  readonly next: Effect.Effect<Uint8Array | undefined, GrpcFailure>
  /** Says that no more messages come. */
  readonly end: Effect.Effect<void>
}

export class StreamCall implements ClientStream {
  private readonly call: Call | undefined
  private status: GrpcFailure | "ok" | undefined
  private sending = false
  private ended = false
  private ahead: Uint8Array | undefined
  private readonly senders = new Set<() => void>()
  private reader: (() => void) | undefined

  constructor(channel: grpc.Channel, path: string, deadline: number) {
    const call = open(channel, path, deadline)
    if (call instanceof GrpcFailure) {
      this.status = call
      return
    }
    this.call = call
    call.start(new grpc.Metadata(), {
      onReceiveMetadata: () => {},
      onReceiveMessage: (message: Buffer) => {
        this.ahead = message
        this.wakeReader()
      },
      onReceiveStatus: (status) => {
        this.status = status.code === Code.OK ? "ok" : failureOf(status)
        this.wakeReader()
        this.wakeSenders()
      }
    })
    call.startRead()
  }

  readonly send = (message: Uint8Array): Effect.Effect<void, GrpcFailure> =>
    Effect.suspend(() => {
      if (this.status !== undefined) return Effect.fail(this.status === "ok" ? serverEnded : this.status)
      if (this.ended) return new GrpcFailure({ code: Code.Internal, details: "SendMsg called after CloseSend" })
      if (this.sending) return Effect.zipRight(this.sendable, this.send(message))
      this.sending = true
      this.call?.sendMessageWithContext(
        {
          callback: () => {
            this.sending = false
            this.wakeSenders()
          }
        },
        asBuffer(message)
      )
      return Effect.void
    })

  readonly next: Effect.Effect<Uint8Array | undefined, GrpcFailure> = Effect.suspend(() => {
    const { ahead, status } = this
    if (ahead !== undefined) {
      this.ahead = undefined
      this.call?.startRead()
      return Effect.succeed(ahead)
    }
    if (status === undefined) return Effect.zipRight(this.readable, this.next)
    return status === "ok" ? Effect.succeed(undefined) : Effect.fail(status)
  })

  readonly end: Effect.Effect<void> = Effect.sync(() => {
    if (this.ended) return
    this.ended = true
    this.call?.halfClose()
  })

  cancel(): void {
    if (this.status === undefined) this.call?.cancelWithStatus(grpc.status.CANCELLED, canceled)
  }

  private readonly sendable = Effect.async<void>((resume) => {
    const wake = (): void => resume(Effect.void)
    this.senders.add(wake)
    return Effect.sync(() => this.senders.delete(wake))
  })
  private readonly readable = Effect.async<void>((resume) => {
    const wake = (): void => resume(Effect.void)
    this.reader = wake
    return Effect.sync(() => {
      if (this.reader === wake) this.reader = undefined
    })
  })
  private wakeReader(): void {
    const { reader } = this
    this.reader = undefined
    reader?.()
  }
  private wakeSenders(): void {
    const waiting = [...this.senders]
    this.senders.clear()
    for (const wake of waiting) wake()
  }
}
