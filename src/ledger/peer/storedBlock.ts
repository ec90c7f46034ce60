/** The bytes of a block as the peer stores and serves it. Pure. */
import { common } from "../../wire/index.js"
import { type ParsedBlock, parseBlock } from "../blockstore/index.js"

const { COMMIT_HASH, TRANSACTIONS_FILTER } = common.BlockMetadataIndex
const empty = new Uint8Array(0)

/**
 * Header, data and metadata of a block with its final flags and commit hash. Envelopes keep their bytes; the rest is
 * written as the reference does when it serves a stored block. Metadata is padded to the slots that Fabric 1.4 knows,
 * but for block 0, which the reference takes as it is (rules 13 and 14).
 */
export const storedBlock = (block: ParsedBlock, codes: Uint8Array, commitHash: Uint8Array | undefined): ParsedBlock => {
  const metadata = [...block.metadata]
  const slots = block.number === 0n ? TRANSACTIONS_FILTER + 1 : COMMIT_HASH + 1
  while (metadata.length < slots) metadata.push(empty)
  metadata[TRANSACTIONS_FILTER] = codes
  if (commitHash !== undefined) metadata[COMMIT_HASH] = common.Metadata.encode({ value: commitHash })
  return parseBlock(
    common.Block.encode({
      header: { number: block.number, previousHash: block.previousHash, dataHash: block.dataHash },
      data: { data: block.envelopes },
      metadata: { metadata }
    })
  )
}

/** The commit hash that a stored block carries; undefined when it has none. Throws WireError. */
export const commitHashOf = (metadata: ReadonlyArray<Uint8Array>): Uint8Array | undefined => {
  const slot = metadata[COMMIT_HASH]
  if (slot === undefined || slot.length === 0) return undefined
  const { value } = common.Metadata.decode(slot)
  return value.length === 0 ? undefined : value
}

/** The flags that a stored block carries. */
export const codesOf = (block: ParsedBlock): Uint8Array => block.metadata[TRANSACTIONS_FILTER] ?? empty
