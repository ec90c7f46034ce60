import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import { WireError } from "../../src/wire/index.js"
import { toHex } from "../../src/wire/protoutil.js"
import { anyMessage } from "./arbitrary.js"
import { allMessages, dice, soup } from "./soup.js"

const sample = (count: number) =>
  fc
    .constantFrom(...allMessages)
    .chain((type) => fc.tuple(fc.constant(type), fc.array(anyMessage(type), { maxLength: count })))

describe("every message", () => {
  it("comes back from its bytes as it was created", () => {
    fc.assert(
      fc.property(sample(3), ([type, values]) => {
        for (const value of values) {
          const bytes = type.encode(value)
          const back = type.decode(bytes)
          assert.deepEqual(back, type.create(value))
          assert.deepEqual(type.encode(back), bytes)
        }
      }),
      { numRuns: 600 }
    )
  })

  it("of the bytes of two is the merger that the second wins", () => {
    fc.assert(
      fc.property(sample(2), ([type, values]) => {
        const parts = values.map((value) => type.encode(value))
        const joined = type.decode(Buffer.concat(parts))
        const again = type.decode(type.encode(joined))
        assert.deepEqual(again, joined)
      }),
      { numRuns: 300 }
    )
  })

  it("decodes or refuses any bytes with a WireError, and what decodes has one canonical form", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...allMessages),
        fc.integer(),
        fc.uint8Array({ maxLength: 30 }),
        (type, seed, noise) => {
          const bytes = Uint8Array.from([...soup(dice(seed), type), ...(seed % 3 === 0 ? noise : [])])
          let message: object
          try {
            message = type.decode(bytes)
          } catch (error) {
            assert.instanceOf(error, WireError)
            return
          }
          const once = type.encode(message)
          assert.equal(toHex(type.encode(type.decode(once))), toHex(once))
        }
      ),
      { numRuns: 4000 }
    )
  })

  it("cut anywhere decodes or is refused with a WireError", () => {
    fc.assert(
      fc.property(sample(1), fc.nat(), fc.nat(255), ([type, values], at, byte) => {
        for (const value of values) {
          const bytes = type.encode(value)
          if (bytes.length === 0) return
          const hurt = bytes.slice()
          hurt[at % bytes.length] = byte
          for (const input of [bytes.subarray(0, at % bytes.length), hurt]) {
            try {
              type.decode(input)
            } catch (error) {
              assert.instanceOf(error, WireError)
            }
          }
        }
      }),
      { numRuns: 1500 }
    )
  })
})
