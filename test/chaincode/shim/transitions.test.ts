/** Every message type in every state: legal or not, and with which text. */
import { describe, expect, it } from "vitest"
import { MessageType, messageTypeName, parseName } from "../../../src/chaincode/shim/messages.js"
import { decide, type HandlerState } from "../../../src/chaincode/shim/transitions.js"

const REQUESTS = [8, 9, 10, 11, 14, 15, 16, 17, 19, 20, 21, 22]

/** The reference's switch statements as a table. */
const expected = (state: HandlerState, type: number): string => {
  if (type === 18) return "ignore"
  if (state === "created") {
    return type === 1
      ? "register"
      : `[tx] Fabric side handler cannot handle message (${messageTypeName(type)}) while in created state`
  }
  if (state === "established") return "handle message: invalid state established for transaction tx"
  if (type === 6 || type === 7) return "notify"
  if (REQUESTS.includes(type)) return "request"
  return `[tx] Fabric side handler cannot handle message (${messageTypeName(type)}) while in ready state`
}

describe("state machine", () => {
  const types = [...Array.from({ length: 26 }, (_, type) => type), 100, -1, 2 ** 31 - 1]
  const states: ReadonlyArray<HandlerState> = ["created", "established", "ready"]
  it.each(states)("%s", (state) => {
    for (const type of types) {
      const decision = decide(state, type, "tx")
      expect(decision._tag === "fault" ? decision.text : decision._tag, `${state} ${type}`).toBe(expected(state, type))
    }
  })

  it("knows every type of the protocol by number and name", () => {
    expect(Object.values(MessageType).map((type) => [type, messageTypeName(type)])).toEqual([
      [0, "UNDEFINED"],
      [1, "REGISTER"],
      [2, "REGISTERED"],
      [3, "INIT"],
      [4, "READY"],
      [5, "TRANSACTION"],
      [6, "COMPLETED"],
      [7, "ERROR"],
      [8, "GET_STATE"],
      [9, "PUT_STATE"],
      [10, "DEL_STATE"],
      [11, "INVOKE_CHAINCODE"],
      [13, "RESPONSE"],
      [14, "GET_STATE_BY_RANGE"],
      [15, "GET_QUERY_RESULT"],
      [16, "QUERY_STATE_NEXT"],
      [17, "QUERY_STATE_CLOSE"],
      [18, "KEEPALIVE"],
      [19, "GET_HISTORY_FOR_KEY"],
      [20, "GET_STATE_METADATA"],
      [21, "PUT_STATE_METADATA"],
      [22, "GET_PRIVATE_DATA_HASH"]
    ])
    expect(messageTypeName(12)).toBe("12")
  })

  it.each([
    ["cc", "cc", "", ""],
    ["cc:1.0", "cc", "1.0", ""],
    ["cc:1.0/ch", "cc", "1.0", "ch"],
    ["cc/ch", "cc", "", "ch"],
    ["cc:1:2/a/b:c", "cc", "1:2", "a/b:c"],
    ["", "", "", ""]
  ])("takes the name %s apart", (text, name, version, channelId) => {
    expect(parseName(text)).toEqual({ name, version, channelId })
  })
})
