/** Every message type put to a live handler in each state, with a transaction of its own and without: what comes of it. */
import { describe, expect, it } from "vitest"
import { MessageType, messageTypeName } from "../../../src/chaincode/shim/messages.js"
import { protos } from "../../../src/wire/index.js"
import { executing, fakePeer, message, nextTurn, params } from "../support/FakeStream.js"
import { MemoryChannel } from "../support/MemoryChannel.js"

const T = MessageType
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8")
const types = [...Array.from({ length: 25 }, (_, type) => type), 99, -1]
const register = message(T.register, { payload: protos.ChaincodeID.encode({ name: "cc:1" }) })

interface Outcome {
  /** Why the stream ended. */
  readonly ended?: string
  /** Type and text of what the peer answered. */
  readonly answer?: string
  /** How the transaction ended; absent while it goes on. */
  readonly transaction?: string
  readonly state: string
}

const shownAnswer = (sent: protos.ChaincodeMessage | undefined): string | undefined =>
  sent === undefined
    ? undefined
    : `${messageTypeName(sent.type)}${sent.type === T.error ? ` ${text(sent.payload)}` : ""} ${sent.txid}(${sent.channelId})`

/** One message in one state; `withTransaction`: tx on channel ch is under way. */
const put = async (state: "created" | "ready", type: number, withTransaction: boolean): Promise<Outcome> => {
  const { connect } = fakePeer({ devMode: true })
  const { handler, stream } = connect()
  let ended: string | undefined
  if (state === "ready") {
    stream.say(register)
    if (withTransaction) {
      const simulator = new MemoryChannel("ch").simulator("tx")
      void executing(handler, params({ simulator })).then((end) => {
        ended = typeof end === "string" ? end : messageTypeName(end.type)
      })
    }
    stream.sent.length = 0
  }
  stream.say(message(type, { txid: "tx", channelId: "ch" }))
  await nextTurn()
  await nextTurn()
  const answer = shownAnswer(stream.sent[0])
  expect(stream.sent.length).toBeLessThanOrEqual(state === "created" ? 2 : 1)
  return {
    ...(stream.failures[0] === undefined ? {} : { ended: stream.failures[0] }),
    ...(answer === undefined ? {} : { answer }),
    ...(ended === undefined ? {} : { transaction: ended }),
    state: handler.currentState
  }
}

const illegal = (type: number, state: string) =>
  `error handling message, ending stream: [tx] Fabric side handler cannot handle message (${messageTypeName(type)}) while in ${state} state`

describe("before registration", () => {
  it.each(types)("%s", async (type) => {
    const outcome = await put("created", type, false)
    if (type === T.keepalive) expect(outcome).toEqual({ state: "created" })
    // an empty payload is a name without a version: it is taken, as the reference takes it
    else if (type === T.register) expect(outcome).toEqual({ state: "ready", answer: "REGISTERED ()" })
    else expect(outcome).toEqual({ state: "created", ended: illegal(type, "created") })
  })
})

/** What an empty payload comes to, request by request, with a transaction under way. */
const requests: ReadonlyMap<number, string> = new Map([
  [T.getState, "RESPONSE tx(ch)"],
  [T.putState, "RESPONSE tx(ch)"],
  [T.delState, "RESPONSE tx(ch)"],
  [T.invokeChaincode, "ERROR INVOKE_CHAINCODE failed: transaction ID: tx: "],
  [T.getStateByRange, "RESPONSE tx(ch)"],
  [T.getQueryResult, "ERROR GET_QUERY_RESULT failed: transaction ID: tx: "],
  [T.queryStateNext, "ERROR QUERY_STATE_NEXT failed: transaction ID: tx: query iterator not found tx(ch)"],
  [T.queryStateClose, "RESPONSE tx(ch)"],
  [T.getHistoryForKey, "ERROR GET_HISTORY_FOR_KEY failed: transaction ID: tx: "],
  [T.getStateMetadata, "ERROR GET_STATE_METADATA failed: transaction ID: tx: application config does not exist for ch"],
  [T.putStateMetadata, "ERROR PUT_STATE_METADATA failed: transaction ID: tx: application config does not exist for ch"],
  [T.getPrivateDataHash, "ERROR GET_PRIVATE_DATA_HASH failed: transaction ID: tx: "]
])

describe("ready, with a transaction under way", () => {
  it.each(types)("%s", async (type) => {
    const outcome = await put("ready", type, true)
    const wanted = requests.get(type)
    if (wanted !== undefined) {
      expect(outcome.answer?.startsWith(wanted), outcome.answer).toBe(true)
      expect(outcome).toMatchObject({ state: "ready" })
      expect(outcome.ended).toBeUndefined()
      expect(outcome.transaction).toBeUndefined()
    } else if (type === T.keepalive) expect(outcome).toEqual({ state: "ready" })
    else if (type === T.completed || type === T.error)
      expect(outcome).toEqual({ state: "ready", transaction: messageTypeName(type) })
    else
      expect(outcome).toEqual({
        state: "ready",
        ended: illegal(type, "ready"),
        transaction: "chaincode stream terminated"
      })
  })
})

describe("ready, for a transaction that is not there", () => {
  it.each(types)("%s", async (type) => {
    const outcome = await put("ready", type, false)
    if (requests.has(type)) {
      const cause = type === T.invokeChaincode ? "could not get valid transaction" : "no ledger context"
      expect(outcome).toEqual({
        state: "ready",
        answer: `ERROR ${messageTypeName(type)} failed: transaction ID: tx: ${cause} tx(ch)`
      })
    } else if (type === T.keepalive || type === T.completed || type === T.error)
      expect(outcome).toEqual({ state: "ready" })
    else expect(outcome).toEqual({ state: "ready", ended: illegal(type, "ready") })
  })
})
