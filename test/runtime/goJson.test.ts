/** Go's words about malformed JSON; the expectations were seen on the reference's programs. */
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, test } from "vitest"
import { firstJsonValue, readGoJson } from "../../src/runtime/goJson.js"

describe("a whole text", () => {
  test.each([
    ["x", "invalid character 'x' looking for beginning of value"],
    ["", "unexpected end of JSON input"],
    ['{"Args"', "unexpected end of JSON input"],
    ['{"Args":["noop"]}x', "invalid character 'x' after top-level value"],
    ['{"Args":["noop"]}{}', "invalid character '{' after top-level value"],
    ['{"Args":["noop"],}', "invalid character '}' looking for beginning of object key string"],
    ["{'Args':['noop']}", "invalid character '\\'' looking for beginning of object key string"],
    ['{"Args":["noop"] "x"}', "invalid character '\"' after object key:value pair"],
    ["tru", "invalid character ' ' in literal true (expecting 'e')"],
    ["-", "invalid character ' ' in numeric literal"],
    ['{"Args":["a\tb"]}', "invalid character '\\t' in string literal"],
    ['{"Args":["a\u0001"]}', "invalid character '\\x01' in string literal"],
    ['{"Args":["\\x"]}', "invalid character 'x' in string escape code"],
    ['["\\u12"]', "invalid character '\"' in \\u hexadecimal character escape"],
    ["é", "invalid character 'Ã' looking for beginning of value"]
  ])("%j", (given, said) => {
    expect(readGoJson(given)).toEqual(Either.left(said))
  })
  test("JSON is read", () => {
    fc.assert(
      fc.property(fc.json(), (given) => {
        expect(readGoJson(` ${given}\n`)).toEqual(Either.right(JSON.parse(given)))
      })
    )
  })
  test("every other text has Go's words", () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.constantFrom(..."{}[],:\"'x\\-1.e\u0001é"), (given, at, inserted) => {
        const cut = at % (given.length + 1)
        const read = readGoJson(given.slice(0, cut) + inserted + given.slice(cut + 1))
        if (Either.isLeft(read)) expect(read.left).toMatch(/^(invalid character '.*' |unexpected end of JSON input$)/s)
      })
    )
  })
})

test("the first value of a stream", () => {
  expect(firstJsonValue('{"a":1} x')).toEqual(Either.right({ a: 1 }))
  expect(firstJsonValue(" ")).toEqual(Either.left("EOF"))
  expect(firstJsonValue("tru")).toEqual(Either.left("unexpected EOF"))
})
