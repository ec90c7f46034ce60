/**
 * Blocks of DEFLATE written as Go's compress/flate writes them: stored, by the fixed codes or by codes of their own,
 * whichever it reckons shortest. Pure.
 * Source: RFC 1951 3.2.3 to 3.2.7; Go's compress/flate (huffman_bit_writer.go, token.go).
 */
import { bitLength, type PrefixCode, prefixCode, reversed } from "./deflateCodes.js"

/** A literal byte, or a match: {@link matchToken}. */
export type Token = number

const MATCH = 2 ** 30
const LENGTH_UNIT = 2 ** 22

/** A match of a length (3 to 258) at a distance (1 to 32,768). */
export const matchToken = (length: number, distance: number): Token => MATCH + (length - 3) * LENGTH_UNIT + distance - 1

const LITERALS = 286
const DISTANCES = 30
const END_OF_BLOCK = 256
const FIRST_LENGTH = 257
const MAX_STORED = 65_535

const lengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
const distanceExtra = Array.from({ length: DISTANCES }, (_, code) => (code < 4 ? 0 : (code >> 1) - 1))

/** First values of codes that follow each other with these numbers of extra bits. */
const bases = (extra: ReadonlyArray<number>): ReadonlyArray<number> => {
  const found: Array<number> = []
  let next = 0
  for (const bits of extra) {
    found.push(next)
    next += 2 ** bits
  }
  return found
}
// the longest match has a code of its own
const lengthBase = [...bases(lengthExtra).slice(0, -1), 255]
const distanceBase = bases(distanceExtra)

const codeOf = (base: ReadonlyArray<number>, size: number): Uint8Array => {
  const codes = new Uint8Array(size)
  for (const [code, from] of base.entries()) codes.fill(code, from)
  return codes
}
const lengthCode = codeOf(lengthBase, 256)
const distanceCode = codeOf(distanceBase, 32_768)

const fixedLengths = (symbol: number): number => (symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8)
const fixedCodes = (symbol: number): number =>
  symbol < 144 ? symbol + 48 : symbol < 256 ? symbol + 256 : symbol < 280 ? symbol - 256 : symbol - 88
const fixed = (size: number, length: (symbol: number) => number, code: (symbol: number) => number): PrefixCode => ({
  lengths: Uint8Array.from({ length: size }, (_, symbol) => length(symbol)),
  codes: Uint16Array.from({ length: size }, (_, symbol) => reversed(code(symbol), length(symbol)))
})
const fixedLiterals = fixed(LITERALS, fixedLengths, fixedCodes)
const fixedDistances = fixed(
  DISTANCES,
  () => 5,
  (symbol) => symbol
)

/** The order in which the lengths of the code for code lengths stand. */
const lengthsOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
const repeatExtra: ReadonlyMap<number, number> = new Map([
  [16, 2],
  [17, 3],
  [18, 7]
])

/** A code length, or a repetition with how often. */
interface LengthSymbol {
  readonly symbol: number
  readonly extra: number
}

/** Code lengths with runs made short. */
const runs = (lengths: ReadonlyArray<number>): ReadonlyArray<LengthSymbol> => {
  const found: Array<LengthSymbol> = []
  for (let at = 0; at < lengths.length; ) {
    const length = lengths[at] ?? 0
    let count = 1
    while (lengths[at + count] === length) count += 1
    at += count
    if (length !== 0) {
      found.push({ symbol: length, extra: 0 })
      for (count -= 1; count >= 3; ) {
        const taken = Math.min(6, count)
        found.push({ symbol: 16, extra: taken - 3 })
        count -= taken
      }
    } else {
      for (; count >= 11; ) {
        const taken = Math.min(138, count)
        found.push({ symbol: 18, extra: taken - 11 })
        count -= taken
      }
      if (count >= 3) {
        found.push({ symbol: 17, extra: count - 3 })
        count = 0
      }
    }
    for (; count > 0; count -= 1) found.push({ symbol: length, extra: 0 })
  }
  return found
}

/** The number of symbols up to the last one in use. */
const inUse = (frequencies: Uint32Array): number => {
  let count = frequencies.length
  while (count > 0 && frequencies[count - 1] === 0) count -= 1
  return count
}

const extraBits = (frequencies: Uint32Array, first: number, extra: ReadonlyArray<number>): number =>
  extra.reduce((total, bits, code) => total + bits * (frequencies[first + code] ?? 0), 0)

/** Collects bits and blocks; {@link BlockWriter.finish} gives the bytes. */
export class BlockWriter {
  private out = new Uint8Array(65_536)
  private size = 0
  private bits = 0
  private count = 0

  private put(byte: number): void {
    if (this.size === this.out.length) {
      const grown = new Uint8Array(this.out.length * 2)
      grown.set(this.out)
      this.out = grown
    }
    this.out[this.size] = byte
    this.size += 1
  }
  private write(value: number, bits: number): void {
    this.bits |= value << this.count
    for (this.count += bits; this.count >= 8; this.count -= 8) {
      this.put(this.bits & 0xff)
      this.bits >>>= 8
    }
  }
  private align(): void {
    if (this.count > 0) this.put(this.bits & 0xff)
    this.bits = 0
    this.count = 0
  }

