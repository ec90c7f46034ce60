/** A chaincode stream without a network: what the peer sent is kept, what the chaincode says is put in by hand. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { ApplicationConfigs } from "../../../src/chaincode/context.js"
import { Handler, type HandlerServices } from "../../../src/chaincode/shim/Handler.js"
import type { TxParams } from "../../../src/chaincode/shim/TransactionContext.js"
import { HandlerRegistry } from "../../../src/chaincode/support/HandlerRegistry.js"
import { declareMetrics } from "../../../src/chaincode/support/metrics.js"
import { disabled, type MetricsShape } from "../../../src/runtime/Metrics.js"
import type { CallEvents } from "../../../src/transport/index.js"
import { protos } from "../../../src/wire/index.js"

export const message = (type: number, fields: Partial<protos.ChaincodeMessage> = {}): Uint8Array =>
  protos.ChaincodeMessage.encode({ type, ...fields })

export class FakeStream {
  readonly sent: Array<protos.ChaincodeMessage> = []
  readonly failures: Array<string> = []
  reads = 0
  /** What `send` answers. */
  fast = true
  private events: CallEvents | undefined
  private readonly waiting: Array<{ readonly count: number; readonly done: () => void }> = []

  readonly stream = {
    read: () => {
      this.reads += 1
    },
    send: (bytes: Uint8Array) => {
      this.sent.push(protos.ChaincodeMessage.decode(bytes))
      for (const one of this.waiting) if (this.sent.length >= one.count) one.done()
      return this.fast
    },
    fail: (failure: unknown) => {
      this.failures.push(failure instanceof Error ? failure.message : String(failure))
    }
  }

  attach(events: CallEvents): void {
    this.events = events
  }
  say(bytes: Uint8Array): void {
    this.events?.message(bytes)
  }
  close(): void {
    this.events?.closed()
  }
  halfClose(): void {
    this.events?.halfClosed()
  }
  drained(): void {
    this.events?.drained?.()
  }
  /** Waits until the peer has sent so many messages. */
  async until(count: number): Promise<void> {
    if (this.sent.length >= count) return
    await new Promise<void>((done) => this.waiting.push({ count, done }))
  }
  get last(): protos.ChaincodeMessage {
    const last = this.sent.at(-1)
    if (last === undefined) throw new Error("nothing was sent")
    return last
  }
}

export interface FakePeer {
  readonly registry: HandlerRegistry<Handler>
  readonly services: HandlerServices
  readonly log: Array<string>
  /** Milliseconds that the handler's timers have seen. */
  readonly advance: (milliseconds: number) => void
  readonly connect: () => { readonly stream: FakeStream; readonly handler: Handler }
}

export interface FakePeerOptions {
  readonly devMode?: boolean
  readonly keepalive?: number
  readonly totalQueryLimit?: number
  readonly metrics?: MetricsShape
  readonly applications?: ApplicationConfigs["Type"]
  readonly invoke?: HandlerServices["invoke"]
  readonly debugged?: () => boolean
}

/** Handlers as the service makes them, with a clock that stands still until told. */
export const fakePeer = (options: FakePeerOptions = {}): FakePeer => {
  let time = 0
  let timers: Array<{ readonly at: number; readonly callback: () => void }> = []
  const log: Array<string> = []
  const line = (text: string) => {
    log.push(text)
  }
  const registry = new HandlerRegistry<Handler>(() => options.devMode === true)
  let ids = 0
  const services: HandlerServices = {
    registry,
    metrics: declareMetrics(options.metrics ?? disabled),
    environment: {
      applications: options.applications ?? { of: () => undefined },
      totalQueryLimit: options.totalQueryLimit ?? 100_000,
      newId: () => `query-${++ids}`
    },
    isSystem: (name) => name === "qscc",
    invoke: options.invoke ?? (() => Effect.fail({ message: "no calls here" })),
    fork: (effect) => Effect.runFork(effect),
    timer: (milliseconds, callback) => {
      const timer = { at: time + milliseconds, callback }
      timers.push(timer)
      return () => {
        timers = timers.filter((one) => one !== timer)
      }
    },
    now: () => time,
    debugged: () => options.debugged?.() ?? false,
    keepalive: options.keepalive ?? 0,
    log: { enabled: () => true, debug: line, info: line, warning: line, error: line }
  }
  return {
    registry,
    services,
    log,
    advance: (milliseconds) => {
      const end = time + milliseconds
      for (;;) {
        const due = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
        if (due === undefined) break
        timers = timers.filter((one) => one !== due)
        time = due.at
        due.callback()
      }
      time = end
    },
    connect: () => {
      const stream = new FakeStream()
      const handler = new Handler(services, stream.stream)
      stream.attach(handler.open())
      return { stream, handler }
    }
  }
}

export const params = (fields: Partial<TxParams> = {}): TxParams => ({
  txId: "tx",
  channelId: "ch",
  signedProposal: undefined,
  proposal: undefined,
  simulator: undefined,
  history: undefined,
  decorations: new Map(),
  ...fields
})

/** Starts an execution; the promise is told how it ended: the answer, or the failure's text. */
export const executing = (
  handler: Handler,
  tx: TxParams,
  timeout: number | undefined = 1_000,
  type = 5
): Promise<protos.ChaincodeMessage | string> =>
  Effect.runPromise(Effect.either(handler.execute(tx, { type, payload: new Uint8Array(0) }, timeout))).then((result) =>
    Either.isRight(result) ? result.right : result.left.message
  )

/** Lets what was put off to the next turn of the event loop happen. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
