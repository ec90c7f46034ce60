/**
 * DEFLATE (RFC 1951) with the reading manners of the reference's library: every byte decoded before a fault is handed
 * out, then the fault. node:zlib drops what it decoded in the call that found the fault; a scan of a damaged package
 * that stops quietly (chaincode.md R71, T23) would then see fewer entries than a Go peer sees, and nodes would fork.
 */

import { type ByteReader, EOF, noEof, type ReadError, type SliceInput, UNEXPECTED_EOF } from "./byteReader.js"
import { fixedLengths, Huffman, LENGTH_MASK, PRIMARY_BITS, PRIMARY_SIZE, reverse16, VALUE_SHIFT } from "./huffman.js"

const WINDOW = 1 << 15
const MAX_LITERALS = 286
const MAX_DISTANCES = 30
const END_OF_BLOCK = 256
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15] as const

/** What the decoder goes on with at the next read. */
type Step = "block" | "huffman" | "copy" | "stored"

/** Decodes one DEFLATE stream from `input`, leaving `input` right behind it. */
export class Inflate implements ByteReader {
  error: ReadError | undefined
  private fault: ReadError | undefined
  private bits = 0
  private bitCount = 0
  private consumed = 0
  private step: Step = "block"
  private final = false
  private copyLength = 0
  private copyDistance = 0
  private readonly window = new Uint8Array(WINDOW)
  private written = 0
  private flushed = 0
  private wrapped = false
  private ready: Uint8Array = new Uint8Array(0)
  private readonly first = new Huffman()
  private readonly second = new Huffman()
  private fixed: Huffman | undefined
  private literals: Huffman = this.first
  private distances: Huffman | undefined

  constructor(private readonly input: SliceInput) {}

  read(into: Uint8Array): number {
    for (;;) {
      if (this.ready.length > 0) {
        const count = Math.min(into.length, this.ready.length)
        into.set(this.ready.subarray(0, count))
        this.ready = this.ready.subarray(count)
        this.error = this.ready.length === 0 ? this.fault : undefined
        return count
      }
      if (this.fault !== undefined) {
        this.error = this.fault
        return 0
      }
      this.advance()
      if (this.fault !== undefined && this.ready.length === 0) this.ready = this.flush()
    }
  }

  private advance(): void {
    switch (this.step) {
      case "block":
        this.nextBlock()
        return
      case "huffman":
        this.huffmanBlock()
        return
      case "copy":
        if (this.copyHistory()) this.huffmanBlock()
        return
      case "stored":
        this.copyStored()
        return
    }
  }

  // The window: written up to `written`, handed out up to `flushed`.

  private flush(): Uint8Array {
    const ready = this.window.subarray(this.flushed, this.written)
    this.flushed = this.written
    if (this.written === WINDOW) {
      this.written = 0
      this.flushed = 0
      this.wrapped = true
    }
    return ready
  }

  private corrupt(): void {
    this.fault = `flate: corrupt input before offset ${this.consumed}`
  }

  /** Makes `count` bits available; false on the end of the input. */
  private need(count: number): boolean {
    while (this.bitCount < count) {
      const byte = this.input.bytes[this.input.position]
      if (byte === undefined) {
        this.fault = UNEXPECTED_EOF
        return false
      }
      this.input.position++
      this.consumed++
      this.bits |= byte << this.bitCount
      this.bitCount += 8
    }
    return true
  }

  private take(count: number): number {
    const value = this.bits & ((1 << count) - 1)
    this.bits >>>= count
    this.bitCount -= count
    return value
  }

  private nextBlock(): void {
    if (!this.need(3)) return
    this.final = this.take(1) === 1
    const kind = this.take(2)
    if (kind === 0) {
      this.storedBlock()
      return
    }
    if (kind === 1) {
      if (this.fixed === undefined) {
        this.fixed = new Huffman()
        this.fixed.build(fixedLengths())
      }
      this.literals = this.fixed
      this.distances = undefined
      this.huffmanBlock()
      return
    }
    if (kind === 2) {
      if (!this.readTables()) return
      this.literals = this.first
      this.distances = this.second
      this.huffmanBlock()
      return
    }
    this.corrupt()
  }

  private finishBlock(): void {
    if (this.final) {
      if (this.flushed < this.written) this.ready = this.flush()
      this.fault = EOF
    }
    this.step = "block"
  }

  private storedBlock(): void {
    this.bits = 0
    this.bitCount = 0
    const header = new Uint8Array(4)
    const before = this.input.position
    const error = this.input.readFull(header)
    this.consumed += this.input.position - before
    if (error !== undefined) {
      this.fault = noEof(error)
      return
    }
    const length = (header[0] ?? 0) | ((header[1] ?? 0) << 8)
    const complement = (header[2] ?? 0) | ((header[3] ?? 0) << 8)
    if (complement !== (~length & 0xffff)) {
      this.corrupt()
      return
    }
    if (length === 0) {
      this.ready = this.flush()
      this.finishBlock()
      return
    }
    this.copyLength = length
    this.copyStored()
  }

  private copyStored(): void {
    const room = Math.min(WINDOW - this.written, this.copyLength)
    const before = this.input.position
    const error = this.input.readFull(this.window.subarray(this.written, this.written + room))
    const count = this.input.position - before
    this.consumed += count
    this.copyLength -= count
    this.written += count
    if (error !== undefined) {
      this.fault = noEof(error)
      return
    }
    if (this.written === WINDOW || this.copyLength > 0) {
      this.ready = this.flush()
      this.step = "stored"
      return
    }
    this.finishBlock()
  }

