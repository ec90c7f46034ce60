/**
 * DEFLATE whose bytes are those of Go's compress/flate at its default level: a package's identity is the hash of its
 * compressed bytes, and one that Go's command line makes of the same files must not differ from ours. Pure.
 * Source: Go's compress/flate (deflate.go, level 6); chaincode.md T17.
 */
import { BlockWriter, matchToken, type Token } from "./deflateBlocks.js"

const WINDOW = 32_768
const MASK = WINDOW - 1
const MIN_MATCH = 4
const MAX_MATCH = 258
const LOOKAHEAD = MIN_MATCH + MAX_MATCH
const MAX_TOKENS = 16_384
const HASH_BITS = 17
/** A match this long is not looked beyond. */
const NICE = 128
/** A match this long keeps the next position from being looked at. */
const LAZY = 16
/** Places that are tried for one match. */
const TRIES = 128
/** A match of the least length counts only this near. */
const NEAR = 4096

class Compressor {
  private readonly blocks = new BlockWriter()
  /** Places plus one; 0: none. */
  private readonly heads = new Uint32Array(1 << HASH_BITS)
  private readonly previous = new Uint32Array(WINDOW)
  private tokens: Array<Token> = []
  /** What Go's window holds: from `base`, up to `end`. */
  private base = 0
  private end = 0
  private index = 0
  /** Where the block under way began; undefined when that has left the window. */
  private blockStart: number | undefined = 0
  private chain = 0
  private length = MIN_MATCH - 1
  private distance = 0
  /** The byte before `index` is not written yet. */
  private pending = false

  constructor(private readonly data: Uint8Array) {}

  private hash(at: number): number {
    const { data } = this
    const word =
      ((data[at] ?? 0) << 24) | ((data[at + 1] ?? 0) << 16) | ((data[at + 2] ?? 0) << 8) | (data[at + 3] ?? 0)
    return Math.imul(word, 0x1e35a7bd) >>> (32 - HASH_BITS)
  }
  private insert(at: number): void {
    const hash = this.hash(at)
    this.chain = this.heads[hash] ?? 0
    this.previous[at & MASK] = this.chain
    this.heads[hash] = at + 1
  }

  /** The longest match at a place among those whose hash is the same; length 0: none. */
  private find(at: number, first: number, lookahead: number): { readonly length: number; readonly distance: number } {
    const { base, data } = this
    const most = Math.min(MAX_MATCH, lookahead)
    const nice = Math.min(NICE, most)
    const oldest = at - WINDOW
    let length = MIN_MATCH - 1
    let distance = 0
    let place = first
    for (let tries = TRIES; tries > 0; tries -= 1) {
      if (data[at + length] === data[place + length]) {
        let same = 0
        while (same < most && data[place + same] === data[at + same]) same += 1
        if (same > length && (same > MIN_MATCH || at - place <= NEAR)) {
          length = same
          distance = at - place
          if (same >= nice) break
        }
      }
      if (place === oldest) break
      place = (this.previous[place & MASK] ?? 0) - 1
      if (place < oldest || place < base) break
    }
    return distance === 0 ? { length: 0, distance } : { length, distance }
  }

  private flush(upTo: number): void {
    if (upTo > this.base) {
      this.blocks.block(
        this.tokens,
        this.blockStart === undefined ? undefined : this.data.subarray(this.blockStart, upTo)
      )
      this.blockStart = upTo
    }
    this.tokens = []
  }
  private add(token: Token, upTo: number): void {
    this.tokens.push(token)
    if (this.tokens.length === MAX_TOKENS) this.flush(upTo)
  }

  /** Compresses what is there, at the end of the data all of it. */
  private step(isEnd: boolean): void {
    if (this.end - this.index < LOOKAHEAD && !isEnd) return
    const insertable = this.end - (MIN_MATCH - 1)
    for (;;) {
      const lookahead = this.end - this.index
      if (lookahead < LOOKAHEAD) {
        if (!isEnd) return
        if (lookahead === 0) {
          if (this.pending) this.tokens.push(this.data[this.index - 1] ?? 0)
          this.pending = false
          if (this.tokens.length > 0) this.flush(this.index)
          return
        }
      }
      if (this.index < insertable) this.insert(this.index)
      const { distance: lastDistance, length: lastLength } = this
      this.length = MIN_MATCH - 1
      this.distance = 0
      const first = this.chain - 1
      const oldest = Math.max(this.base, this.index - WINDOW)
      if (first >= oldest && lookahead > lastLength && lastLength < LAZY) {
        const found = this.find(this.index, first, lookahead)
        if (found.length > 0) {
          this.length = found.length
          this.distance = found.distance
        }
      }
      if (lastLength >= MIN_MATCH && this.length <= lastLength) {
        // what was found one place before is no worse: it is taken
        const next = this.index + lastLength - 1
        const head = this.chain
        for (this.index += 1; this.index < next; this.index += 1) {
          if (this.index < insertable) this.insert(this.index)
        }
        this.chain = head
        this.pending = false
        this.length = MIN_MATCH - 1
        this.add(matchToken(lastLength, lastDistance), this.index)
      } else {
        if (this.pending) this.add(this.data[this.index - 1] ?? 0, this.index)
        this.index += 1
        this.pending = true
      }
    }
  }

  /** Takes the next bytes of the data in. */
  write(count: number): void {
    for (let left = count; left > 0; ) {
      this.step(false)
      if (this.index - this.base >= 2 * WINDOW - LOOKAHEAD) {
        this.base += WINDOW
        if (this.blockStart !== undefined && this.blockStart < this.base) this.blockStart = undefined
      }
      const taken = Math.min(left, this.base + 2 * WINDOW - this.end)
      this.end += taken
      left -= taken
    }
  }
  finish(): Uint8Array {
    this.step(true)
    return this.blocks.finish()
  }
}

/** Compresses parts as one; Go's writer gets them one by one, which its window notices. */
export const goDeflate = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const compressor = new Compressor(Buffer.concat(parts))
  for (const { length } of parts) compressor.write(length)
  return compressor.finish()
}
