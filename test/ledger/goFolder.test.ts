/** A node of ours on a Go node's folder: refused with the way out, and nothing there is touched. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { describe, expect, it } from "vitest"
import {
  isGoFolder,
  kindOfFolder,
  layerFile,
  layerTransientStores,
  makeLedgerProvider
} from "../../src/ledger/index.js"
import { run, tempDir } from "./support.js"

const write = (dir: string, ...names: ReadonlyArray<string>): void => {
  for (const name of names) {
    const file = path.join(dir, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, name)
  }
}
const listing = (dir: string) => fs.readdirSync(dir, { recursive: true }).map(String).sort()

const refused = <E extends { readonly message: string }>(start: Effect.Effect<unknown, E>) =>
  Effect.map(Effect.either(start), (outcome) => (Either.isLeft(outcome) ? outcome.left.message : "started"))

describe("a Go node's folder", () => {
  const cases = [
    {
      name: "a peer's ledgers",
      folder: "ledgersData",
      files: [
        "ledgerProvider/CURRENT",
        "ledgerProvider/LOCK",
        "chains/index/CURRENT",
        "chains/chains/ch/blockfile_000000"
      ],
      start: (root: string) => Effect.scoped(makeLedgerProvider({ root }))
    },
    {
      name: "a peer's transient store, which has a LOCK of its own",
      folder: "transientStore",
      files: ["CURRENT", "LOCK", "MANIFEST-000000"],
      start: (root: string) => Effect.scoped(Layer.build(layerTransientStores({ root })))
    },
    {
      name: "an orderer's",
      folder: "orderer",
      files: ["index/CURRENT", "index/LOCK", "chains/sys/blockfile_000000"],
      start: (root: string) => Effect.scoped(Layer.build(layerFile({ root })))
    }
  ]
  for (const { files, folder, name, start } of cases)
    it(`${name} is refused and left alone`, () =>
      run(
        Effect.gen(function* () {
          const base = yield* tempDir
          const root = path.join(base, folder)
          write(root, ...files)
          const before = listing(root)
          expect(isGoFolder(root)).toBe(true)
          expect(kindOfFolder(root)).toBe(undefined)
          const from = folder === "orderer" ? root : base
          expect(yield* refused(start(root))).toContain(`node network.mjs ledger import --from ${from} --to`)
          expect(listing(root)).toEqual(before)
        })
      ))

  it("is not what this program's own folder is taken for", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        yield* Effect.scoped(makeLedgerProvider({ root }))
        expect(isGoFolder(root)).toBe(false)
        expect(kindOfFolder(root)).toBe("ledgers")
        fs.writeFileSync(path.join(root, "FORMAT"), "fabric-effect ledgers 99\n")
        expect(() => kindOfFolder(root)).toThrow("fabric-effect ledgers 99")
      })
    ))

  it("whose lock is a file is not taken over", () =>
    run(
      Effect.gen(function* () {
        const root = yield* tempDir
        write(root, "LOCK")
        expect(yield* refused(Effect.scoped(makeLedgerProvider({ root })))).toContain("another program's lock file")
        expect(fs.readFileSync(path.join(root, "LOCK"), "utf8")).toBe("LOCK")
      })
    ))
})
