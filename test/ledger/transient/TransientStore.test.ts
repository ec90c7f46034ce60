import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { makeTransientStores } from "../../../src/ledger/transient/index.js"
import { transientstore } from "../../../src/wire/index.js"
import { run, tempDir, utf8 } from "../support.js"

const set = (value: string, ...collections: ReadonlyArray<string>) =>
  transientstore.TxPvtReadWriteSetWithConfigInfo.create({
    endorsedAt: 7n,
    pvtRwset: {
      nsPvtRwset: [
        {
          namespace: "ns",
          collectionPvtRwset: collections.map((collectionName) => ({ collectionName, rwset: utf8(value) }))
        }
      ]
    },
    collectionConfigs: new Map([["ns", { config: collections.map((name) => ({ staticCollectionConfig: { name } })) }]])
  })

describe("TransientStore", () => {
  it("keeps several sets of a transaction, filters them, and drops them by id", () =>
    run(
      Effect.gen(function* () {
        const stores = yield* makeTransientStores({ root: path.join(yield* tempDir, "transientStore") })
        const store = stores.of("ch")
        expect((yield* Effect.flip(store.minHeight)).message).toBe("Transient store is empty")
        yield* store.persist("tx", 5n, set("1", "a", "b"))
        yield* store.persist("tx", 5n, set("2", "b"))
        yield* store.persist("tx2", 3n, set("3", "a"))
        yield* stores.of("other").persist("tx", 1n, set("4", "a"))
        const all = yield* store.byTxId("tx")
        expect(all.map((entry) => [entry.receivedAt, entry.endorsedAt])).toEqual([
          [5n, 7n],
          [5n, 7n]
        ])
        const onlyA = yield* store.byTxId("tx", (ns, coll) => ns === "ns" && coll === "a")
        const names = onlyA.map(({ collectionConfigs, pvtRwset }) => [
          pvtRwset?.nsPvtRwset.flatMap((ns) => ns.collectionPvtRwset.map((c) => c.collectionName)),
          collectionConfigs.get("ns")?.config.map((c) => c.staticCollectionConfig?.name)
        ])
        expect(names).toContainEqual([["a"], ["a"]])
        expect(names).toContainEqual([undefined, []])
        expect(yield* store.minHeight).toBe(3n)
        yield* store.purgeByTxIds(["tx", "nothing"])
        expect(yield* store.byTxId("tx")).toEqual([])
        expect((yield* store.byTxId("tx2")).length).toBe(1)
        expect((yield* stores.of("other").byTxId("tx")).length).toBe(1)
      })
    ))

  it("drops what came in below a height", () =>
    run(
      Effect.gen(function* () {
        const stores = yield* makeTransientStores({ root: path.join(yield* tempDir, "transientStore") })
        const store = stores.of("ch")
        for (const height of [1n, 9n, 10n, 300n]) yield* store.persist(`tx${height}`, height, set("v", "a"))
        yield* store.purgeByHeight(10n)
        const left = yield* Effect.forEach([1n, 9n, 10n, 300n], (height) => store.byTxId(`tx${height}`))
        expect(left.map((entries) => entries.length)).toEqual([0, 0, 1, 1])
        expect(yield* store.minHeight).toBe(10n)
      })
    ))
})