  /** The tables of a dynamic block (RFC 1951, 3.2.7); false on a fault. */
  private readTables(): boolean {
    if (!this.need(14)) return false
    const literalCount = this.take(5) + 257
    if (literalCount > MAX_LITERALS) return this.refuse()
    const distanceCount = this.take(5) + 1
    if (distanceCount > MAX_DISTANCES) return this.refuse()
    const lengthCount = this.take(4) + 4
    const codeLengths = new Uint8Array(CODE_ORDER.length)
    for (const [index, place] of CODE_ORDER.entries()) {
      if (index >= lengthCount) break
      if (!this.need(3)) return false
      codeLengths[place] = this.take(3)
    }
    if (!this.first.build(codeLengths)) return this.refuse()
    const total = literalCount + distanceCount
    const lengths = new Uint8Array(total)
    for (let at = 0; at < total; ) {
      const symbol = this.symbol(this.first)
      if (symbol < 0) return false
      if (symbol < 16) {
        lengths[at++] = symbol
        continue
      }
      if (symbol === 16 && at === 0) return this.refuse()
      const value = symbol === 16 ? (lengths[at - 1] ?? 0) : 0
      const extraBits = symbol === 16 ? 2 : symbol === 17 ? 3 : 7
      if (!this.need(extraBits)) return false
      const repeat = (symbol === 18 ? 11 : 3) + this.take(extraBits)
      if (at + repeat > total) return this.refuse()
      lengths.fill(value, at, at + repeat)
      at += repeat
    }
    if (!this.first.build(lengths.subarray(0, literalCount))) return this.refuse()
    if (!this.second.build(lengths.subarray(literalCount))) return this.refuse()
    // every block ends in its marker: that many bits can be asked for without reading past the stream
    this.first.min = Math.max(this.first.min, lengths[END_OF_BLOCK] ?? 0)
    return true
  }

  private refuse(): false {
    this.corrupt()
    return false
  }

  /** The next symbol, or -1 with `fault` set. */
  private symbol(table: Huffman): number {
    let wanted = table.min
    for (;;) {
      if (!this.need(wanted)) return -1
      let entry = table.primary[this.bits & (PRIMARY_SIZE - 1)] ?? 0
      wanted = entry & LENGTH_MASK
      if (wanted > PRIMARY_BITS) {
        const link = table.secondary[entry >> VALUE_SHIFT]
        entry = link?.[(this.bits >>> PRIMARY_BITS) & table.secondaryMask] ?? 0
        wanted = entry & LENGTH_MASK
      }
      if (wanted > this.bitCount) continue
      if (wanted === 0) {
        this.corrupt()
        return -1
      }
      this.take(wanted)
      return entry >> VALUE_SHIFT
    }
  }

  private huffmanBlock(): void {
    for (;;) {
      const symbol = this.symbol(this.literals)
      if (symbol < 0) return
      if (symbol < END_OF_BLOCK) {
        this.window[this.written++] = symbol
        if (this.written === WINDOW) {
          this.ready = this.flush()
          this.step = "huffman"
          return
        }
        continue
      }
      if (symbol === END_OF_BLOCK) {
        this.finishBlock()
        return
      }
      if (symbol >= MAX_LITERALS) {
        this.corrupt()
        return
      }
      const length = this.matchLength(symbol)
      if (length < 0) return
      const distance = this.matchDistance()
      if (distance < 0) return
      if (distance > (this.wrapped ? WINDOW : this.written)) {
        this.corrupt()
        return
      }
      this.copyLength = length
      this.copyDistance = distance
      if (!this.copyHistory()) return
    }
  }

  private matchLength(symbol: number): number {
    if (symbol === 285) return 258
    if (symbol < 265) return symbol - 254
    const extra = (symbol - 261) >> 2
    if (!this.need(extra)) return -1
    const base = (4 + ((symbol - 265) & 3)) << extra
    return base + 3 + this.take(extra)
  }

  private matchDistance(): number {
    let code: number
    if (this.distances === undefined) {
      if (!this.need(5)) return -1
      code = reverse16(this.take(5)) >> 11
    } else {
      code = this.symbol(this.distances)
      if (code < 0) return -1
    }
    if (code < 4) return code + 1
    if (code >= MAX_DISTANCES) {
      this.corrupt()
      return -1
    }
    const extra = (code - 2) >> 1
    if (!this.need(extra)) return -1
    return (1 << (extra + 1)) + 1 + (((code & 1) << extra) | this.take(extra))
  }

  /** Copies a match as far as the window has room; false when the window must be handed out first. */
  private copyHistory(): boolean {
    const window = this.window
    let from = this.written - this.copyDistance
    if (from < 0) from += WINDOW
    while (this.copyLength > 0 && this.written < WINDOW) {
      window[this.written++] = window[from] ?? 0
      from = from + 1 === WINDOW ? 0 : from + 1
      this.copyLength--
    }
    if (this.written === WINDOW || this.copyLength > 0) {
      this.ready = this.flush()
      this.step = "copy"
      return false
    }
    return true
  }
}
