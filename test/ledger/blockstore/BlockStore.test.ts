/** One suite of promises for the block store, run over files and memory. */

import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import {
  type BlockStoreShape,
  lastBlockNumber,
  makeMemory,
  openFileBlockStore
} from "../../../src/ledger/blockstore/index.js"
import { computeTxId, toHex } from "../../../src/wire/protoutil.js"
import { chainOf, envelopeOf, simpleChain } from "../blocks.js"
import { run, tempDir } from "../support.js"

type Open = Effect.Effect<BlockStoreShape, unknown, Scope.Scope>

const media: ReadonlyArray<readonly [string, Open]> = [
  ["memory", Effect.sync(() => makeMemory("ch", { indexed: true }))],
  [
    "files",
    Effect.flatMap(tempDir, (dir) =>
      openFileBlockStore("ch", path.join(dir, "ch"), { index: { byHash: true, byTxId: true }, maxFileSize: 700 })
    )
  ]
]

const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : toHex(bytes))

describe.each(media)("block store in %s", (_, open) => {
  const test = (program: (store: BlockStoreShape) => Effect.Effect<void, unknown, Scope.Scope>) => () =>
    run(Effect.flatMap(open, program))

  it(
    "serves what was appended, byte for byte",
    test((store) =>
      Effect.gen(function* () {
        const blocks = simpleChain(12)
        expect(store.info()).toEqual({ height: 0n, currentBlockHash: undefined, previousBlockHash: undefined })
        for (const block of blocks) yield* store.append(block)
        expect(store.height()).toBe(12n)
        for (const [i, block] of blocks.entries()) expect(hex(yield* store.get(BigInt(i)))).toBe(toHex(block))
        expect(hex(yield* store.get(lastBlockNumber))).toBe(hex(blocks[11]))
        expect((yield* Effect.flip(store.get(12n)))._tag).toBe("NotFoundInIndex")
        expect((yield* Effect.flip(store.get(12n))).message).toBe("Entry not found in index")
      })
    )
  )

  it(
    "refuses a wrong number and a wrong previous hash and stays as it was",
    test((store) =>
      Effect.gen(function* () {
        const blocks = simpleChain(3)
        const [first, second, third] = blocks
        if (first === undefined || second === undefined || third === undefined) throw new Error("three blocks")
        expect((yield* Effect.flip(store.append(second))).message).toBe("block number should have been 0 but was 1")
        yield* store.append(first)
        expect((yield* Effect.flip(store.append(third))).message).toBe("block number should have been 1 but was 2")
        const other = chainOf([[envelopeOf({ txId: "o" })], [envelopeOf({ txId: "p" })]])[1]
        if (other === undefined) throw new Error("block")
        expect((yield* Effect.flip(store.append(other)))._tag).toBe("PreviousHashMismatch")
        expect((yield* Effect.flip(store.append(Buffer.from("zzz"))))._tag).toBe("BlockMalformed")
        expect(store.height()).toBe(1n)
        yield* store.append(second)
        expect(store.info().height).toBe(2n)
        expect(store.info().previousBlockHash).toBeDefined()
      })
    )
  )

  it(
    "finds blocks and transactions by hash and id; the first of a doubled id wins, valid or not",
    test((store) =>
      Effect.gen(function* () {
        const config = envelopeOf({ nonce: Buffer.from("nonce") })
        const blocks = chainOf(
          [
            [config],
            [envelopeOf({ txId: "a", data: Buffer.from("1") }), envelopeOf({ txId: "a", data: Buffer.from("2") })],
            [envelopeOf({ txId: "a", data: Buffer.from("3") }), Buffer.from("garbage"), envelopeOf({ txId: "b" })]
          ],
          [Uint8Array.of(0), Uint8Array.of(11, 0), Uint8Array.of(0, 22, 12)]
        )
        for (const block of blocks) yield* store.append(block)
        const first = yield* store.txById("a")
        expect([first.validationCode, first.block, first.index]).toEqual([11, 1n, 0])
        expect(hex(first.envelope)).toBe(toHex(envelopeOf({ txId: "a", data: Buffer.from("1") })))
        expect(yield* store.validationCodeByTxId("b")).toBe(12)
        expect(hex(yield* store.getByTxId("b"))).toBe(hex(blocks[2]))
        const computed = computeTxId(Buffer.from("nonce"), Buffer.from("c"))
        expect(hex((yield* store.txById(computed)).envelope)).toBe(toHex(config))
        expect((yield* store.txById("")).validationCode).toBe(22)
        expect(hex((yield* store.txByPosition(2n, 0)).envelope)).toBe(
          toHex(envelopeOf({ txId: "a", data: Buffer.from("3") }))
        )
        for (const missing of [store.txById("c"), store.getByTxId("c"), store.validationCodeByTxId("c")])
          expect((yield* Effect.flip(missing as Effect.Effect<unknown, { readonly message: string }>)).message).toBe(
            "Entry not found in index"
          )
        const current = store.info().currentBlockHash
        expect(hex(yield* store.getByHash(current ?? Buffer.from("")))).toBe(hex(blocks[2]))
        expect((yield* Effect.flip(store.getByHash(Buffer.from("none"))))._tag).toBe("NotFoundInIndex")
      })
    )
  )

  it(
    "lets iterators wait for blocks, in order, and ends them when closed",
    test((store) =>
      Effect.gen(function* () {
        const blocks = simpleChain(20)
        const iterators = [0n, 5n, 19n].map((from) => store.iterator(from))
        const readers = yield* Effect.forEach(iterators, (iterator, i) =>
          Effect.fork(
            Effect.gen(function* () {
              const seen: Array<string> = []
              for (let n = [0, 5, 19][i] ?? 0; n < 20; n++) seen.push(hex(yield* iterator.next) ?? "end")
              return seen
            })
          )
        )
        for (const block of blocks) {
          yield* store.append(block)
          yield* Effect.yieldNow()
        }
        const seen = yield* Fiber.join(Fiber.all(readers))
        expect(seen[0]).toEqual(blocks.map(toHex))
        expect(seen[1]).toEqual(blocks.slice(5).map(toHex))
        expect(seen[2]).toEqual(blocks.slice(19).map(toHex))
        const waiting = store.iterator(50n)
        const fiber = yield* Effect.fork(waiting.next)
        yield* Effect.yieldNow()
        yield* waiting.close
        expect(yield* Fiber.join(fiber)).toBeUndefined()
        expect(yield* waiting.next).toBeUndefined()
        const cut = yield* Effect.fork(store.iterator(50n).next)
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(cut)
      })
    )
  )
})

describe("500 waiting readers", () => {
  it("cost no polling and far less than 100 KiB each, and all get the block", () =>
    run(
      Effect.gen(function* () {
        const store = makeMemory("ch")
        const blocks = simpleChain(1)
        const before = process.memoryUsage().heapUsed
        const fibers = yield* Effect.forEach(
          Array.from({ length: 500 }, () => store.iterator(0n)),
          (iterator) => Effect.fork(iterator.next)
        )
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        const cpu = process.cpuUsage()
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 200)))
        const { user } = process.cpuUsage(cpu)
        expect(user).toBeLessThan(100_000)
        expect((process.memoryUsage().heapUsed - before) / 500).toBeLessThan(20 * 1024)
        yield* store.append(blocks[0] ?? Buffer.from(""))
        const got = yield* Fiber.join(Fiber.all(fibers))
        expect(new Set(got.map(hex))).toEqual(new Set([hex(blocks[0])]))
      })
    ))
})
