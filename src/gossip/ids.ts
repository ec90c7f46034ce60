/** Keys of maps for byte identifiers. */

/** One character a byte: a key that is equal exactly where the bytes are. */
export const idKey = (id: Uint8Array): string =>
  (Buffer.isBuffer(id) ? id : Buffer.from(id.buffer, id.byteOffset, id.byteLength)).toString("latin1")
