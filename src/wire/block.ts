/**
 * Blocks: header bytes and hashes, data hash, metadata slots.
 * Source: peer-endorse-validate.md section 4; protos/utils/blockutils.go, protos/common/block.go of the reference.
 */
import { sha256, sha256Of } from "./bytes.js"
import { EMPTY } from "./codec.js"
import { common } from "./gen/index.js"

/** A block's header as far as its hash is concerned. */
export type HeaderFields = Pick<common.BlockHeader, "number" | "previousHash" | "dataHash">

/** Minimal big-endian bytes, with a leading zero where the first bit would make the number negative. */
const derUnsigned = (value: bigint): Array<number> => {
  const bytes: Array<number> = []
  let rest = value
  do {
    bytes.unshift(Number(rest & 0xffn))
    rest >>= 8n
  } while (rest > 0n)
  if ((bytes[0] ?? 0) >= 0x80) bytes.unshift(0)
  return bytes
}

/** Tag and length of a DER value of any length below 2^32. */
const derHead = (tag: number, length: number): Array<number> => {
  if (length < 0x80) return [tag, length]
  const bytes = derUnsigned(BigInt(length))
  if (bytes[0] === 0) bytes.shift()
  return [tag, 0x80 | bytes.length, ...bytes]
}

/**
 * The bytes that a block's hash and signatures are taken over: DER of SEQUENCE { INTEGER number, OCTET STRING previous
 * hash, OCTET STRING data hash }. The reference panics for numbers above 2^63 - 1; here they get their true form.
 */
export const blockHeaderBytes = (header: HeaderFields): Uint8Array => {
  const number = derUnsigned(header.number)
  const parts = [
    Uint8Array.from([...derHead(0x02, number.length), ...number, ...derHead(0x04, header.previousHash.length)]),
    header.previousHash,
    Uint8Array.from(derHead(0x04, header.dataHash.length)),
    header.dataHash
  ]
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return Buffer.concat([Uint8Array.from(derHead(0x30, length)), ...parts])
}

/** SHA-256 of {@link blockHeaderBytes}: the next block's previous hash. */
export const blockHeaderHash = (header: HeaderFields): Uint8Array => sha256(blockHeaderBytes(header))

/** SHA-256 over the plain concatenation of the block's entries. */
export const blockDataHash = (entries: ReadonlyArray<Uint8Array>): Uint8Array => sha256Of(entries)

/** A block with empty metadata slots; its data hash is computed. */
export const newBlock = (number: bigint, previousHash: Uint8Array, entries: ReadonlyArray<Uint8Array>): common.Block =>
  common.Block.create({
    header: { number, previousHash, dataHash: blockDataHash(entries) },
    data: { data: entries },
    metadata: { metadata: [EMPTY, EMPTY, EMPTY, EMPTY, EMPTY] }
  })

/** A metadata slot's bytes; empty when the block has none. */
export const metadataSlot = (block: Pick<common.Block, "metadata">, index: number): Uint8Array =>
  block.metadata?.metadata[index] ?? EMPTY

/** The block with one slot replaced, padded to the five slots that Fabric 1.4 knows. */
export const withMetadataSlot = (block: common.Block, index: number, bytes: Uint8Array): common.Block => {
  const slots = [...(block.metadata?.metadata ?? [])]
  while (slots.length < 5 || slots.length <= index) slots.push(EMPTY)
  slots[index] = bytes
  return { ...block, metadata: { metadata: slots, unknown: block.metadata?.unknown } }
}

/** Index of the last config block as the LAST_CONFIG slot says; an empty slot means 0. Throws WireError. */
export const lastConfigIndex = (block: Pick<common.Block, "metadata">): bigint => {
  const slot = metadataSlot(block, common.BlockMetadataIndex.LAST_CONFIG)
  return slot.length === 0 ? 0n : common.LastConfig.decode(common.Metadata.decode(slot).value).index
}

/** The validation codes of a block's entries, one byte each, as the committing peer wrote them; empty before that. */
export const transactionsFilter = (block: Pick<common.Block, "metadata">): Uint8Array =>
  metadataSlot(block, common.BlockMetadataIndex.TRANSACTIONS_FILTER)
