/** Crashes and damage: what open does with block files that are not what the index says. */

import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { BlockStoreProvider, layerFile, layerRam, openFileBlockStore } from "../../../src/ledger/blockstore/index.js"
import { toHex } from "../../../src/wire/protoutil.js"
import { simpleChain } from "../blocks.js"
import { inScope, run, tempDir } from "../support.js"

const chain = simpleChain(12)
const open = (folder: string) => openFileBlockStore("ch", folder, { maxFileSize: 1000 })

/** A folder with the whole chain, closed. */
const written = (folder: string, count = chain.length) =>
  Effect.promise(async () => {
    const store = await inScope(open(folder))
    for (const block of chain.slice(0, count)) await Effect.runPromise(store.value.append(block))
    await store.close()
  })

const filesOf = (folder: string) =>
  fs
    .readdirSync(folder)
    .filter((name) => name.startsWith("blocks_"))
    .sort()
    .map((name) => path.join(folder, name))

const expectChain = (folder: string, count: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const store = yield* open(folder)
      expect(store.height()).toBe(BigInt(count))
      for (let i = 0; i < count; i++)
        expect(toHex(yield* store.get(BigInt(i)))).toBe(toHex(chain[i] ?? Buffer.from("")))
      // and it goes on
      const next = chain[count]
      if (next !== undefined) yield* store.append(next)
    })
  )

