/**
 * Prefix codes of DEFLATE with limited lengths, by the boundary package-merge as Go's compress/flate does it: among
 * codes of equal cost the lengths are Go's, which is what makes its archives' bytes. Pure.
 * Source: RFC 1951 3.2.2; Go's compress/flate (huffman_code.go).
 */

/** Lengths in bits and codes (bits in the order they are written) by symbol; length 0: not in use. */
export interface PrefixCode {
  readonly lengths: Uint8Array
  readonly codes: Uint16Array
}

const NEVER = 0x7fff_ffff

export const reversed = (code: number, length: number): number => {
  let result = 0
  for (let bit = 0; bit < length; bit += 1) result |= ((code >> bit) & 1) << (length - 1 - bit)
  return result
}

/** How many of the symbols get each length; `weights` ascend and are more than two. */
const lengthCounts = (weights: ReadonlyArray<number>, limit: number): ReadonlyArray<number> => {
  const count = weights.length
  const depth = Math.min(limit, count - 1)
  const weight = (at: number): number => weights[at] ?? NEVER
  const last = new Array<number>(depth + 2).fill(weight(1))
  const leaf = new Array<number>(depth + 2).fill(weight(2))
  const pair = new Array<number>(depth + 2).fill(weight(0) + weight(1))
  const needed = new Array<number>(depth + 2).fill(0)
  // leaves[a][b]: leaves to the left of the ancestor in row b of the newest node in row a
  const leaves = Array.from({ length: depth + 1 }, (_, row) =>
    new Array<number>(depth + 1).fill(0).fill(2, row, row + 1)
  )
  leaves[0]?.fill(0)
  pair[1] = NEVER
  needed[depth] = 2 * count - 4
  for (let row = depth; ; ) {
    if (pair[row] === NEVER && leaf[row] === NEVER) {
      needed[row] = 0
      pair[row + 1] = NEVER
      row += 1
      continue
    }
    const before = last[row] ?? 0
    const own = leaves[row] ?? []
    if ((leaf[row] ?? 0) < (pair[row] ?? 0)) {
      last[row] = leaf[row] ?? 0
      own[row] = (own[row] ?? 0) + 1
      leaf[row] = weight(own[row] ?? 0)
    } else {
      last[row] = pair[row] ?? 0
      const below = leaves[row - 1] ?? []
      for (let at = 0; at < row; at += 1) own[at] = below[at] ?? 0
      needed[row - 1] = 2
    }
    const left = (needed[row] ?? 0) - 1
    needed[row] = left
    if (left === 0) {
      if (row === depth) break
      pair[row + 1] = before + (last[row] ?? 0)
      row += 1
    } else while ((needed[row - 1] ?? 0) > 0) row -= 1
  }
  const top = leaves[depth] ?? []
  return Array.from({ length: depth + 1 }, (_, bits) =>
    bits === 0 ? 0 : (top[depth - bits + 1] ?? 0) - (top[depth - bits] ?? 0)
  )
}

/** The code for symbols of these frequencies; none is longer than `limit`. */
export const prefixCode = (frequencies: Uint32Array, limit: number): PrefixCode => {
  const lengths = new Uint8Array(frequencies.length)
  const codes = new Uint16Array(frequencies.length)
  const used: Array<{ readonly symbol: number; readonly weight: number }> = []
  for (const [symbol, weight] of frequencies.entries()) if (weight !== 0) used.push({ symbol, weight })
  if (used.length <= 2) {
    for (const [code, { symbol }] of used.entries()) {
      lengths[symbol] = 1
      codes[symbol] = code
    }
    return { lengths, codes }
  }
  used.sort((a, b) => a.weight - b.weight || a.symbol - b.symbol)
  const counts = lengthCounts(
    used.map(({ weight }) => weight),
    limit
  )
  let code = 0
  let end = used.length
  for (const [length, count] of counts.entries()) {
    code <<= 1
    if (length === 0 || count === 0) continue
    // the most frequent ones are left, and get their codes in the order of the symbols
    const chunk = used.slice(end - count, end).map(({ symbol }) => symbol)
    end -= count
    for (const symbol of chunk.sort((a, b) => a - b)) {
      lengths[symbol] = length
      codes[symbol] = reversed(code, length)
      code += 1
    }
  }
  return { lengths, codes }
}

/** What symbols of these frequencies take in a code, in bits. */
export const bitLength = (frequencies: Uint32Array, { lengths }: PrefixCode): number => {
  let total = 0
  for (const [symbol, count] of frequencies.entries()) total += count * (lengths[symbol] ?? 0)
  return total
}
