/**
 * Block files as Go Fabric 1.4 writes them: `chains/<channel>/blockfile_NNNNNN`, each a row of `varint length || block`
 * in a layout of its own (ledger-privatedata.md 4.7; common/ledger/blkstorage/fsblkstorage/block_serialization.go).
 * Read only; nothing in a Go node's folder is ever changed.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { type ParsedBlock, parseBlock } from "../../ledger/index.js"
import { common } from "../../wire/index.js"
import { GoBlocksDamaged, textOf } from "./errors.js"

const blockFile = /^blockfile_(\d{6,})$/

/** The numbers of a folder's block files in order; empty when it has none. */
export const goBlockFiles = (folder: string): ReadonlyArray<number> => {
  if (!fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return []
  return fs
    .readdirSync(folder)
    .flatMap((name) => blockFile.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}

/** Reads numbers and byte strings off a record; throws a text where they end early. */
class Cursor {
  private at = 0
  constructor(private readonly bytes: Uint8Array) {}

  varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.at++]
      if (byte === undefined) throw new Error("it ends inside a number")
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) {
        if (value > 0xffff_ffff_ffff_ffffn) break
        return value
      }
    }
    throw new Error("a number in it has more than 64 bits")
  }
  /** A number of things that take at least one byte each. */
  count(): number {
    const value = this.varint()
    if (value > BigInt(this.bytes.length - this.at)) throw new Error("it announces more than it holds")
    return Number(value)
  }
  part(): Uint8Array {
    const length = this.count()
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }
  get rest(): number {
    return this.bytes.length - this.at
  }
}

/** A record as the block that a Go node serves: header, envelopes and metadata keep their bytes. @throws Error */
export const readGoBlock = (record: Uint8Array): ParsedBlock => {
  const cursor = new Cursor(record)
  const number = cursor.varint()
  const dataHash = cursor.part()
  const previousHash = cursor.part()
  const data = Array.from({ length: cursor.count() }, () => cursor.part())
  const metadata = Array.from({ length: cursor.count() }, () => cursor.part())
  if (cursor.rest > 0) throw new Error(`${cursor.rest} bytes follow its metadata`)
  return parseBlock(
    common.Block.encode({ header: { number, previousHash, dataHash }, data: { data }, metadata: { metadata } })
  )
}

const varint = (value: number | bigint): Buffer => {
  const bytes: Array<number> = []
  let rest = BigInt(value)
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}
const part = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => [varint(bytes.length), bytes]

/** The other way round: a block's record with its length in front. */
export const goRecord = ({ dataHash, envelopes, metadata, number, previousHash }: ParsedBlock): Uint8Array => {
  const body = Buffer.concat([
    varint(number),
    ...part(dataHash),
    ...part(previousHash),
    varint(envelopes.length),
    ...envelopes.flatMap(part),
    varint(metadata.length),
    ...metadata.flatMap(part)
  ])
  return Buffer.concat(part(body))
}

interface Place {
  readonly file: number
  readonly offset: number
}

interface Found {
  readonly start: number
  readonly length: number
}

/** Positions are kept for every so many blocks: enough to go to any block quickly, little to remember. */
const markEvery = 512

/** One channel of a Go node. Plain and synchronous; the file that is being read stays open until `close`. */
export class GoChain {
  private readonly marks: Array<Place> = []
  private blocks = 0n
  private open: { readonly file: number; readonly fd: number; readonly size: number } | undefined
  /** What lies behind the last whole block: a write that a crash cut, which a Go node drops at its start too. */
  tornBytes = 0

  /** @throws GoBlocksDamaged when the files are no row of records */
  constructor(
    readonly channelId: string,
    readonly folder: string
  ) {
    const numbers = goBlockFiles(folder)
    numbers.forEach((number, i) => {
      if (number !== i) throw this.damaged({ file: i, offset: 0 }, 0n, "the file is missing")
    })
    let at: Place = { file: 0, offset: 0 }
    while (at.file < numbers.length) {
      const found = this.recordAt(at)
      if (found === "end") {
        at = { file: at.file + 1, offset: 0 }
        continue
      }
      if (found === "torn") {
        if (at.file < numbers.length - 1) throw this.damaged(at, this.blocks, "the file ends inside the block")
        this.tornBytes = this.sizeOf(at.file) - at.offset
        break
      }
      if (this.blocks % BigInt(markEvery) === 0n) this.marks.push(at)
      this.blocks += 1n
      at = { file: at.file, offset: found.start + found.length }
    }
  }

  get height(): bigint {
    return this.blocks
  }

  /** Blocks from a number on, as far as there are. @throws GoBlocksDamaged */
  *read(from: bigint): Generator<ParsedBlock, void> {
    let number = from - (from % BigInt(markEvery))
    let at = this.marks[Number(number / BigInt(markEvery))]
    while (at !== undefined && number < this.blocks) {
      const found = this.recordAt(at)
      if (found === "end") {
        at = { file: at.file + 1, offset: 0 }
        continue
      }
      if (found === "torn") throw this.damaged(at, number, "the file has become shorter")
      if (number >= from) {
        const record = Buffer.allocUnsafeSlow(found.length)
        if (this.readInto(at.file, record, found.start) < found.length)
          throw this.damaged(at, number, "the file has become shorter")
        const block = this.parse(at, number, record)
        if (block.number !== number) throw this.damaged(at, number, `the block there has number ${block.number}`)
        yield block
      }
      number += 1n
      at = { file: at.file, offset: found.start + found.length }
    }
  }

  close(): void {
    if (this.open !== undefined) fs.closeSync(this.open.fd)
    this.open = undefined
  }

  // ---- Private -----------------------------------------------------------------------------------------------------

  private parse(at: Place, number: bigint, record: Uint8Array): ParsedBlock {
    try {
      return readGoBlock(record)
    } catch (cause) {
      throw this.damaged(at, number, textOf(cause))
    }
  }

  private damaged({ file, offset }: Place, block: bigint, reason: string): GoBlocksDamaged {
    return new GoBlocksDamaged({ channel: this.channelId, file: this.pathOf(file), offset, block, reason })
  }

  private pathOf(file: number): string {
    return path.join(this.folder, `blockfile_${String(file).padStart(6, "0")}`)
  }

  private opened(file: number) {
    if (this.open?.file === file) return this.open
    this.close()
    const fd = fs.openSync(this.pathOf(file), "r")
    this.open = { file, fd, size: fs.fstatSync(fd).size }
    return this.open
  }

  private sizeOf(file: number): number {
    return this.opened(file).size
  }

  private readInto(file: number, target: Uint8Array, position: number): number {
    const { fd } = this.opened(file)
    let filled = 0
    while (filled < target.length) {
      const read = fs.readSync(fd, target, filled, target.length - filled, position + filled)
      if (read === 0) break
      filled += read
    }
    return filled
  }

  /** Where a record's block lies; or that the file ends here, or inside the record. */
  private recordAt({ file, offset }: Place): Found | "end" | "torn" {
    const size = this.sizeOf(file)
    if (offset >= size) return "end"
    const head = Buffer.allocUnsafe(Math.min(10, size - offset))
    const filled = this.readInto(file, head, offset)
    let length = 0
    for (let i = 0; i < filled; i++) {
      const byte = head[i] ?? 0
      length += (byte & 0x7f) * 2 ** (7 * i)
      if (byte >= 0x80) continue
      const start = offset + i + 1
      return start + length <= size ? { start, length } : "torn"
    }
    return "torn"
  }
}
