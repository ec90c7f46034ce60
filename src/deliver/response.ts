/**
 * DeliverResponse on the wire, written around the block's own bytes: what was stored is what is sent. Pure.
 * The orderer's and the peer's messages share these field numbers (status 1, block 2; the peer adds filtered block 3).
 * Source: orderer.md section 4 item 8; protos/orderer/ab.proto, protos/peer/events.proto.
 */

const varint = (value: number): Array<number> => {
  const bytes: Array<number> = []
  let rest = value
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return bytes
}

const framed = (field: number, bytes: Uint8Array): Uint8Array => {
  const head = [(field << 3) | 2, ...varint(bytes.length)]
  const message = new Uint8Array(head.length + bytes.length)
  message.set(head)
  message.set(bytes, head.length)
  return message
}

/** `{status}`; a member of a oneof is written even when it is zero. */
export const statusResponse = (status: number): Uint8Array => Uint8Array.from([0x08, ...varint(status)])

/** `{block}` around an encoded common.Block. */
export const blockResponse = (block: Uint8Array): Uint8Array => framed(2, block)

/** `{filtered_block}` around an encoded protos.FilteredBlock. */
export const filteredBlockResponse = (block: Uint8Array): Uint8Array => framed(3, block)
