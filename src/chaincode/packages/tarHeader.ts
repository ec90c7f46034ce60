/** One tar header block: checksum, formats, number fields. Reads what the reference's library reads, refuses the same. */

export const BLOCK = 512

/** The error text for every malformed header. */
export const TAR_HEADER = "archive/tar: invalid tar header"

export const TypeFlag = {
  regA: 0,
  regular: 0x30,
  link: 0x31,
  symlink: 0x32,
  char: 0x33,
  block: 0x34,
  directory: 0x35,
  fifo: 0x36,
  xHeader: 0x78,
  xGlobalHeader: 0x67,
  gnuSparse: 0x53,
  gnuLongName: 0x4c,
  gnuLongLink: 0x4b
} as const

/** An entry's header, after extended headers were applied. Numbers of 64 bits stay exact. */
export interface TarHeader {
  name: string
  linkName: string
  type: number
  mode: bigint
  size: bigint
}

export type TarFormat = "v7" | "ustar" | "gnu" | "star"

const latin1 = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString("latin1")

/** Text up to the first NUL. Names are UTF-8; bytes that are none become U+FFFD. */
export const cString = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0)
  const used = end < 0 ? bytes : bytes.subarray(0, end)
  return Buffer.from(used.buffer, used.byteOffset, used.length).toString("utf8")
}

/** An octal field: spaces and NULs around it are dropped; undefined when it is not octal or beyond 64 bits. */
export const parseOctal = (field: Uint8Array): bigint | undefined => {
  let from = 0
  let to = field.length
  const blank = (byte: number | undefined) => byte === 0x20 || byte === 0
  while (from < to && blank(field[from])) from++
  while (to > from && blank(field[to - 1])) to--
  if (from === to) return 0n
  let text = latin1(field, from, to)
  const nul = text.indexOf("\0")
  if (nul >= 0) text = text.slice(0, nul)
  if (!/^[0-7]+$/.test(text)) return undefined
  const value = BigInt(`0o${text}`)
  return value > 0xffff_ffff_ffff_ffffn ? undefined : BigInt.asIntN(64, value)
}

/** A number field: octal, or base 256 when the top bit is set. May be negative. */
export const parseNumeric = (field: Uint8Array): bigint | undefined => {
  const first = field[0] ?? 0
  if ((first & 0x80) === 0) return parseOctal(field)
  const invert = first & 0x40 ? 0xff : 0
  let value = 0n
  for (const [index, byte] of field.entries()) {
    const bits = index === 0 ? (byte ^ invert) & 0x7f : byte ^ invert
    if (value >> 56n > 0n) return undefined
    value = (value << 8n) | BigInt(bits)
  }
  if (value >> 63n > 0n) return undefined
  return invert === 0xff ? -value - 1n : value
}

/** The block's format, undefined when its checksum does not hold. */
export const formatOf = (block: Uint8Array): TarFormat | undefined => {
  const stated = parseOctal(block.subarray(148, 156))
  if (stated === undefined) return undefined
  let unsigned = 0
  let signed = 0
  for (const [index, byte] of block.entries()) {
    const value = index >= 148 && index < 156 ? 0x20 : byte
    unsigned += value
    signed += value > 127 ? value - 256 : value
  }
  if (stated !== BigInt(unsigned) && stated !== BigInt(signed)) return undefined
  const magic = latin1(block, 257, 263)
  if (magic === "ustar\0") return latin1(block, 508, 512) === "tar\0" ? "star" : "ustar"
  return magic === "ustar " && latin1(block, 263, 265) === " \0" ? "gnu" : "v7"
}

/** The fields of a header block; undefined when one of them does not parse. */
export const parseHeader = (block: Uint8Array, format: TarFormat): TarHeader | undefined => {
  const size = parseNumeric(block.subarray(124, 136))
  const mode = parseNumeric(block.subarray(100, 108))
  const uid = parseNumeric(block.subarray(108, 116))
  const gid = parseNumeric(block.subarray(116, 124))
  const modified = parseNumeric(block.subarray(136, 148))
  if (size === undefined || mode === undefined) return undefined
  if (uid === undefined || gid === undefined || modified === undefined) return undefined
  let prefix = ""
  if (format !== "v7") {
    if (parseNumeric(block.subarray(329, 337)) === undefined) return undefined
    if (parseNumeric(block.subarray(337, 345)) === undefined) return undefined
    if (format === "ustar") prefix = cString(block.subarray(345, 500))
    else if (format === "star") {
      prefix = cString(block.subarray(345, 476))
      if (parseNumeric(block.subarray(476, 488)) === undefined) return undefined
      if (parseNumeric(block.subarray(488, 500)) === undefined) return undefined
    } else prefix = gnuPrefix(block)
  }
  const name = cString(block.subarray(0, 100))
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    linkName: cString(block.subarray(157, 257)),
    type: block[156] ?? 0,
    mode,
    size
  }
}

/** GNU blocks have no prefix, but an old writer put one over the time fields: taken when those do not parse. */
const gnuPrefix = (block: Uint8Array): string => {
  const time = (from: number) => block[from] === 0 || parseNumeric(block.subarray(from, from + 12)) !== undefined
  if (time(345) && time(357)) return ""
  const end = block.subarray(345, 500).indexOf(0)
  const text = block.subarray(345, end < 0 ? 500 : 345 + end)
  return text.every((byte) => byte < 0x80) ? cString(text) : ""
}

/** Types whose size field stands for no data. */
export const isHeaderOnly = (type: number): boolean => type >= TypeFlag.link && type <= TypeFlag.fifo
