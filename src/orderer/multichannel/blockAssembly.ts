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

/** The value in a block's ORDERER slot, which the consenter reads at the start. Throws WireError. */
export const consenterMetadataOf = (block: common.Block): Uint8Array =>
  common.Metadata.decode(block.metadata?.metadata[slots.ORDERER] ?? new Uint8Array()).value
