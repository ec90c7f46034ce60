import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { crc32, crc32ByTable } from "../../src/wire/crc32.js"
import { utf8 } from "../../src/wire/protoutil.js"

describe("crc32", () => {
  it("is IEEE's", () => {
    assert.equal(crc32ByTable(utf8("123456789")), 0xcbf43926)
    assert.equal(crc32(utf8("123456789")), 0xcbf43926)
  })
  it("is the same by table, in one piece or two", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
        const whole = crc32(Buffer.concat([a, b]))
        assert.equal(crc32ByTable(b, crc32ByTable(a)), whole)
      })
    )
  })
})
