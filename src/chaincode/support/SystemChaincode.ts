/**
 * System chaincodes: called directly, with what their callers can observe kept: contexts of their own, the execute
 * timeout, state under their own namespace, the texts of failed requests (R50a).
 * Source: chaincode.md R44, R47, R50a, R75-R79; core/chaincode/shim/chaincode.go.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { textOf } from "../../runtime/Stage.js"
import { EMPTY, protos } from "../../wire/index.js"
import { isUtf8Text } from "../../wire/looseText.js"
import { failureText, MessageType } from "../shim/messages.js"
import { answerStateRequest, type RequestEnvironment } from "../shim/requests.js"
import { existsText, TransactionContext, TransactionContexts, type TxParams } from "../shim/TransactionContext.js"
import { canonicalName } from "../text.js"
import { ExecutionFailed } from "./errors.js"
import type { ChaincodeMetrics, ShimSeries } from "./metrics.js"

/** A chaincode that is part of the peer. */
export interface SystemChaincode {
  readonly name: string
  /** Called once per channel and once without one; a status of 500 or more is a failure. */
  readonly init: (stub: ChaincodeStub) => Effect.Effect<protos.Response>
  /** Outcomes are responses with a status (R79), never failures. */
  readonly invoke: (stub: ChaincodeStub) => Effect.Effect<protos.Response>
}

/** `shim.Success`. */
export const success = (payload: Uint8Array = EMPTY): protos.Response =>
  protos.Response.create({ status: 200, payload })
/** `shim.Error`. */
export const failure = (message: string): protos.Response => protos.Response.create({ status: 500, message })

interface StubServices {
  readonly environment: RequestEnvironment
  readonly series: (type: number, channelId: string) => ShimSeries
  readonly now: () => number
}

/**
 * What a system chaincode sees of its transaction. State operations fail by throwing an error with the text that the
 * reference's shim reports: `GET_STATE failed: transaction ID: …`.
 */
export class ChaincodeStub {
  /** Set by {@link setEvent}. */
  event: protos.ChaincodeEvent | undefined

  constructor(
    private readonly namespace: string,
    readonly args: ReadonlyArray<Uint8Array>,
    private readonly context: TransactionContext,
    private readonly services: StubServices
  ) {}

  get txId(): string {
    return this.context.params.txId
  }
  get channelId(): string {
    return this.context.params.channelId
  }
  get signedProposal(): protos.SignedProposal | undefined {
    return this.context.params.signedProposal
  }
  get proposal(): protos.Proposal | undefined {
    return this.context.params.proposal
  }
  get decorations(): ReadonlyMap<string, Uint8Array> {
    return this.context.params.decorations
  }

  /** The value, undefined when there is none. */
  getState(key: string): Uint8Array | undefined {
    const value = isUtf8Text(key)
      ? this.request(MessageType.getState, protos.GetState.encode({ key }))
      : this.request(MessageType.getState, EMPTY, "protos.GetState.key")
    return value.length === 0 ? undefined : value
  }

  putState(key: string, value: Uint8Array): void {
    if (key === "") throw new Error("key must not be an empty string")
    this.request(MessageType.putState, protos.PutState.encode({ key, value }))
  }

  deleteState(key: string): void {
    this.request(MessageType.delState, protos.DelState.encode({ key }))
  }

  /** All results of a range, serialised KV each. An empty start key stands for U+0001, as in the reference's shim. */
  *stateByRange(startKey: string, endKey: string): Generator<Uint8Array, void, void> {
    const from = startKey === "" ? "\u0001" : startKey
    let reply = this.query(MessageType.getStateByRange, protos.GetStateByRange.encode({ startKey: from, endKey }))
    try {
      for (;;) {
        for (const { resultBytes } of reply.results) yield resultBytes
        if (!reply.hasMore) return
        reply = this.query(MessageType.queryStateNext, protos.QueryStateNext.encode({ id: reply.id }))
      }
    } finally {
      this.query(MessageType.queryStateClose, protos.QueryStateClose.encode({ id: reply.id }))
    }
  }

  setEvent(eventName: string, payload: Uint8Array): void {
    if (eventName === "") throw new Error("event name can not be nil string")
    this.event = protos.ChaincodeEvent.create({ eventName, payload })
  }

  private query(type: number, payload: Uint8Array): protos.QueryResponse {
    return protos.QueryResponse.decode(this.request(type, payload))
  }

