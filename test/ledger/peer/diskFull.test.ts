/** A disk that is really full: a small tmpfs of its own. Skipped where mounting is not permitted. */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, describe, expect, it } from "vitest"
import { makeLedgerProvider, type PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import { EMPTY, toHex } from "../../../src/wire/protoutil.js"
import { inScope, run, text } from "../support.js"
import { byHand, commitTxs, genesis, query } from "./chain.js"

const mount = (dir: string, options: string): boolean => {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", dir], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}
const disk = fs.mkdtempSync(path.join(os.tmpdir(), "fe-full-"))
const permitted = mount(disk, "size=1m")
if (permitted) execFileSync("umount", [disk])
else console.log("diskFull: no tmpfs may be mounted here, the test is left out")

afterAll(() => fs.rmSync(disk, { recursive: true, force: true }))

const smallDisk = (size: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const dir = fs.mkdtempSync(path.join(disk, "disk-"))
      expect(mount(dir, `size=${size}`)).toBe(true)
      return dir
    }),
    (dir) => Effect.sync(() => execFileSync("umount", [dir]))
  )

const make = (root: string) => Effect.flatMap(makeLedgerProvider({ root }), (provider) => provider.create(genesis()))
const open = (root: string) => Effect.flatMap(makeLedgerProvider({ root }), (provider) => provider.open("ch"))

/** A block of one transaction that writes about 20 kB. */
const commit = (ledger: PeerLedgerShape, n: number) =>
  commitTxs(ledger, [
    { txId: `t${n}`, results: byHand((b) => b.addWrite("cc", `k${n}`, Buffer.alloc(20_000, 97 + (n % 26)))) }
  ])

describe.skipIf(!permitted)("a full disk", () => {
  it("refuses the block by name, keeps and serves what is there, and goes on once there is room", () =>
    run(
      Effect.gen(function* () {
        const dir = yield* smallDisk("3m")
        const root = path.join(dir, "ledgersData")
        const first = yield* Effect.promise(() => inScope(make(root)))
        let committed = 0
        let failure: Error | undefined
        for (let n = 1; failure === undefined && n < 500; n++) {
          const outcome = yield* Effect.either(commit(first.value, n))
          if (outcome._tag === "Right") committed = n
          else failure = outcome.left
        }
        expect(committed).toBeGreaterThan(10)
        expect(failure?.message).toMatch(
          new RegExp(`^channel ch: block \\[${committed + 1}\\] cannot be written: .*(ENOSPC|no space left)`, "i")
        )
        const ledger = first.value
        expect(ledger.height()).toBe(BigInt(committed + 1))
        const valueOf = (at: PeerLedgerShape, n: number) =>
          query(at, (sim) => text((sim.getState("cc", `k${n}`) ?? EMPTY).subarray(0, 1)))
        expect(yield* valueOf(ledger, committed)).toBe(String.fromCharCode(97 + (committed % 26)))
        expect(yield* query(ledger, (sim) => sim.getState("cc", `k${committed + 1}`))).toBeUndefined()
        const last = toHex(yield* ledger.get(BigInt(committed)))
        yield* Effect.promise(first.close)

        // still full: it opens as it was, or says why not
        const again = yield* Effect.either(Effect.scoped(Effect.map(open(root), (ledger) => ledger.height())))
        if (again._tag === "Right") expect(again.right).toBe(BigInt(committed + 1))
        else expect(again.left.message).toMatch(/ENOSPC|no space left/i)

        execFileSync("mount", ["-o", "remount,size=16m", dir])
        const roomy = yield* open(root)
        expect(roomy.height()).toBe(BigInt(committed + 1))
        expect(toHex(yield* roomy.get(BigInt(committed)))).toBe(last)
        yield* commit(roomy, committed + 1)
        expect(yield* valueOf(roomy, committed + 1)).toBe(String.fromCharCode(97 + ((committed + 1) % 26)))
      })
    ))
})
