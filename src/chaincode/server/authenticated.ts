/**
 * The chaincode service under TLS: the first message must be a REGISTER whose name belongs to the certificate shown;
 * only then a handler gets the stream. Source: chaincode.md R5; core/chaincode/accesscontrol/interceptor.go.
 */
import { textOf } from "../../runtime/Stage.js"
import type { CallEvents, ServerCall } from "../../transport/index.js"
import { protos } from "../../wire/index.js"
import type { ChaincodeStream } from "../shim/Handler.js"
import { MessageType } from "../shim/messages.js"
import type { Authenticator } from "./Authenticator.js"

/** Why the first message does not authenticate its sender; undefined when it does. */
export const firstMessageFault = (
  authenticator: Authenticator,
  bytes: Uint8Array,
  certificateDer: Uint8Array | undefined
): string | undefined => {
  try {
    const message = protos.ChaincodeMessage.decode(bytes)
    if (message.type !== MessageType.register) return "First message needs to be a register"
    return authenticator.refusal(protos.ChaincodeID.decode(message.payload).name, certificateDer)
  } catch (error) {
    return textOf(error)
  }
}

/** Opens a handler behind the check of the first message; `refused` is told why one was turned away. */
export const authenticated = (
  authenticator: Authenticator,
  call: ServerCall,
  open: (stream: ChaincodeStream) => CallEvents,
  refused: (reason: string) => void
): CallEvents => {
  let handler: CallEvents | undefined
  call.read()
  return {
    message: (bytes) => {
      if (handler === undefined) {
        const fault = firstMessageFault(authenticator, bytes, call.info.clientCertificateDer)
        if (fault !== undefined) {
          refused(fault)
          return call.fail(new Error(fault))
        }
        handler = open(call)
      }
      handler.message(bytes)
    },
    halfClosed: () => {
      if (handler === undefined) call.fail(new Error("Recv() error: EOF, closing connection"))
      else handler.halfClosed()
    },
    drained: () => handler?.drained?.(),
    closed: () => handler?.closed()
  }
}