  /** `unreadable`: a field that the reference could not have read, since its text is no UTF-8. */
  private request(type: number, payload: Uint8Array, unreadable?: string): Uint8Array {
    const { channelId, txId } = this
    const message = protos.ChaincodeMessage.create({ type, payload, txid: txId, channelId })
    const since = this.services.now()
    const series = this.services.series(type, channelId)
    series.received()
    const completed = (good: boolean) => series.completed(good, (this.services.now() - since) / 1000)
    try {
      if (this.context.params.simulator === undefined) throw new Error("no ledger context")
      if (unreadable !== undefined) throw new Error(`unmarshal failed: ${invalidUtf8(unreadable)}`)
      const { environment } = this.services
      const { context, namespace } = this
      const answer = answerStateRequest(type, { namespace, channelId, payload, context, environment })
      if (!(answer instanceof Uint8Array)) throw new Error("a system chaincode makes no rich queries")
      completed(true)
      return answer
    } catch (error) {
      completed(false)
      throw new Error(failureText(message, textOf(error)))
    }
  }
}

const invalidUtf8 = (field: string): string => `proto: field "${field}" contains invalid UTF-8`

/** Runs one system chaincode's transactions. */
export class SystemHandler {
  private readonly contexts = new TransactionContexts()

  constructor(
    private readonly chaincode: SystemChaincode,
    private readonly version: string,
    private readonly metrics: ChaincodeMetrics,
    private readonly environment: RequestEnvironment,
    private readonly now: () => number
  ) {}

  /** The COMPLETED or ERROR message that a stream would have brought. */
  execute(
    params: TxParams,
    type: number,
    args: ReadonlyArray<Uint8Array>,
    timeout: number | undefined
  ): Effect.Effect<protos.ChaincodeMessage, ExecutionFailed> {
    return Effect.suspend(() => {
      const { channelId, txId } = params
      const refused = (kind: ExecutionFailed["kind"], reason: string) => new ExecutionFailed({ txId, kind, reason })
      if (params.proposal !== undefined && params.signedProposal === undefined) {
        return refused("proposal", "failed getting proposal context. Signed proposal is nil")
      }
      const isInit = type === MessageType.init
      const context = this.contexts.create(new TransactionContext(params, isInit, () => {}))
      if (context === undefined) return refused("exists", existsText(params))
      const name = canonicalName(this.chaincode.name, this.version)
      const stub = new ChaincodeStub(this.chaincode.name, args, context, {
        environment: this.environment,
        series: (request, channel) => this.metrics.shim(request, channel, `${name}:`),
        now: this.now
      })
      const run = Effect.suspend(() => (isInit ? this.chaincode.init(stub) : this.chaincode.invoke(stub))).pipe(
        // one that breaks answers as its own failure: the reference's process would end here (T14)
        Effect.catchAllDefect((defect) => Effect.succeed(failure(textOf(defect)))),
        Effect.map((response) => answerMessage(stub, response, isInit, channelId))
      )
      const limited =
        timeout === undefined
          ? run
          : Effect.timeoutFail(run, {
              duration: Duration.millis(timeout),
              onTimeout: () => {
                this.metrics.executeTimeouts.with({ chaincode: name }).add(1)
                return refused("timeout", "timeout expired while executing transaction")
              }
            })
      return Effect.ensuring(
        limited,
        Effect.sync(() => {
          this.contexts.delete(context)
          context.closeQueries()
        })
      )
    })
  }
}

const answerMessage = (
  stub: ChaincodeStub,
  response: protos.Response,
  isInit: boolean,
  channelId: string
): protos.ChaincodeMessage => {
  // a message that is no UTF-8 cannot be sent
  const unsent = isUtf8Text(response.message) ? undefined : invalidUtf8("protos.Response.Message")
  const failure = isInit && response.status >= 500 ? response.message : unsent
  return protos.ChaincodeMessage.create({
    type: failure === undefined ? MessageType.completed : MessageType.error,
    payload: failure === undefined ? protos.Response.encode(response) : Buffer.from(failure, "utf8"),
    txid: stub.txId,
    channelId,
    ...(stub.event === undefined ? {} : { chaincodeEvent: stub.event })
  })
}

/** Milliseconds since some fixed point, from the fiber's clock. */
export const monotonicMillis: Effect.Effect<() => number> = Effect.map(
  Clock.clockWith((clock) => Effect.succeed(clock)),
  (clock) => () => Number(clock.unsafeCurrentTimeNanos() / 1000n) / 1000
)
