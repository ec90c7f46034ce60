/** The states of one chaincode stream and what each message means in them. Pure. Source: chaincode.md R22, R23. */
import { MessageType, messageTypeName } from "./messages.js"

export type HandlerState = "created" | "established" | "ready"

/** What to do with a message; a string is the fault that ends the stream. */
export type Decision =
  | { readonly _tag: "ignore" }
  | { readonly _tag: "register" }
  /** The chaincode has finished a transaction. */
  | { readonly _tag: "notify" }
  /** The chaincode wants something from the peer. */
  | { readonly _tag: "request" }
  | { readonly _tag: "fault"; readonly text: string }

const IGNORE: Decision = { _tag: "ignore" }
const REGISTER: Decision = { _tag: "register" }
const NOTIFY: Decision = { _tag: "notify" }
const REQUEST: Decision = { _tag: "request" }

/** Requests that a chaincode may make. */
export const isRequest = (type: number): boolean =>
  (type >= MessageType.getState && type <= MessageType.invokeChaincode) ||
  (type >= MessageType.getStateByRange && type <= MessageType.queryStateClose) ||
  (type >= MessageType.getHistoryForKey && type <= MessageType.getPrivateDataHash)

/** KEEPALIVE is ignored before any look at the state. */
export const decide = (state: HandlerState, type: number, txId: string): Decision => {
  if (type === MessageType.keepalive) return IGNORE
  const name = messageTypeName(type)
  switch (state) {
    case "created":
      if (type === MessageType.register) return REGISTER
      return {
        _tag: "fault",
        text: `[${txId}] Fabric side handler cannot handle message (${name}) while in created state`
      }
    case "established":
      return { _tag: "fault", text: `handle message: invalid state established for transaction ${txId}` }
    case "ready":
      if (type === MessageType.completed || type === MessageType.error) return NOTIFY
      if (isRequest(type)) return REQUEST
      return {
        _tag: "fault",
        text: `[${txId}] Fabric side handler cannot handle message (${name}) while in ready state`
      }
  }
}
