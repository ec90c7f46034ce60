/** What a block's index entries and private data say against the block itself. Plain and synchronous. */
import { common, WireError } from "../../wire/index.js"
import { chaincodeActionOf, equalBytes, sha256 } from "../../wire/protoutil.js"
import { type ParsedBlock, txIdOf } from "../blockstore/index.js"
import { privateHashOf } from "../peer/prepare.js"
import type { Storage } from "../peer/Storage.js"
import { codesOf } from "../peer/storedBlock.js"
import { type NamespaceSet, privateSets, readWriteSet } from "../rwset/index.js"

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Whether the index finds the block by hash, its transactions by id (the first of each), and their codes. */
export const indexFaults = (storage: Storage, block: ParsedBlock): ReadonlyArray<string> => {
  const { engine } = storage
  const faults: Array<string> = []
  try {
    if (engine.index.numberOfHash(block.hash) !== block.number) faults.push("the index does not find it by its hash")
    const entry = engine.entry(block.number)
    if (entry.txCount !== block.envelopes.length)
      faults.push(`the index has ${entry.txCount} transactions, the block ${block.envelopes.length}`)
    const codes = codesOf(block)
    block.envelopes.forEach((envelope, tx) => {
      if (entry.tx(tx)?.code !== (codes[tx] ?? 0)) faults.push(`the index has another code for transaction [${tx}]`)
      const txId = txIdOf(envelope)
      const position = engine.positionOf(txId)
      const first =
        position !== undefined &&
        (position.block < block.number || (position.block === block.number && position.tx <= tx)) &&
        txIdOf(engine.transactionSync(position.block, position.tx).envelope) === txId
      if (!first) faults.push(`the index does not find transaction [${tx}] by its id [${txId}]`)
    })
  } catch (cause) {
    faults.push(`the index cannot be read: ${textOf(cause)}`)
  }
  return faults
}

const setsOf = (envelope: Uint8Array): ReadonlyArray<NamespaceSet> => {
  try {
    const action = chaincodeActionOf(common.Payload.decode(common.Envelope.decode(envelope).payload).data)
    return action === undefined ? [] : readWriteSet(action.chaincodeAction.results)
  } catch (cause) {
    if (cause instanceof WireError) return []
    throw cause
  }
}

/** Private data of the block that is not what its transactions say. */
export const privateDataFaults = (storage: Storage, block: ParsedBlock): ReadonlyArray<string> => {
  if (block.number >= storage.pvtData.height) return []
  const faults: Array<string> = []
  try {
    for (const [tx, data] of storage.pvtData.byBlock(block.number)) {
      const sets = setsOf(block.envelopes[tx] ?? new Uint8Array(0))
      for (const { collections, namespace } of privateSets(data))
        for (const { bytes, collection } of collections)
          if (!equalBytes(privateHashOf(sets, namespace, collection), sha256(bytes)))
            faults.push(
              `private data of transaction [${tx}] for collection [${namespace}:${collection}] does not have the hash in the block`
            )
    }
  } catch (cause) {
    faults.push(`private data cannot be read: ${textOf(cause)}`)
  }
  return faults
}
