/**
 * The peer's side of one chaincode stream. Callbacks and plain functions: every key that a chaincode reads passes here.
 * What takes time, a call to another chaincode and a rich query, is forked.
 * Source: chaincode.md 3.5-3.9; core/chaincode/handler.go.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { LiveSet } from "../../runtime/LiveSet.js"
import type { SyncLog } from "../../runtime/Log.js"
import { textOf } from "../../runtime/Stage.js"
import type { CallEvents } from "../../transport/index.js"
import { EMPTY, protos } from "../../wire/index.js"
import { ExecutionFailed } from "../support/errors.js"
import type { HandlerRegistry } from "../support/HandlerRegistry.js"
import type { ChaincodeMetrics, ShimSeries } from "../support/metrics.js"
import { shortTxId } from "../text.js"
import { bareMessage, failureText, MessageType, messageTypeName, parseName, replyMessage } from "./messages.js"
import { RequestTurns, type WaitingRequest } from "./RequestTurns.js"
import { contextOf } from "./requestContext.js"
import { answerStateRequest, type RequestEnvironment } from "./requests.js"
import { existsText, TransactionContext, TransactionContexts, type TxParams } from "./TransactionContext.js"
import { decide, type HandlerState } from "./transitions.js"

/** The stream of a chaincode: what of a `ServerCall` is needed. */
export interface ChaincodeStream {
  readonly read: () => void
  /** False: the chaincode reads slowly. */
  readonly send: (message: Uint8Array) => boolean
  readonly fail: (failure: unknown) => void
}

/** Calls back once after so many milliseconds; the result takes it back. */
export type Timer = (milliseconds: number, callback: () => void) => () => void

/** Answers INVOKE_CHAINCODE: the payload of its RESPONSE. A failure's message is the cause of the ERROR. */
export type InvokeChaincode = (
  context: TransactionContext,
  payload: Uint8Array
) => Effect.Effect<Uint8Array, { readonly message: string }>

export interface HandlerServices {
  readonly registry: HandlerRegistry<Handler>
  readonly metrics: ChaincodeMetrics
  readonly environment: RequestEnvironment
  /** Whether a name is that of a system chaincode. */
  readonly isSystem: (name: string) => boolean
  readonly invoke: InvokeChaincode
  /** Runs an effect in the scope of the service. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
  readonly timer: Timer
  /** Whether a debugger is attached to the chaincode: executions then have no limit. */
  readonly debugged: (chaincode: string) => boolean
  /** Milliseconds, monotonic. */
  readonly now: () => number
  /** Milliseconds between KEEPALIVE messages, 0 for none (T4). */
  readonly keepalive: number
  readonly log: SyncLog
}

/** What an execution sends: INIT or TRANSACTION. */
export interface ExecuteMessage {
  readonly type: number
  /** A serialised ChaincodeInput. */
  readonly payload: Uint8Array
}

/** Messages asked for ahead: a chaincode's concurrent transactions arrive in bursts. */
const READ_AHEAD = 64

export class Handler {
  private state: HandlerState = "created"
  private chaincode = ""
  private namespace = ""
  private readonly contexts = new TransactionContexts()
  /** Executions to be told when the stream ends. */
  private readonly waiters = new LiveSet<() => void>()
  private readonly series = new Map<string, ShimSeries>()
  private readonly requests: RequestTurns
  private closed = false
  /** The chaincode reads slowly: nothing more is taken from it until it does. */
  private slow = false
  private owedReads = 0
  private cancelKeepalive: () => void = () => {}

  constructor(
    private readonly services: HandlerServices,
    private readonly stream: ChaincodeStream
  ) {
    this.requests = new RequestTurns(
      services.now,
      (request) => {
        if (!this.closed) this.answer(request)
      },
      (turn) => this.safely(turn)
    )
  }

  /** Begins to read; the result is told what happens on the stream. */
  open(): CallEvents {
    for (let i = 0; i < READ_AHEAD; i++) this.stream.read()
    this.scheduleKeepalive()
    return {
      message: (bytes) => this.receive(bytes),
      halfClosed: () => this.end("EOF"),
      drained: () => this.drained(),
      closed: () => this.streamEnded()
    }
  }

  /** `name:version`, empty before registration. */
  get name(): string {
    return this.chaincode
  }
  get currentState(): HandlerState {
    return this.state
  }
  /** Transactions that run here. */
  get transactions(): number {
    return this.contexts.size
  }

  // ---- Executing -------------------------------------------------------------------------------------------------

