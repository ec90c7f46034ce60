/** What the store needs to know of a block's bytes. Pure. */

import { common, WireError } from "../../wire/index.js"
import { blockHeaderHash, computeTxId } from "../../wire/protoutil.js"
import { BlockMalformed } from "./errors.js"

/** Where an envelope lies in its block, and its check sum. */
export interface EnvelopePlace {
  readonly offset: number
  readonly length: number
}

export interface ParsedBlock {
  readonly bytes: Uint8Array
  readonly number: bigint
  readonly previousHash: Uint8Array
  readonly dataHash: Uint8Array
  /** Hash of the header: the block's name. */
  readonly hash: Uint8Array
  /** Views of `bytes`. */
  readonly envelopes: ReadonlyArray<Uint8Array>
  readonly metadata: ReadonlyArray<Uint8Array>
}

/** @throws BlockMalformed */
export const parseBlock = (bytes: Uint8Array): ParsedBlock => {
  let block: common.Block
  try {
    block = common.Block.decode(bytes)
  } catch (cause) {
    throw new BlockMalformed({ reason: cause instanceof WireError ? cause.message : String(cause) })
  }
  if (block.header === undefined) throw new BlockMalformed({ reason: "no header" })
  return {
    bytes,
    number: block.header.number,
    previousHash: block.header.previousHash,
    dataHash: block.header.dataHash,
    hash: blockHeaderHash(block.header),
    envelopes: block.data?.data ?? [],
    metadata: block.metadata?.metadata ?? []
  }
}

/** Places of the envelopes within the block's bytes. */
export const placesOf = (block: ParsedBlock): Array<EnvelopePlace> => {
  const places: Array<EnvelopePlace> = []
  for (const envelope of block.envelopes) {
    // an empty envelope need not be a view of the block
    const offset = envelope.length === 0 ? 0 : envelope.byteOffset - block.bytes.byteOffset
    places.push({ offset, length: envelope.length })
  }
  return places
}

/**
 * The id under which a transaction is indexed: the channel header's, else the one computed from the signature header
 * (config transactions), else the empty string (sheet rule 4).
 */
export const txIdOf = (envelope: Uint8Array): string => {
  try {
    const payload = common.Payload.decode(common.Envelope.decode(envelope).payload)
    if (payload.header === undefined) return ""
    const { txId } = common.ChannelHeader.decode(payload.header.channelHeader)
    if (txId !== "") return txId
    const { nonce, creator } = common.SignatureHeader.decode(payload.header.signatureHeader)
    return computeTxId(nonce, creator)
  } catch (cause) {
    if (cause instanceof WireError) return ""
    throw cause
  }
}
