import { setImmediate } from "node:timers/promises"
import { expect, it } from "vitest"
import { batched } from "../../src/runtime/batched.js"

it("joins the lines of one turn, keeps their order, writes bursts and the rest on demand", async () => {
  const written: Array<string> = []
  const { flush, write } = batched((text) => written.push(text))
  write("a\n")
  write("b\n")
  expect(written).toEqual([])
  await setImmediate()
  expect(written).toEqual(["a\nb\n"])
  write("c\n")
  flush()
  flush()
  expect(written).toEqual(["a\nb\n", "c\n"])
  const long = "x".repeat(1 << 16)
  write("d")
  write(long)
  expect(written.at(-1)).toBe(`d${long}`)
  await setImmediate()
  expect(written).toHaveLength(3)
})
