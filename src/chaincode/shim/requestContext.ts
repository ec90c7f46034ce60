/**
 * Which transaction a request of a chaincode belongs to.
 * Source: chaincode.md R31.
 */
import { textOf } from "../../runtime/Stage.js"
import { protos } from "../../wire/index.js"
import { MessageType, parseName } from "./messages.js"
import type { TransactionContext, TransactionContexts } from "./TransactionContext.js"

/**
 * The transaction that a request belongs to; throws the cause when there is none.
 * @param isSystem whether a name is that of a system chaincode
 */
export const contextOf = (
  contexts: TransactionContexts,
  message: protos.ChaincodeMessage,
  isSystem: (name: string) => boolean
): TransactionContext => {
  const { channelId, txid, type } = message
  const context = contexts.get(channelId, txid)
  if (type !== MessageType.invokeChaincode) {
    if (context?.params.simulator === undefined) throw new Error("no ledger context")
    return context
  }
  if (channelId === "" && isSystem(targetOf(message.payload))) {
    // a system chaincode that was called without a channel may call another one
    if (context === undefined) throw new Error("failed to get transaction context")
    return context
  }
  if (context?.params.simulator === undefined) throw new Error("could not get valid transaction")
  return context
}

/** The chaincode that an INVOKE_CHAINCODE names; throws the cause when it does not decode. */
const targetOf = (payload: Uint8Array): string => {
  let spec: protos.ChaincodeSpec
  try {
    spec = protos.ChaincodeSpec.decode(payload)
  } catch (error) {
    throw new Error(`unmarshal failed: ${textOf(error)}`)
  }
  return parseName(spec.chaincodeId?.name ?? "").name
}
