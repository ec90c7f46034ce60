/** Bytes that are nearly messages: right fields, foreign wire types, repeats, cut ends, bad text, odd varints. */
import type { FieldInfo, MessageInfo } from "../../src/wire/index.js"
import * as wire from "../../src/wire/index.js"

const isMessage = (value: unknown): value is MessageInfo =>
  typeof value === "object" && value !== null && "typeName" in value && "fields" in value

/** Every message that we define. */
export const allMessages: ReadonlyArray<MessageInfo> = Object.values(wire)
  .filter((module) => typeof module === "object")
  .flatMap((module) => Object.values<unknown>({ ...module }).filter(isMessage))

/** A small reproducible generator of numbers (mulberry32): next(n) is below n. */
export const dice = (seed: number): ((n: number) => number) => {
  let state = seed >>> 0
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n)
  }
}

type Dice = ReturnType<typeof dice>

const varint = (value: bigint): Array<number> => {
  const out: Array<number> = []
  let rest = BigInt.asUintN(64, value)
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  out.push(Number(rest))
  return out
}

/** Mostly a shortest form, sometimes one with idle bytes, too long, or beyond 64 bits. */
const oddVarint = (next: Dice, value: bigint): Array<number> => {
  const bytes = varint(value)
  switch (next(40)) {
    case 0:
      return [...bytes.slice(0, -1), (bytes.at(-1) ?? 0) | 128, 0]
    case 1:
      return [...bytes.slice(0, -1), (bytes.at(-1) ?? 0) | 128, 128, 128, 0]
    case 2:
      return [255, 255, 255, 255, 255, 255, 255, 255, 255, next(4)]
    case 3:
      return [128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 1]
    default:
      return bytes
  }
}

const numbers = [
  0n,
  1n,
  2n,
  127n,
  128n,
  300n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n
]
const anyNumber = (next: Dice): bigint => numbers[next(numbers.length)] ?? 0n

const texts: ReadonlyArray<ReadonlyArray<number>> = [
  [],
  [97],
  [0],
  [...Buffer.from("mychannel")],
  [...Buffer.from("a text that is longer than the short ones")],
  [...Buffer.from("größe")],
  [...Buffer.from("\u{10ffff}\ufeff")],
  [0xef, 0xbb, 0xbf],
  [0xff],
  [0xed, 0xa0, 0x80],
  [0xc0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xe2, 0x82]
]
const anyText = (next: Dice): ReadonlyArray<number> => texts[next(next(6) === 0 ? texts.length : 7)] ?? []

const delimited = (next: Dice, body: ReadonlyArray<number>): Array<number> => {
  const length = next(60) === 0 ? BigInt(body.length) + BigInt(next(3)) - 1n : BigInt(body.length)
  return [...oddVarint(next, length), ...body]
}

const bytesOf = (next: Dice, count: number): Array<number> => Array.from({ length: count }, () => next(256))

/** Something after a key of the given wire type. */
const anyBody = (next: Dice, wireType: number): Array<number> => {
  switch (wireType) {
    case 0:
      return oddVarint(next, anyNumber(next))
    case 1:
      return bytesOf(next, 8)
    case 2:
      return delimited(next, anyText(next))
    case 3: {
      const inner = next(3)
      return [...varint(BigInt(8 * next(20) + inner)), ...anyBody(next, inner), ...varint(BigInt(8 * next(20) + 4))]
    }
    case 5:
      return bytesOf(next, 4)
    default:
      return []
  }
}

const valueOf = (next: Dice, field: FieldInfo, depth: number): Array<number> => {
  if (field.kind === "message")
    return delimited(next, field.message === undefined ? [] : soup(next, field.message(), depth + 1))
  if (field.kind === "string" || field.kind === "bytes") return delimited(next, anyText(next))
  return oddVarint(next, anyNumber(next))
}

const wireOf = (field: FieldInfo): number =>
  field.kind === "message" || field.kind === "string" || field.kind === "bytes" ? 2 : 0

const entry = (next: Dice, field: FieldInfo, depth: number): Array<number> => {
  const out: Array<number> = []
  const parts = 1 + next(3)
  for (let i = 0; i < parts; i++) {
    const roll = next(12)
    if (roll < 5) out.push(10, ...delimited(next, anyText(next)))
    else if (roll < 10) out.push(16 + wireOf(field), ...valueOf(next, field, depth))
    else {
      const wireType = next(8)
      out.push(8 * next(4) + wireType, ...anyBody(next, wireType))
    }
  }
  return out
}

/** One message's worth; the deeper the fewer fields. */
export const soup = (next: Dice, type: MessageInfo, depth = 0): Array<number> => {
  const out: Array<number> = []
  const count = depth > 4 ? 0 : next(depth === 0 ? 6 : 4)
  for (let i = 0; i < count; i++) {
    const field = type.fields[next(type.fields.length)]
    const roll = next(100)
    if (field === undefined || roll < 10) {
      const wireType = roll < 1 ? next(8) : ([0, 1, 2, 2, 3, 5][next(6)] ?? 0)
      const number = roll < 2 ? 2n ** BigInt(next(60)) : BigInt(1 + next(40))
      out.push(...oddVarint(next, (number << 3n) | BigInt(wireType)), ...anyBody(next, wireType))
    } else if (roll < 14) {
      const wireType = next(8)
      out.push(...oddVarint(next, BigInt(field.number * 8 + wireType)), ...anyBody(next, wireType))
    } else if (roll < 15) out.push(next(8), ...bytesOf(next, 1))
    else if (field.mapKey !== undefined)
      out.push(...oddVarint(next, BigInt(field.number * 8 + 2)), ...delimited(next, entry(next, field, depth)))
    else if (field.repeated && wireOf(field) === 0 && roll < 60)
      out.push(
        ...oddVarint(next, BigInt(field.number * 8 + 2)),
        ...delimited(next, [...oddVarint(next, anyNumber(next)), ...oddVarint(next, anyNumber(next))])
      )
    else out.push(...oddVarint(next, BigInt(field.number * 8 + wireOf(field))), ...valueOf(next, field, depth))
  }
  if (depth === 0 && next(25) === 0 && out.length > 0) out.length = next(out.length)
  return out
}
