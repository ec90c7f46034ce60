/**
 * The filtered form of a committed block, which DeliverFiltered sends. Pure: stored block bytes in, message out.
 * Source: peer-endorse-validate.md 3.5 item 11; core/peer/deliverevents.go.
 */
import * as Either from "effect/Either"
import { common, protos } from "../wire/index.js"

/** Something inside the block that cannot be read: the client gets BAD_REQUEST in the block's place. */
export interface Unfilterable {
  readonly reason: string
}

/**
 * In: an encoded common.Block with its validation codes in metadata slot 2.
 * Out: the encoded protos.FilteredBlock. Event payloads are left out; entries that are no envelope are skipped, an
 * unreadable payload or action fails the whole block.
 */
export const filteredBlock = (block: Uint8Array): Either.Either<Uint8Array, Unfilterable> => {
  try {
    return Either.right(protos.FilteredBlock.encode(filter(common.Block.decode(block))))
  } catch (error) {
    return Either.left({ reason: error instanceof Error ? error.message : String(error) })
  }
}

const filter = (block: common.Block) => {
  const codes = block.metadata?.metadata[common.BlockMetadataIndex.TRANSACTIONS_FILTER] ?? new Uint8Array()
  const filteredTransactions: Array<protos.FilteredTransaction> = []
  let channelId = ""
  for (const [index, entry] of (block.data?.data ?? []).entries()) {
    const envelope = envelopeOf(entry)
    if (envelope === undefined) continue
    const payload = common.Payload.decode(envelope.payload)
    if (payload.header === undefined) continue
    const header = common.ChannelHeader.decode(payload.header.channelHeader)
    channelId = header.channelId // of the last entry that says one, as the reference
    const isTransaction = header.type === common.HeaderType.ENDORSER_TRANSACTION
    filteredTransactions.push(
      protos.FilteredTransaction.create({
        txid: header.txId,
        type: header.type,
        txValidationCode: codes[index] ?? protos.TxValidationCode.NOT_VALIDATED,
        ...(isTransaction ? { transactionActions: filterActions(payload.data) } : {})
      })
    )
  }
  return { channelId, number: block.header?.number ?? 0n, filteredTransactions }
}

const envelopeOf = (entry: Uint8Array): common.Envelope | undefined => {
  try {
    return common.Envelope.decode(entry)
  } catch {
    return undefined
  }
}

/** One entry per action whose event names a chaincode. */
const filterActions = (transaction: Uint8Array): protos.FilteredTransactionActions => {
  const chaincodeActions: Array<protos.FilteredChaincodeAction> = []
  for (const { payload } of protos.Transaction.decode(transaction).actions) {
    const { action } = protos.ChaincodeActionPayload.decode(payload)
    if (action === undefined) continue
    const response = protos.ProposalResponsePayload.decode(action.proposalResponsePayload)
    const { events } = protos.ChaincodeAction.decode(response.extension)
    const { chaincodeId, eventName, txId } = protos.ChaincodeEvent.decode(events)
    if (chaincodeId === "") continue
    const chaincodeEvent = protos.ChaincodeEvent.create({ chaincodeId, txId, eventName })
    chaincodeActions.push(protos.FilteredChaincodeAction.create({ chaincodeEvent }))
  }
  return protos.FilteredTransactionActions.create({ chaincodeActions })
}
