/** Texts that are no UTF-8, as Go keeps and shows them. */
import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { goQuoted, isUtf8Text, looseText } from "../../src/wire/looseText.js"

const bytes = (...given: ReadonlyArray<number>) => Uint8Array.of(...given)

test("UTF-8 stays what it is, all else is kept apart", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(looseText(Buffer.from(text))).toBe(text)
      expect(isUtf8Text(text)).toBe(true)
    })
  )
  const seen = new Map<string, string>()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), (given) => {
      const text = looseText(given)
      const hex = Buffer.from(given).toString("hex")
      expect(seen.get(text) ?? hex).toBe(hex)
      seen.set(text, hex)
      expect(isUtf8Text(text)).toBe(Buffer.from(given.slice()).equals(Buffer.from(Buffer.from(given).toString())))
    })
  )
})

describe("quoted as by Go's %q", () => {
  test.each([
    [bytes(0x61, 0xff, 0x62), '"a\\xffb"'],
    [bytes(0xff, 0xfe, 0x00, 0x80), '"\\xff\\xfe\\x00\\x80"'],
    [bytes(0xe2, 0x82), '"\\xe2\\x82"'],
    [bytes(0xed, 0xa0, 0x80), '"\\xed\\xa0\\x80"'],
    [Buffer.from('a"b\\\n\u007f é😀'), '"a\\"b\\\\\\n\\x7f é😀"'],
    [Buffer.from("\u00a0\u0085\u{e0001}"), '"\\u00a0\\u0085\\U000e0001"']
  ])("%j", (given, shown) => {
    expect(goQuoted(looseText(given))).toBe(shown)
  })
})
