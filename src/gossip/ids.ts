/** Keys of maps for byte identifiers. */

const plain = (id: Uint8Array): string =>
  (Buffer.isBuffer(id) ? id : Buffer.from(id.buffer, id.byteOffset, id.byteLength)).toString("latin1")

/** Node's own conversion without the checks around it: a third of the time, and it is asked for at every message. */
const slice: unknown = Reflect.get(Buffer.prototype, "latin1Slice")
const direct = (id: Uint8Array): string => {
  const text: unknown = typeof slice === "function" ? slice.call(id, 0, id.length) : undefined
  return typeof text === "string" ? text : plain(id)
}

/** One character a byte: a key that is equal exactly where the bytes are. */
export const idKey: (id: Uint8Array) => string = typeof slice === "function" ? direct : plain
