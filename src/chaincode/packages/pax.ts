/** Extended tar headers (PAX records) and the maps of sparse files, as the reference's library reads them. */
import type { ReadError } from "./byteReader.js"
import { UNEXPECTED_EOF } from "./byteReader.js"
import type { TarHeader } from "./tarHeader.js"
import { BLOCK, parseNumeric, TAR_HEADER } from "./tarHeader.js"

/** The longest extended header or sparse map that is read. */
export const MAX_SPECIAL_FILE = 1 << 20
export const FIELD_TOO_LONG: ReadError = "archive/tar: header field too long"
const SPARSE_TOO_LONG: ReadError = "archive/tar: sparse map too long"

const MAX_INT64 = 0x7fff_ffff_ffff_ffffn

/** A decimal as Go's ParseInt(…, 10, 64) takes it: a sign, digits, within 64 bits. */
const parseDecimal = (text: string): bigint | undefined => {
  if (!/^[+-]?[0-9]+$/.test(text)) return undefined
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text)
  return value > MAX_INT64 || value < -MAX_INT64 - 1n ? undefined : value
}

/** Keys and values of a PAX header, by key in order of appearance; values are Latin-1 text of the raw bytes. */
export type PaxRecords = Map<string, string>

const SPARSE_OFFSET = "GNU.sparse.offset"
const SPARSE_BYTES = "GNU.sparse.numbytes"
const SPARSE_MAP = "GNU.sparse.map"
const NO_NUL_IN_VALUE = new Set(["path", "linkpath", "uname", "gname"])

/** Splits the records; undefined when one of them is malformed. */
export const parsePax = (bytes: Uint8Array): PaxRecords | undefined => {
  let rest = Buffer.from(bytes).toString("latin1")
  const records: PaxRecords = new Map()
  const sparse: Array<string> = []
  while (rest.length > 0) {
    const record = firstRecord(rest)
    if (record === undefined) return undefined
    rest = rest.slice(record.length)
    if (record.key === SPARSE_OFFSET || record.key === SPARSE_BYTES) {
      const expected = sparse.length % 2 === 0 ? SPARSE_OFFSET : SPARSE_BYTES
      if (record.key !== expected || record.value.includes(",")) return undefined
      sparse.push(record.value)
    } else records.set(record.key, record.value)
  }
  if (sparse.length > 0) records.set(SPARSE_MAP, sparse.join(","))
  return records
}

const firstRecord = (text: string): { key: string; value: string; length: number } | undefined => {
  const space = text.indexOf(" ")
  if (space < 0) return undefined
  const length = parseDecimal(text.slice(0, space))
  if (length === undefined || length < 5n || length > BigInt(text.length)) return undefined
  const end = Number(length)
  if (end <= space + 1) return undefined
  if (text[end - 1] !== "\n") return undefined
  const body = text.slice(space + 1, end - 1)
  const equals = body.indexOf("=")
  if (equals < 1) return undefined
  const key = body.slice(0, equals)
  const value = body.slice(equals + 1)
  if (NO_NUL_IN_VALUE.has(key) ? value.includes("\0") : key.includes("\0")) return undefined
  return { key, value, length: end }
}

const utf8 = (latin1: string): string => Buffer.from(latin1, "latin1").toString("utf8")

const validTime = (text: string): boolean => {
  const dot = text.indexOf(".")
  const seconds = dot < 0 ? text : text.slice(0, dot)
  return parseDecimal(seconds) !== undefined && (dot < 0 || /^[0-9]*$/.test(text.slice(dot + 1)))
}

/** Applies the records to the header that follows them; false when a number in them is none. */
export const mergePax = (header: TarHeader, records: PaxRecords): boolean => {
  for (const [key, value] of records) {
    if (value === "") continue
    switch (key) {
      case "path":
        header.name = utf8(value)
        break
      case "linkpath":
        header.linkName = utf8(value)
        break
      case "uid":
      case "gid":
        if (parseDecimal(value) === undefined) return false
        break
      case "atime":
      case "mtime":
      case "ctime":
        if (!validTime(value)) return false
        break
      case "size": {
        const size = parseDecimal(value)
        if (size === undefined) return false
        header.size = size
        break
      }
    }
  }
  return true
}

// ---- Sparse files ------------------------------------------------------------------------------------------------

/** A piece of a sparse file that has data. */
export interface SparseEntry {
  readonly offset: bigint
  readonly length: bigint
}

/** Reads exactly one block; an end in front of it is `unexpected EOF`. */
export type ReadBlock = () => Uint8Array | ReadError

