/**
 * The bytes of solo's journal: frames of records, each frame written and synced as one. Pure.
 *
 *     file    magic(8) chain(32) frame*
 *     frame   length(u32) digest(8) body(length)          digest: first bytes of SHA-256 over index(u48) and body
 *     body    record*
 *     record  kind(u8) number(u48) value(u64) size(u32) bytes(size)
 *
 * `number` and `value` are sequence and config sequence of an envelope, or block number and last consumed sequence of a
 * cut. All numbers little endian. The index counts frames over all files, so a frame cannot be mistaken for another.
 */
import { sha256 } from "../../../crypto/hash.js"

/** An envelope that was accepted for ordering. */
export interface JournalEntry {
  readonly kind: "normal" | "config"
  /** Its place in the channel's order, from 1. */
  readonly sequence: number
  /** The config sequence it was judged at. */
  readonly configSequence: bigint
  readonly envelope: Uint8Array
}

/** Block `block` is about to be written; entries up to `consumed` are in it, before it, or dropped. */
export interface JournalCut {
  readonly kind: "cut"
  readonly block: number
  readonly consumed: number
}

export type JournalRecord = JournalEntry | JournalCut

const magic = Buffer.from("FEsolo01", "latin1")
const kinds = { normal: 1, config: 2, cut: 3 } as const
const frameHead = 12
const recordHead = 19
export const fileHead = magic.length + 32

/** The first bytes of a file; `chain` is the header hash of the channel's first block. */
export const encodeFileHead = (chain: Uint8Array): Uint8Array => Buffer.concat([magic, chain])

/** The chain named by a file's first bytes; undefined when it is no journal. */
export const decodeFileHead = (bytes: Uint8Array): Uint8Array | undefined =>
  bytes.length >= fileHead && magic.equals(bytes.subarray(0, magic.length))
    ? bytes.subarray(magic.length, fileHead)
    : undefined

const bytesOf = (record: JournalRecord): number => recordHead + (record.kind === "cut" ? 0 : record.envelope.length)

/** The size of a frame with these records. */
export const frameSize = (records: ReadonlyArray<JournalRecord>): number =>
  records.reduce((total, record) => total + bytesOf(record), frameHead)

const indexSize = 6
const digestSize = 8

const digestOf = (index: number, body: Uint8Array): Uint8Array => {
  const head = Buffer.alloc(indexSize)
  head.writeUIntLE(index, 0, indexSize)
  return sha256(head, body).subarray(0, digestSize)
}

/** Writes a frame at the start of `target`, which has room for `frameSize(records)`; gives the number of bytes. */
export const encodeFrame = (index: number, records: ReadonlyArray<JournalRecord>, target: Buffer): number => {
  let at = frameHead
  for (const record of records) {
    const isCut = record.kind === "cut"
    target[at] = kinds[record.kind]
    target.writeUIntLE(isCut ? record.block : record.sequence, at + 1, 6)
    target.writeBigUInt64LE(isCut ? BigInt(record.consumed) : record.configSequence, at + 7)
    target.writeUInt32LE(isCut ? 0 : record.envelope.length, at + 15)
    at += recordHead
    if (!isCut) {
      target.set(record.envelope, at)
      at += record.envelope.length
    }
  }
  // the index stands before the body for as long as both are hashed in one piece
  target.writeUIntLE(index, frameHead - indexSize, indexSize)
  const digest = sha256(target.subarray(frameHead - indexSize, at))
  target.writeUInt32LE(at - frameHead, 0)
  target.set(digest.subarray(0, digestSize), 4)
  return at
}

export interface Frame {
  readonly records: ReadonlyArray<JournalRecord>
  /** Offset of the byte after the frame. */
  readonly end: number
}

/** Reads the frame `index` at `offset`; undefined when no whole, undamaged frame stands there. */
export const decodeFrame = (file: Buffer, offset: number, index: number): Frame | undefined => {
  if (offset + frameHead > file.length) return undefined
  const start = offset + frameHead
  const end = start + file.readUInt32LE(offset)
  if (end > file.length) return undefined
  const body = file.subarray(start, end)
  if (!file.subarray(offset + 4, start).equals(digestOf(index, body))) return undefined
  const records: Array<JournalRecord> = []
  for (let at = 0; at < body.length; ) {
    const kind = body[at]
    const number = body.readUIntLE(at + 1, 6)
    const value = body.readBigUInt64LE(at + 7)
    const size = body.readUInt32LE(at + 15)
    at += recordHead
    if (kind === kinds.cut) records.push({ kind: "cut", block: number, consumed: Number(value) })
    else {
      // a copy: the file's buffer is large and an entry may stay pending for long
      const envelope = new Uint8Array(body.subarray(at, at + size))
      records.push({
        kind: kind === kinds.config ? "config" : "normal",
        sequence: number,
        configSequence: value,
        envelope
      })
      at += size
    }
  }
  return { records, end }
}

/**
 * The entries that are in no block of a ledger of `height` blocks, in order. A later cut of the same block replaces an
 * earlier one: the earlier was never written.
 */
export const unconsumed = (records: Iterable<JournalRecord>, height: number): ReadonlyArray<JournalEntry> => {
  const entries: Array<JournalEntry> = []
  let consumed = 0
  for (const record of records) {
    if (record.kind !== "cut") entries.push(record)
    else if (record.block < height) consumed = record.consumed
  }
  return entries.filter(({ sequence }) => sequence > consumed)
}
