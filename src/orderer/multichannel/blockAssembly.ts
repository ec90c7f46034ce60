/**
 * Blocks to the byte: header, canonical entries, and the three metadata slots that an orderer fills. Pure; the signing
 * is a function that comes in.
 * Source: orderer.md 3.7 rules 5-9, section 4 items 2-4, trap 12; orderer/common/multichannel/blockwriter.go.
 */
import { common } from "../../wire/index.js"
import { blockHeaderBytes, blockHeaderHash, concatBytes, newBlock, withMetadataSlot } from "../../wire/protoutil.js"

export type BlockHeader = Pick<common.BlockHeader, "number" | "previousHash" | "dataHash">

const slots = common.BlockMetadataIndex

/** The block after `last` with these canonical envelopes. Metadata: five empty slots. */
export const nextBlock = (last: BlockHeader, entries: ReadonlyArray<Uint8Array>): common.Block =>
  newBlock(last.number + 1n, blockHeaderHash(last), entries)

/** The first block of a created channel: unsigned, no metadata, the same on every orderer. */
export const firstBlock = (configEnvelope: Uint8Array): common.Block => newBlock(0n, new Uint8Array(), [configEnvelope])

export interface BlockSigning {
  /** Encoded common.SignatureHeader. */
  readonly signatureHeader: Uint8Array
  readonly sign: (message: Uint8Array) => Uint8Array
}

export interface BlockAnnotations {
  /** What the consenter wants in the ORDERER slot; undefined leaves the slot empty. */
  readonly consenterMetadata: Uint8Array | undefined
  readonly lastConfig: bigint
}

/** Fills ORDERER, LAST_CONFIG and SIGNATURES, in this order: the signature covers the other two. */
export const annotate = (block: common.Block, annotations: BlockAnnotations, signing: BlockSigning): common.Block => {
  const { consenterMetadata, lastConfig } = annotations
  const orderer =
    consenterMetadata === undefined ? new Uint8Array() : common.Metadata.encode({ value: consenterMetadata })
  const value = common.OrdererBlockMetadata.encode({ lastConfig: { index: lastConfig }, consenterMetadata: orderer })
  const header = block.header ?? common.BlockHeader.create()
  const signature = signing.sign(concatBytes(value, signing.signatureHeader, blockHeaderBytes(header)))
  const signatures = common.Metadata.encode({
    value,
    signatures: [{ signatureHeader: signing.signatureHeader, signature }]
  })
  const config = common.Metadata.encode({ value: common.LastConfig.encode({ index: lastConfig }) })
  return withMetadataSlot(
    withMetadataSlot(withMetadataSlot(block, slots.ORDERER, orderer), slots.LAST_CONFIG, config),
    slots.SIGNATURES,
    signatures
  )
}

// ---- Encoding ------------------------------------------------------------------------------------------------------

const lengthSize = (length: number): number =>
  length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x200000 ? 3 : length < 0x10000000 ? 4 : 5

const listSize = (items: ReadonlyArray<Uint8Array>): number =>
  items.reduce((sum, { length }) => sum + 1 + lengthSize(length) + length, 0)

/**
 * What `common.Block.encode` gives for blocks made here, in one buffer of the right size: blocks are what the node
 * allocates most.
 */
export const encodeBlock = (block: common.Block): Uint8Array => {
  const header = common.BlockHeader.encode(block.header ?? {})
  const entries = block.data?.data ?? []
  const slotList = block.metadata?.metadata ?? []
  const [dataSize, metadataSize] = [listSize(entries), listSize(slotList)]
  const bytes = new Uint8Array(
    [header.length, dataSize, metadataSize].reduce((sum, size) => sum + 1 + lengthSize(size) + size, 0)
  )
  let at = 0
  const open = (tag: number, length: number): void => {
    bytes[at++] = tag
    for (let rest = length; ; rest >>>= 7) {
      bytes[at++] = rest < 0x80 ? rest : (rest & 0x7f) | 0x80
      if (rest < 0x80) return
    }
  }
  const put = (tag: number, content: Uint8Array): void => {
    open(tag, content.length)
    bytes.set(content, at)
    at += content.length
  }
  put(0x0a, header)
  open(0x12, dataSize)
  for (const entry of entries) put(0x0a, entry)
  open(0x1a, metadataSize)
  for (const slot of slotList) put(0x0a, slot)
  return bytes
}

/** The value in a block's ORDERER slot, which the consenter reads at the start. Throws WireError. */
export const consenterMetadataOf = (block: common.Block): Uint8Array =>
  common.Metadata.decode(block.metadata?.metadata[slots.ORDERER] ?? new Uint8Array()).value