describe("recovery at open", () => {
  it("rebuilds a removed index from the files", () =>
    run(
      Effect.gen(function* () {
        const folder = path.join(yield* tempDir, "ch")
        yield* written(folder)
        fs.rmSync(path.join(folder, "index"), { recursive: true })
        yield* expectChain(folder, chain.length)
      })
    ))

  it("keeps whole blocks only when files are cut at random points and the index is gone", async () => {
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean(), (share, zeros) =>
        run(
          Effect.gen(function* () {
            const folder = path.join(yield* tempDir, "ch")
            yield* written(folder, 9)
            fs.rmSync(path.join(folder, "index"), { recursive: true })
            const last = filesOf(folder).at(-1) ?? ""
            const size = fs.statSync(last).size
            const cut = Math.floor(size * share)
            const before = fs.readFileSync(last)
            fs.truncateSync(last, cut)
            if (zeros) fs.truncateSync(last, size + 4096)
            const after = fs.readFileSync(last)
            let whole = 0
            let at = 0
            for (const file of filesOf(folder).slice(0, -1)) {
              const bytes = fs.readFileSync(file)
              for (let p = 0; p < bytes.length; p += 12 + bytes.readUInt32BE(p)) whole += 1
            }
            for (let n = whole; n < 9; n++) {
              at += 12 + (chain[n]?.length ?? 0)
              // zeros may happen to be what was cut
              if (before.subarray(0, at).equals(after.subarray(0, at))) whole += 1
              else break
            }
            yield* expectChain(folder, whole)
            yield* expectChain(folder, Math.min(whole + 1, chain.length))
          })
        )
      ),
      { numRuns: 25 }
    )
  })

  it("takes a header that the power cut, with zeros behind it, for torn", () =>
    run(
      Effect.gen(function* () {
        for (const kept of [1, 3, 4, 7, 11]) {
          const folder = path.join(yield* tempDir, "ch")
          yield* written(folder, 3)
          const [file = ""] = filesOf(folder)
          const size = fs.statSync(file).size
          yield* Effect.promise(async () => {
            const store = await inScope(open(folder))
            await Effect.runPromise(store.value.append(chain[3] ?? Buffer.from("")))
            await store.close()
          })
          const last = filesOf(folder).at(-1) ?? ""
          const start = last === file ? size : 0
          const full = fs.statSync(last).size
          fs.rmSync(path.join(folder, "index"), { recursive: true })
          fs.truncateSync(last, start + kept)
          fs.truncateSync(last, full)
          yield* expectChain(folder, 3)
        }
      })
    ))

  it("takes in a block that was written but not indexed", () =>
    run(
      Effect.gen(function* () {
        const folder = path.join(yield* tempDir, "ch")
        yield* written(folder, 5)
        const index = path.join(yield* tempDir, "index")
        fs.cpSync(path.join(folder, "index"), index, { recursive: true })
        yield* written2(folder)
        fs.rmSync(path.join(folder, "index"), { recursive: true })
        fs.cpSync(index, path.join(folder, "index"), { recursive: true })
        yield* expectChain(folder, 7)
      })
    ))

  it("cuts the last of several records that are not indexed, whatever is left of it, and refuses one before it", () =>
    run(
      Effect.gen(function* () {
        // in one file: no record of another file tells that more must follow
        const large = (folder: string) => openFileBlockStore("ch", folder)
        const write = (folder: string, blocks: ReadonlyArray<Uint8Array>) =>
          Effect.promise(async () => {
            const store = await inScope(large(folder))
            for (const block of blocks) await Effect.runPromise(store.value.append(block))
            await store.close()
          })
        const base = yield* tempDir
        const whole = path.join(base, "whole")
        yield* write(whole, chain.slice(0, 4))
        fs.cpSync(path.join(whole, "index"), path.join(base, "index"), { recursive: true })
        yield* write(whole, chain.slice(4, 9))
        const bytes = fs.readFileSync(filesOf(whole)[0] ?? "")
        const starts: Array<number> = []
        for (let p = 0; p < bytes.length; p += 12 + bytes.readUInt32BE(p)) starts.push(p)
        expect(starts.length).toBe(9)
        /** The folder as it was before the blocks 4 to 8 were indexed, with one of them spoilt. */
        const opened = (name: string, block: number, spoil: (record: Buffer) => void) =>
          Effect.gen(function* () {
            const folder = path.join(base, name)
            fs.cpSync(path.join(base, "index"), path.join(folder, "index"), { recursive: true })
            const spoilt = Buffer.from(bytes)
            spoil(spoilt.subarray(starts[block], starts[block + 1] ?? spoilt.length))
            fs.writeFileSync(path.join(folder, "blocks_000000"), spoilt)
            return yield* Effect.either(Effect.scoped(Effect.map(large(folder), (store) => store.height())))
          })
        const ways: ReadonlyArray<readonly [string, (record: Buffer) => void]> = [
          ["header of zeros", (record) => record.fill(0, 0, 12)],
          ["length", (record) => record.writeUInt32BE(0x7000_0000, 0)],
          ["body", (record) => record.fill(0xa5, 40, 60)],
          ["zeros at its end", (record) => record.fill(0, 30)]
        ]
        for (const [name, spoil] of ways) {
          const last = yield* opened(`last-${name}`, 8, spoil)
          expect(last._tag === "Right" ? last.right : last.left, name).toBe(8n)
          for (const block of [4, 7]) {
            const outcome = yield* opened(`${block}-${name}`, block, spoil)
            if (outcome._tag === "Right") throw new Error(`${name} of block ${block}: opened at ${outcome.right}`)
            expect(outcome.left.message).toContain(`block [${block}]`)
          }
        }
        const sound = yield* opened("sound", 8, () => {})
        expect(sound._tag === "Right" ? sound.right : sound.left).toBe(9n)
      })
    ))

  it("names channel, block and remedy for a flipped byte, and serves nothing of it", () =>
    run(
      Effect.gen(function* () {
        const folder = path.join(yield* tempDir, "ch")
        yield* written(folder)
        const file = filesOf(folder)[0] ?? ""
        const bytes = fs.readFileSync(file)
        const at = 12 + Math.floor(bytes.readUInt32BE(0) / 2)
        bytes[at] = (bytes[at] ?? 0) ^ 1
        fs.writeFileSync(file, bytes)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* open(folder)
            const error = yield* Effect.flip(store.get(0n))
            expect(error._tag).toBe("BlockFilesDamaged")
            expect(error.message).toMatch(/channel ch: block \[0\] in .*blocks_000000 is damaged .*check sum.*restore/)
            expect(toHex(yield* store.get(1n))).toBe(toHex(chain[1] ?? Buffer.from("")))
          })
        )
        fs.rmSync(path.join(folder, "index"), { recursive: true })
        const error = yield* Effect.flip(Effect.scoped(open(folder)))
        expect(error.message).toMatch(/block \[0\]/)
      })
    ))

  it("refuses files that end before what the index knows", () =>
    run(
      Effect.gen(function* () {
        const folder = path.join(yield* tempDir, "ch")
        yield* written(folder)
        fs.truncateSync(filesOf(folder).at(-1) ?? "", 10)
        const error = yield* Effect.flip(Effect.scoped(open(folder)))
        expect(error._tag).toBe("BlockFilesDamaged")
      })
    ))
})

