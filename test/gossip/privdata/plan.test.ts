import * as fc from "fast-check"
import { expect, it } from "vitest"
import { blocksOf, disseminationPlan, isPurgedAt } from "../../../src/gossip/privdata/index.js"
import { common } from "../../../src/wire/index.js"
import { toText, utf8 } from "../../../src/wire/protoutil.js"

const candidates = (orgs: ReadonlyArray<number>) =>
  orgs.flatMap((size, org) =>
    Array.from({ length: size }, (_, i) => ({ org: `Org${org}MSP`, pkiId: utf8(`${org}.${i}`) }))
  )

it("reaches every organisation before any twice, up to the maximum; the first required must acknowledge", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(4), { maxLength: 5 }),
      fc.nat(10),
      fc.nat(10),
      fc.infiniteStream(fc.double({ min: 0, max: 0.999999, noNaN: true })),
      (orgs, required, maximum, numbers) => {
        const all = candidates(orgs)
        const plan = disseminationPlan(all, { required, maximum }, () => numbers.next().value ?? 0)
        const chosen = plan.map(({ pkiId }) => toText(pkiId))
        expect(chosen.length).toBe(Math.min(maximum, all.length))
        expect(new Set(chosen).size).toBe(chosen.length)
        const inhabited = orgs.filter((size) => size > 0).length
        const first = chosen.slice(0, inhabited).map((name) => name.split(".")[0])
        expect(new Set(first).size).toBe(Math.min(inhabited, chosen.length))
        expect(plan.map((one) => one.required)).toEqual(plan.map((_, i) => i < required))
      }
    )
  )
})

it("takes every peer of an organisation alike", () => {
  const seen = new Set<string>()
  for (let i = 0; i < 300; i += 1)
    for (const { pkiId } of disseminationPlan(candidates([3]), { required: 0, maximum: 1 }, Math.random))
      seen.add(toText(pkiId))
  expect(seen.size).toBe(3)
})

it("counts data as purged once a peer's height with the margin reaches its end; never without an end", () => {
  expect(isPurgedAt(100n, 10, 100n, 10n)).toBe(true)
  expect(isPurgedAt(99n, 10, 100n, 10n)).toBe(false)
  expect(isPurgedAt(100n, 0, 100n, 0n)).toBe(false)
  expect(isPurgedAt(5n, 10, 100n, 0xffff_ffff_ffff_ffffn)).toBe(false)
  expect(isPurgedAt(0xffff_ffff_ffff_fff0n, 100, 1n, 0xffff_ffff_ffff_ffffn)).toBe(true)
})

it("groups what arrives by block, transaction and namespace", () => {
  const set = (block: bigint, transaction: number, namespace: string, name: string) => ({
    missing: { block, transaction, namespace, collection: common.StaticCollectionConfig.create({ name }) },
    payloads: [utf8(`${block}${transaction}${namespace}${name}`)]
  })
  const blocks = blocksOf([set(1n, 0, "a", "x"), set(1n, 0, "a", "y"), set(1n, 2, "b", "x"), set(4n, 0, "a", "x")])
  const text = [...blocks].map(([block, txs]) => [
    block,
    [...txs].map(([tx, { nsPvtRwset }]) => [
      tx,
      nsPvtRwset.map(({ collectionPvtRwset, namespace }) => [
        namespace,
        collectionPvtRwset.map(({ collectionName, rwset }) => [collectionName, toText(rwset)])
      ])
    ])
  ])
  expect(text).toEqual([
    [
      1n,
      [
        [
          0,
          [
            [
              "a",
              [
                ["x", "10ax"],
                ["y", "10ay"]
              ]
            ]
          ]
        ],
        [2, [["b", [["x", "12bx"]]]]]
      ]
    ],
    [4n, [[0, [["a", [["x", "40ax"]]]]]]]
  ])
})
