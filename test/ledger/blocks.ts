/** Small chains for tests. */
import { common } from "../../src/wire/index.js"
import { blockHeaderHash, EMPTY, newBlock } from "../../src/wire/protoutil.js"

export interface TestTx {
  readonly txId?: string
  readonly nonce?: Uint8Array
  readonly type?: number
  readonly data?: Uint8Array
}

export const envelopeOf = (tx: TestTx): Uint8Array =>
  common.Envelope.encode({
    payload: common.Payload.encode({
      header: {
        channelHeader: common.ChannelHeader.encode({
          type: tx.type ?? common.HeaderType.ENDORSER_TRANSACTION,
          txId: tx.txId ?? "",
          channelId: "ch"
        }),
        signatureHeader: common.SignatureHeader.encode({
          nonce: tx.nonce ?? Buffer.from("n"),
          creator: Buffer.from("c")
        })
      },
      data: tx.data ?? EMPTY
    })
  })

/** Blocks that chain, one per list of envelopes; `filters` goes into the TRANSACTIONS_FILTER slot. */
export const chainOf = (
  blocks: ReadonlyArray<ReadonlyArray<Uint8Array>>,
  filters: ReadonlyArray<Uint8Array | undefined> = [],
  from: { readonly number: bigint; readonly previousHash: Uint8Array } = { number: 0n, previousHash: EMPTY }
): Array<Uint8Array> => {
  let { number, previousHash } = from
  return blocks.map((envelopes, i) => {
    const block = newBlock(number, previousHash, envelopes)
    const filter = filters[i]
    const slots = [...(block.metadata?.metadata ?? [])]
    if (filter !== undefined) slots[2] = filter
    if (block.header !== undefined) previousHash = blockHeaderHash(block.header)
    number += 1n
    return common.Block.encode({ ...block, metadata: { metadata: slots } })
  })
}

/** `count` blocks with one transaction each. */
export const simpleChain = (count: number): Array<Uint8Array> =>
  chainOf(Array.from({ length: count }, (_, i) => [envelopeOf({ txId: `tx${i}`, data: Buffer.alloc(100 + i, i) })]))