  /** One block; `stored` are its bytes where they are still at hand. */
  block(tokens: ReadonlyArray<Token>, stored: Uint8Array | undefined): void {
    const literals = new Uint32Array(LITERALS)
    const distances = new Uint32Array(DISTANCES)
    const add = (counts: Uint32Array, symbol: number): void => {
      counts[symbol] = (counts[symbol] ?? 0) + 1
    }
    for (const token of tokens) {
      if (token < MATCH) add(literals, token)
      else {
        add(literals, FIRST_LENGTH + (lengthCode[(token - MATCH) >>> 22] ?? 0))
        add(distances, distanceCode[token & 0x7fff] ?? 0)
      }
    }
    add(literals, END_OF_BLOCK)
    // a code for distances must not be empty
    if (inUse(distances) === 0) distances[0] = 1
    const own = { literals: prefixCode(literals, 15), distances: prefixCode(distances, 15) }
    const storable = stored !== undefined && stored.length <= MAX_STORED
    // the same for both codes: counted only to compare with storing
    const extra = storable ? extraBits(literals, FIRST_LENGTH, lengthExtra) + extraBits(distances, 0, distanceExtra) : 0
    const fixedSize = 3 + bitLength(literals, fixedLiterals) + bitLength(distances, fixedDistances) + extra
    const head = this.headOf(own.literals, own.distances, inUse(literals), inUse(distances))
    const ownSize = head.size + bitLength(literals, own.literals) + bitLength(distances, own.distances) + extra
    if (stored !== undefined && storable && (stored.length + 5) * 8 < Math.min(fixedSize, ownSize)) {
      this.stored(stored, false)
    } else if (ownSize < fixedSize) {
      head.write()
      this.tokens(tokens, own.literals, own.distances)
    } else {
      this.write(2, 3)
      this.tokens(tokens, fixedLiterals, fixedDistances)
    }
  }

  /** The description of a block's own codes: its size, and how to write it. */
  private headOf(literals: PrefixCode, distances: PrefixCode, literalCount: number, distanceCount: number) {
    const symbols = runs([
      ...literals.lengths.subarray(0, literalCount),
      ...distances.lengths.subarray(0, distanceCount)
    ])
    const frequencies = new Uint32Array(lengthsOrder.length)
    for (const { symbol } of symbols) frequencies[symbol] = (frequencies[symbol] ?? 0) + 1
    const code = prefixCode(frequencies, 7)
    let shown = lengthsOrder.length
    while (shown > 4 && frequencies[lengthsOrder[shown - 1] ?? 0] === 0) shown -= 1
    let size = 3 + 5 + 5 + 4 + 3 * shown + bitLength(frequencies, code)
    for (const [symbol, bits] of repeatExtra) size += bits * (frequencies[symbol] ?? 0)
    const write = (): void => {
      this.write(4, 3)
      this.write(literalCount - FIRST_LENGTH, 5)
      this.write(distanceCount - 1, 5)
      this.write(shown - 4, 4)
      for (const symbol of lengthsOrder.slice(0, shown)) this.write(code.lengths[symbol] ?? 0, 3)
      for (const { extra, symbol } of symbols) {
        this.write(code.codes[symbol] ?? 0, code.lengths[symbol] ?? 0)
        this.write(extra, repeatExtra.get(symbol) ?? 0)
      }
    }
    return { size, write }
  }

  private tokens(tokens: ReadonlyArray<Token>, literals: PrefixCode, distances: PrefixCode): void {
    const symbol = (code: PrefixCode, at: number): void => this.write(code.codes[at] ?? 0, code.lengths[at] ?? 0)
    for (const token of tokens) {
      if (token < MATCH) {
        symbol(literals, token)
        continue
      }
      const length = (token - MATCH) >>> 22
      const byLength = lengthCode[length] ?? 0
      symbol(literals, FIRST_LENGTH + byLength)
      this.write(length - (lengthBase[byLength] ?? 0), lengthExtra[byLength] ?? 0)
      const distance = token & 0x7fff
      const byDistance = distanceCode[distance] ?? 0
      symbol(distances, byDistance)
      this.write(distance - (distanceBase[byDistance] ?? 0), distanceExtra[byDistance] ?? 0)
    }
    symbol(literals, END_OF_BLOCK)
  }

  private stored(bytes: Uint8Array, isLast: boolean): void {
    this.write(isLast ? 1 : 0, 3)
    this.align()
    this.write(bytes.length, 16)
    this.write(~bytes.length & 0xffff, 16)
    for (const byte of bytes) this.put(byte)
  }

  /** Ends the stream with an empty stored block, as Go does. */
  finish(): Uint8Array {
    this.stored(new Uint8Array(), true)
    return this.out.subarray(0, this.size)
  }
}