  /**
   * Runs a transaction in this chaincode and waits for its COMPLETED or ERROR.
   * @param timeout milliseconds; undefined waits as long as it takes (a debugger is attached)
   */
  execute(
    params: TxParams,
    message: ExecuteMessage,
    timeout: number | undefined
  ): Effect.Effect<protos.ChaincodeMessage, ExecutionFailed> {
    return Effect.async<protos.ChaincodeMessage, ExecutionFailed>((resume) => {
      const { channelId, txId } = params
      const failure = (kind: ExecutionFailed["kind"], reason: string) => new ExecutionFailed({ txId, kind, reason })
      if (params.proposal !== undefined && params.signedProposal === undefined) {
        return resume(failure("proposal", "failed getting proposal context. Signed proposal is nil"))
      }
      if (this.closed) return resume(failure("stream", "chaincode stream terminated"))
      const finish = (result: Effect.Effect<protos.ChaincodeMessage, ExecutionFailed>): void => {
        leave()
        resume(result)
      }
      const context = this.contexts.create(
        new TransactionContext(params, message.type === MessageType.init, (answer) => finish(Effect.succeed(answer)))
      )
      if (context === undefined) return resume(failure("exists", existsText(params)))
      const terminated = (): void => finish(failure("stream", "chaincode stream terminated"))
      const waiter = this.waiters.add(terminated)
      let cancelTimer = () => {}
      const limit = (): void => {
        if (timeout === undefined) return
        cancelTimer = this.services.timer(timeout, () => {
          if (this.services.debugged(this.chaincode)) return limit()
          this.services.metrics.executeTimeouts.with({ chaincode: this.chaincode }).add(1)
          finish(failure("timeout", "timeout expired while executing transaction"))
        })
      }
      limit()
      const leave = (): void => {
        cancelTimer()
        this.waiters.delete(waiter)
        this.contexts.delete(context)
        context.closeQueries()
      }
      this.send(
        protos.ChaincodeMessage.encode({
          type: message.type,
          payload: message.payload,
          txid: txId,
          channelId,
          ...(params.proposal === undefined ? {} : { proposal: params.signedProposal })
        })
      )
      return Effect.sync(leave)
    })
  }

  /** Closes the open queries of all transactions. */
  close(): void {
    this.contexts.close()
  }

  // ---- Receiving -------------------------------------------------------------------------------------------------

  private receive(bytes: Uint8Array): void {
    if (this.closed) return
    let message: protos.ChaincodeMessage
    try {
      message = protos.ChaincodeMessage.decode(bytes)
    } catch (error) {
      this.end(`receive failed: ${textOf(error)}`)
      return
    }
    const decision = decide(this.state, message.type, message.txid)
    switch (decision._tag) {
      case "ignore":
        break
      case "register":
        this.register(message)
        break
      case "notify":
        this.requests.answerAll() // what it asked for before comes first
        this.notify(message)
        break
      case "request":
        this.request(message, bytes.length)
        break
      case "fault":
        this.end(`error handling message, ending stream: ${decision.text}`)
        return
    }
    if (this.slow) this.owedReads++
    else this.stream.read()
  }

  private register(message: protos.ChaincodeMessage): void {
    const { log, registry } = this.services
    let name: string
    try {
      name = protos.ChaincodeID.decode(message.payload).name
    } catch (error) {
      log.error(`Error in received REGISTER, could NOT unmarshal registration info: ${textOf(error)}`)
      return
    }
    const refusal = registry.register(name, this)
    if (refusal !== undefined) {
      // no answer: the chaincode waits, and may try again (R24, T22)
      registry.failed(name, refusal)
      log.error(`failed to start ${name}: ${refusal}`)
      return
    }
    this.chaincode = name
    this.namespace = parseName(name).name
    this.send(bareMessage(MessageType.registered))
    this.state = "established"
    this.send(bareMessage(MessageType.ready))
    this.state = "ready"
    log.debug(`Changed to state ready for chaincode ${name}`)
    registry.ready(name)
  }

  /** Hands the end of a transaction to whoever waits for it. */
  private notify(message: protos.ChaincodeMessage): void {
    const context = this.contexts.get(message.channelId, message.txid)
    if (context === undefined) {
      const { channelId, txid, type } = message
      this.services.log.debug(
        `notifier Txid:${txid}, channelID:${channelId} does not exist for handling message ${messageTypeName(type)}`
      )
      return
    }
    context.notify(message)
  }

  // ---- Requests --------------------------------------------------------------------------------------------------

