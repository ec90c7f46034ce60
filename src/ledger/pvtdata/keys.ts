/** Keys of the private data tables: fixed-width big-endian numbers, names behind them as `namespace || 00 || collection`. */

export interface NsColl {
  readonly namespace: string
  readonly collection: string
}

const highest = 0xffff_ffff_ffff_ffffn

export const u64 = (value: bigint): Buffer => {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}
export const u32 = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes
}
/** Newer blocks sort first. */
export const inverted = (block: bigint): Buffer => u64(highest - block)
export const fromInverted = (bytes: Buffer, offset: number): bigint => highest - bytes.readBigUInt64BE(offset)

const names = ({ collection, namespace }: NsColl): Buffer => Buffer.from(`${namespace}\0${collection}`)
const readNames = (bytes: Buffer): NsColl => {
  const text = bytes.toString("utf8")
  const zero = text.indexOf("\0")
  return { namespace: text.slice(0, zero), collection: text.slice(zero + 1) }
}

export const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

// ---- Data: block, transaction, names -----------------------------------------------------------------------------

export const dataKey = (block: bigint, tx: number, at: NsColl): Buffer =>
  Buffer.concat([u64(block), u32(tx), names(at)])
export const readDataKey = (key: Uint8Array): NsColl & { readonly block: bigint; readonly tx: number } => {
  const bytes = asBuffer(key)
  return { block: bytes.readBigUInt64BE(0), tx: bytes.readUInt32BE(8), ...readNames(bytes.subarray(12)) }
}

// ---- Expiry: expiring block, committing block, kind, transaction, names ------------------------------------------

export type ExpiryKind = "data" | "missing"

export const expiryPrefix = (expiring: bigint, committing: bigint): Buffer =>
  Buffer.concat([u64(expiring), u64(committing)])
export const expiryKey = (expiring: bigint, committing: bigint, kind: ExpiryKind, tx: number, at: NsColl): Buffer =>
  Buffer.concat([expiryPrefix(expiring, committing), Buffer.from([kind === "data" ? 0 : 1]), u32(tx), names(at)])
export const readExpiryKey = (
  key: Uint8Array
): NsColl & { readonly committing: bigint; readonly kind: ExpiryKind; readonly tx: number } => {
  const bytes = asBuffer(key)
  return {
    committing: bytes.readBigUInt64BE(8),
    kind: bytes[16] === 0 ? "data" : "missing",
    tx: bytes.readUInt32BE(17),
    ...readNames(bytes.subarray(21))
  }
}

// ---- Missing: eligible by block (newest first), ineligible by collection -----------------------------------------

export const eligibleKey = (block: bigint, at: NsColl): Buffer => Buffer.concat([inverted(block), names(at)])
export const readEligibleKey = (key: Uint8Array): NsColl & { readonly block: bigint } => {
  const bytes = asBuffer(key)
  return { block: fromInverted(bytes, 0), ...readNames(bytes.subarray(8)) }
}
export const ineligiblePrefix = (at: NsColl): Buffer => {
  const name = names(at)
  return Buffer.concat([u32(name.length), name])
}
export const ineligibleKey = (block: bigint, at: NsColl): Buffer =>
  Buffer.concat([ineligiblePrefix(at), inverted(block)])
export const blockOfIneligible = (key: Uint8Array): bigint => fromInverted(asBuffer(key), key.length - 8)