const written2 = (folder: string) =>
  Effect.promise(async () => {
    const store = await inScope(open(folder))
    for (const block of chain.slice(5, 7)) await Effect.runPromise(store.value.append(block))
    await store.close()
  })

describe("providers", () => {
  it("keeps channels apart, lists them in byte order and locks the root", () =>
    run(
      Effect.gen(function* () {
        const root = yield* tempDir
        const use = Effect.gen(function* () {
          const provider = yield* BlockStoreProvider
          for (const channel of ["b", "a"]) {
            const store = yield* provider.getOrCreate(channel)
            expect(yield* provider.getOrCreate(channel)).toBe(store)
            for (const block of chain.slice(0, channel === "a" ? 2 : 3)) yield* store.append(block)
            expect((yield* Effect.flip(store.getByTxId("tx1"))).message).toBe("attribute not indexed")
          }
          expect((yield* Effect.flip(provider.getOrCreate("../x")))._tag).toBe("StoreFailed")
          expect((yield* Effect.flip(Effect.provide(Effect.void, layerFile({ root }))))._tag).toBe("FolderLocked")
        })
        yield* Effect.provide(use, layerFile({ root }))
        const again = Effect.gen(function* () {
          const provider = yield* BlockStoreProvider
          expect(yield* provider.list).toEqual(["a", "b"])
          expect((yield* provider.getOrCreate("a")).height()).toBe(2n)
          expect((yield* provider.getOrCreate("b")).height()).toBe(3n)
        })
        yield* Effect.provide(again, layerFile({ root }))
      })
    ))

  it("refuses newer layouts and folders of Go nodes", () =>
    run(
      Effect.gen(function* () {
        const root = yield* tempDir
        fs.writeFileSync(path.join(root, "FORMAT"), "fabric-effect blocks 2\n")
        expect((yield* Effect.flip(Effect.provide(Effect.void, layerFile({ root }))))._tag).toBe("FormatUnknown")
        fs.rmSync(path.join(root, "FORMAT"))
        fs.mkdirSync(path.join(root, "index"))
        fs.writeFileSync(path.join(root, "index", "CURRENT"), "MANIFEST-000000\n")
        const error = yield* Effect.flip(Effect.provide(Effect.void, layerFile({ root })))
        expect(error.message).toContain("ledger import --from")
      })
    ))

  it("ram: forgets all but the last blocks", () =>
    run(
      Effect.gen(function* () {
        const provider = yield* BlockStoreProvider
        const store = yield* provider.getOrCreate("ch")
        for (const block of chain) yield* store.append(block)
        expect(store.height()).toBe(12n)
        expect((yield* Effect.flip(store.get(8n)))._tag).toBe("NotFoundInIndex")
        expect(toHex(yield* store.get(9n))).toBe(toHex(chain[9] ?? Buffer.from("")))
      }).pipe(Effect.provide(layerRam({ historySize: 3 })))
    ))
})
