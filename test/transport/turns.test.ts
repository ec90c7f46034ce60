import { setImmediate as nextTurn } from "node:timers/promises"
import { expect, it } from "vitest"
import { Turns } from "../../src/transport/Turns.js"

it("lets one begin at once, and a few more in each turn of the loop, in the order of arrival", async () => {
  const turns = new Turns()
  const begun: Array<number> = []
  for (let i = 0; i < 10; i++) turns.take(() => begun.push(i))
  const seen: Array<number> = []
  for (let i = 0; i < 5; i++) {
    seen.push(begun.length)
    await nextTurn()
  }
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(seen).toEqual([1, 5, 9, 10, 10])
  turns.take(() => begun.push(10)) // the line is empty: at once again
  expect(begun).toHaveLength(11)
})

it("keeps the order while the line is never empty", async () => {
  const turns = new Turns()
  const begun: Array<number> = []
  let arrived = 0
  const arrive = (): void => {
    const number = arrived++
    turns.take(() => {
      begun.push(number)
      if (number < 3000) arrive() // as many come as begin
    })
  }
  for (let i = 0; i < 700; i++) arrive()
  while (begun.length < arrived) await nextTurn()
  expect(begun).toEqual(Array.from({ length: arrived }, (_, i) => i))
})
