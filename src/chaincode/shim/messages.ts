/** Messages of the shim protocol: types, names, and what the peer sends. Pure. Source: chaincode.md 3.6, section 4.1. */
import { protos } from "../../wire/index.js"

/** Type numbers of a ChaincodeMessage. */
export const MessageType = {
  undefined: 0,
  register: 1,
  registered: 2,
  init: 3,
  ready: 4,
  transaction: 5,
  completed: 6,
  error: 7,
  getState: 8,
  putState: 9,
  delState: 10,
  invokeChaincode: 11,
  response: 13,
  getStateByRange: 14,
  getQueryResult: 15,
  queryStateNext: 16,
  queryStateClose: 17,
  keepalive: 18,
  getHistoryForKey: 19,
  getStateMetadata: 20,
  putStateMetadata: 21,
  getPrivateDataHash: 22
} as const

const NAMES: ReadonlyMap<number, string> = new Map([
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

/** The name of a type as the reference prints it: unknown numbers as digits. */
export const messageTypeName = (type: number): string => NAMES.get(type) ?? String(type)

/** A message of nothing but its type. */
export const bareMessage = (type: number): Uint8Array => protos.ChaincodeMessage.encode({ type })

/** The answer to a request; both ids are echoed exactly (T7). */
export const replyMessage = (request: protos.ChaincodeMessage, type: number, payload: Uint8Array): Uint8Array =>
  protos.ChaincodeMessage.encode({ type, payload, txid: request.txid, channelId: request.channelId })

/** What an ERROR reply says. */
export const failureText = (request: protos.ChaincodeMessage, cause: string): string =>
  `${messageTypeName(request.type)} failed: transaction ID: ${request.txid}: ${cause}`

/** A chaincode's name taken apart: `name[:version][/channel]`. */
export interface ChaincodeInstance {
  readonly name: string
  readonly version: string
  readonly channelId: string
}

/** Splits once on `/`, the front once on `:` (R26, R51). */
export const parseName = (text: string): ChaincodeInstance => {
  const slash = text.indexOf("/")
  const front = slash < 0 ? text : text.slice(0, slash)
  const colon = front.indexOf(":")
  return {
    name: colon < 0 ? front : front.slice(0, colon),
    version: colon < 0 ? "" : front.slice(colon + 1),
    channelId: slash < 0 ? "" : text.slice(slash + 1)
  }
}

/** An instance as the reference prints it. */
export const instanceText = ({ channelId, name, version }: ChaincodeInstance): string =>
  `${channelId}.${name}#${version}`