  private request(message: protos.ChaincodeMessage, size: number): void {
    if (this.requests.add(message, size)) return
    const { channelId, txid } = message
    this.services.log.error(
      `[${shortTxId(txid)}] Another request pending for this CC: ${this.chaincode}, Txid: ${txid}, ChannelID: ${channelId}. Cannot process.`
    )
  }

  /** For callbacks that nobody guards: whatever breaks ends this stream, not the process. */
  private safely(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.end(`error handling message, ending stream: ${textOf(error)}`)
    }
  }

  private answer({ message, since }: WaitingRequest): void {
    const series = this.seriesOf(message)
    series.received()
    try {
      const context = contextOf(this.contexts, message, this.services.isSystem)
      if (message.type === MessageType.invokeChaincode) {
        this.later(this.services.invoke(context, message.payload), message, series, since)
        return
      }
      const { channelId, payload } = message
      const { environment } = this.services
      const request = { namespace: this.namespace, channelId, payload, context, environment }
      const answer = answerStateRequest(message.type, request)
      if (answer instanceof Uint8Array) this.reply(message, answer, undefined, series, since)
      else this.later(answer, message, series, since)
    } catch (error) {
      this.reply(message, EMPTY, textOf(error), series, since)
    }
  }

  /** Replies when the work is done. */
  private later(
    work: Effect.Effect<Uint8Array, { readonly message: string }>,
    message: protos.ChaincodeMessage,
    series: ShimSeries,
    since: number
  ): void {
    this.services.fork(
      Effect.matchCause(work, {
        onSuccess: (payload) => this.reply(message, payload, undefined, series, since),
        onFailure: (cause) => this.reply(message, EMPTY, causeText(cause), series, since)
      })
    )
  }

  private reply(
    request: protos.ChaincodeMessage,
    payload: Uint8Array,
    cause: string | undefined,
    series: ShimSeries,
    since: number
  ): void {
    this.requests.done(request) // before the reply leaves: the next request may be right behind it
    if (this.closed) return
    if (cause === undefined) this.send(replyMessage(request, MessageType.response, payload))
    else {
      const text = failureText(request, cause)
      this.services.log.error(
        `[${shortTxId(request.txid)}] Failed to handle ${messageTypeName(request.type)}. error: ${text}`
      )
      this.send(replyMessage(request, MessageType.error, Buffer.from(text, "utf8")))
    }
    series.completed(cause === undefined, (this.services.now() - since) / 1000)
  }

  private seriesOf({ channelId, type }: protos.ChaincodeMessage): ShimSeries {
    // channel names come from the chaincode: one that makes them up gets no series of its own
    const channel = this.series.size < MAX_SERIES ? channelId : ""
    const key = `${type}/${channel}`
    let series = this.series.get(key)
    if (series === undefined) {
      // the version field of REGISTER is empty, hence the colon at the end (T31)
      series = this.services.metrics.shim(type, channel, `${this.chaincode}:`)
      this.series.set(key, series)
    }
    return series
  }

  // ---- Sending and ending ----------------------------------------------------------------------------------------

  private send(message: Uint8Array): void {
    if (!this.stream.send(message)) this.slow = true
  }

  private drained(): void {
    this.slow = false
    for (; this.owedReads > 0; this.owedReads--) this.stream.read()
  }

  private scheduleKeepalive(): void {
    const { keepalive, timer } = this.services
    if (keepalive <= 0) return
    this.cancelKeepalive = timer(keepalive, () =>
      this.safely(() => {
        if (this.closed) return
        this.send(bareMessage(MessageType.keepalive))
        this.scheduleKeepalive()
      })
    )
  }

  private end(reason: string): void {
    if (this.closed) return
    if (reason !== "EOF") this.services.log.error(`handling chaincode support stream: ${reason}`)
    this.stream.fail(new Error(reason))
    this.streamEnded()
  }

  /** Releases those who wait for an answer, then forgets the chaincode (R27). */
  private streamEnded(): void {
    if (this.closed) return
    this.closed = true
    this.cancelKeepalive()
    this.requests.drop()
    for (const terminated of this.waiters.all()) terminated()
    if (this.chaincode !== "") this.services.registry.deregister(this.chaincode, this)
    this.services.log.debug(`chaincode stream of ${this.chaincode || "an unregistered chaincode"} has ended`)
  }
}

/** The text of a failed call: its own message, or what broke it. */
const causeText = (cause: Cause.Cause<{ readonly message: string }>): string => {
  const failure = Cause.failureOption(cause)
  if (Option.isSome(failure)) return failure.value.message
  return Cause.isInterruptedOnly(cause) ? "the peer is stopping" : textOf(Cause.squash(cause))
}

/** Series of metrics per handler. */
const MAX_SERIES = 1000
