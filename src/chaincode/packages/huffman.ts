/** The Huffman codes of DEFLATE (RFC 1951, 3.2.2): tables that decode up to nine bits in one step. */

/** Bits that the first table decodes. */
export const PRIMARY_BITS = 9
export const PRIMARY_SIZE = 1 << PRIMARY_BITS
export const LENGTH_MASK = 15
export const VALUE_SHIFT = 4

/** The sixteen low bits in reverse order. */
export const reverse16 = (value: number): number => {
  let reversed = 0
  for (let bit = 0; bit < 16; bit++) reversed |= ((value >> bit) & 1) << (15 - bit)
  return reversed
}

/** A decoding table: entry = value << 4 | code length; longer codes go through a second table. */
export class Huffman {
  min = 0
  readonly primary = new Uint32Array(PRIMARY_SIZE)
  secondary: Array<Uint32Array> = []
  secondaryMask = 0

  /** Builds the table; false when the lengths are no complete code (a lone one-bit code and no code at all pass). */
  build(lengths: Uint8Array): boolean {
    this.min = 0
    this.primary.fill(0)
    this.secondary = []
    this.secondaryMask = 0
    const count = new Int32Array(16)
    let min = 0
    let max = 0
    for (const length of lengths) {
      if (length === 0) continue
      if (min === 0 || length < min) min = length
      if (length > max) max = length
      count[length] = (count[length] ?? 0) + 1
    }
    if (max === 0) return true
    const next = new Int32Array(17)
    let code = 0
    for (let length = min; length <= max; length++) {
      code <<= 1
      next[length] = code
      code += count[length] ?? 0
    }
    if (code !== 1 << max && !(code === 1 && max === 1)) return false
    this.min = min
    if (max > PRIMARY_BITS) this.linkSecondary(max, (next[PRIMARY_BITS + 1] ?? 0) >> 1)
    for (const [value, length] of lengths.entries()) {
      if (length === 0) continue
      const assigned = next[length] ?? 0
      next[length] = assigned + 1
      this.enter(value, length, reverse16(assigned) >> (16 - length))
    }
    return true
  }

  private linkSecondary(max: number, firstLink: number): void {
    const size = 1 << (max - PRIMARY_BITS)
    this.secondaryMask = size - 1
    for (let prefix = firstLink; prefix < PRIMARY_SIZE; prefix++) {
      const slot = reverse16(prefix) >> (16 - PRIMARY_BITS)
      this.primary[slot] = ((prefix - firstLink) << VALUE_SHIFT) | (PRIMARY_BITS + 1)
      this.secondary.push(new Uint32Array(size))
    }
  }

  private enter(value: number, length: number, reversed: number): void {
    const entry = (value << VALUE_SHIFT) | length
    if (length <= PRIMARY_BITS) {
      for (let slot = reversed; slot < PRIMARY_SIZE; slot += 1 << length) this.primary[slot] = entry
      return
    }
    const link = (this.primary[reversed & (PRIMARY_SIZE - 1)] ?? 0) >> VALUE_SHIFT
    const table = this.secondary[link]
    if (table === undefined) return
    for (let slot = reversed >> PRIMARY_BITS; slot < table.length; slot += 1 << (length - PRIMARY_BITS)) {
      table[slot] = entry
    }
  }
}

/** The code lengths of a block with the fixed code (RFC 1951, 3.2.6). */
export const fixedLengths = (): Uint8Array => {
  const lengths = new Uint8Array(288).fill(8)
  lengths.fill(9, 144, 256)
  lengths.fill(7, 256, 280)
  return lengths
}