/** The map of an old GNU sparse header, which may go on in further blocks. */
export const oldGnuSparse = (block: Uint8Array, more: ReadBlock): Array<SparseEntry> | ReadError => {
  const entries: Array<SparseEntry> = []
  let table = block.subarray(386, 386 + 24 * 4 + 1)
  let total = table.length
  while (total < MAX_SPECIAL_FILE) {
    const count = Math.floor(table.length / 24)
    for (let index = 0; index < count; index++) {
      const entry = table.subarray(index * 24, index * 24 + 24)
      if (entry[0] === 0) break
      const offset = parseNumeric(entry.subarray(0, 12))
      const length = parseNumeric(entry.subarray(12, 24))
      if (offset === undefined || length === undefined) return TAR_HEADER
      entries.push({ offset, length })
    }
    if ((table[24 * count] ?? 0) === 0) return entries
    const next = more()
    if (typeof next === "string") return next
    table = next
    total += next.length
  }
  return SPARSE_TOO_LONG
}

/** The map of a PAX 0.0 or 0.1 sparse header. */
const sparse0x1 = (records: PaxRecords): Array<SparseEntry> | ReadError => {
  const count = parseDecimal(records.get("GNU.sparse.numblocks") ?? "")
  const map = records.get(SPARSE_MAP) ?? ""
  const numbers = map === "" ? [] : map.split(",")
  if (count === undefined || count < 0n || BigInt(numbers.length) !== 2n * count) return TAR_HEADER
  return pairs(numbers)
}

/** The map of a PAX 1.0 sparse file, which precedes its data in whole blocks. */
const sparse1x0 = (read: ReadBlock): Array<SparseEntry> | ReadError => {
  let text = ""
  let lines = 0
  let total = 0
  const feed = (wanted: bigint): ReadError | undefined => {
    while (BigInt(lines) < wanted) {
      total += BLOCK
      if (total > MAX_SPECIAL_FILE) return SPARSE_TOO_LONG
      const block = read()
      if (typeof block === "string") return block
      const part = Buffer.from(block).toString("latin1")
      text += part
      lines += part.split("\n").length - 1
    }
    return undefined
  }
  const first = feed(1n)
  if (first !== undefined) return first
  const end = text.indexOf("\n")
  const count = parseDecimal(text.slice(0, end))
  if (count === undefined || count < 0n || count > MAX_INT64 / 2n) return TAR_HEADER
  lines -= 1
  const rest = feed(2n * count)
  if (rest !== undefined) return rest
  return pairs(text.slice(end + 1).split("\n", Number(2n * count)))
}

const pairs = (numbers: ReadonlyArray<string>): Array<SparseEntry> | ReadError => {
  const entries: Array<SparseEntry> = []
  for (let index = 0; index + 1 < numbers.length; index += 2) {
    const offset = parseDecimal(numbers[index] ?? "")
    const length = parseDecimal(numbers[index + 1] ?? "")
    if (offset === undefined || length === undefined) return TAR_HEADER
    entries.push({ offset, length })
  }
  return entries
}

/** The sparse map that PAX records announce, undefined when they announce none. May rename and resize the entry. */
export const paxSparse = (
  header: TarHeader,
  records: PaxRecords,
  read: ReadBlock
): Array<SparseEntry> | ReadError | undefined => {
  const major = records.get("GNU.sparse.major") ?? ""
  const minor = records.get("GNU.sparse.minor") ?? ""
  let mapInData = false
  if (major === "1" && minor === "0") mapInData = true
  else if (major === "0" && (minor === "0" || minor === "1")) mapInData = false
  else if (major !== "" || minor !== "") return undefined
  else if ((records.get(SPARSE_MAP) ?? "") === "") return undefined
  const name = records.get("GNU.sparse.name") ?? ""
  if (name !== "") header.name = utf8(name)
  const size = records.get("GNU.sparse.size") || (records.get("GNU.sparse.realsize") ?? "")
  if (size !== "") {
    const parsed = parseDecimal(size)
    if (parsed === undefined) return TAR_HEADER
    header.size = parsed
  }
  return mapInData ? sparse1x0(read) : sparse0x1(records)
}

/** Entries in order, without overlap, inside the file. */
export const validSparse = (entries: ReadonlyArray<SparseEntry>, size: bigint): boolean => {
  if (size < 0n) return false
  let end = 0n
  for (const { offset, length } of entries) {
    if (offset < 0n || length < 0n || offset > MAX_INT64 - length) return false
    if (offset + length > size || end > offset) return false
    end = offset + length
  }
  return true
}

/** A short read where a whole block is needed. */
export const mustRead = (error: ReadError): ReadError => (error === "EOF" ? UNEXPECTED_EOF : error)
