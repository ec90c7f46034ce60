/** A transaction and a block of the recorded chain, for questions about them. */
import { common } from "../../../src/wire/index.js"
import { openEnvelope } from "../../../src/wire/protoutil.js"
import { blockName, bytesOf } from "../support.js"

const block = (number: number) => common.Block.decode(bytesOf(`blocks/${blockName(number)}`))
const ids = [1, 2, 3, 4].flatMap((number) =>
  (block(number).data?.data ?? []).flatMap((entry) => openEnvelope(entry)?.channelHeader.txId ?? "")
)

export const recordedIds = {
  /** The first transaction that has an id. */
  txId: ids.find((id) => id !== "") ?? "",
  /** The hash of block 2, as block 3 has it. */
  blockHash: block(3).header?.previousHash ?? new Uint8Array()
}
