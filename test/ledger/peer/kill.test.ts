/**
 * kill -9 while signed blocks commit: nothing visible is lost, `ledger verify` finds nothing wrong as the folder lies and
 * after a restart, and everything is as on a peer that was never killed.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { run as command, programHome } from "../../network/program.js"
import { run as ledgerTool } from "../../tools/ledger/support.js"
import { runAndKill } from "../killing.js"
import { inScope, run, tempDir } from "../support.js"
import { channelId, commitSigned, openSigned, writeChain } from "./signed.js"
import { everything, tables } from "./tables.js"

const kills = process.env.FABRIC_EFFECT_LONG === "1" ? 50 : 3
/** More than a process shows before it is killed. */
const blocks = kills * 60 + 40
const child = path.join(import.meta.dirname, "killed.child.ts")

/** What `ledger verify` found, and the heights that it names. */
const verdict = (code: number | string, text: string) => {
  expect(text).toContain("nothing wrong (hash chain, data hashes, signatures; flags, commit hashes")
  expect(code).toBe(0)
  return {
    blocks: Number(/mychannel: (\d+) blocks/.exec(text)?.[1]),
    behind: Number(/state is (\d+) block/.exec(text)?.[1] ?? 0),
    whole: text.includes("state and history against a replay")
  }
}

/** What the command runs, in this process, on a peer's folder. */
const verify = (dir: string) =>
  Effect.map(
    Effect.promise(() => ledgerTool(["verify", "--ledger", dir])),
    ({ code, err, out }) => verdict(code, `${err}${out}`)
  )

const home = programHome()
/** The command itself. */
const verifyByCommand = (dir: string) =>
  Effect.map(
    Effect.promise(() => command(path.join(home(), "network.mjs"), ["ledger", "verify", "--ledger", dir], dir)),
    ({ code, stderr, stdout }) => verdict(code, `${stderr}${stdout}`)
  )

describe("a peer that is killed again and again", () => {
  it(
    `${kills} times: height never falls, ledger verify passes, all tables are those of a peer never killed`,
    () =>
      run(
        Effect.gen(function* () {
          const base = yield* tempDir
          const chain = path.join(base, "chain")
          yield* writeChain(chain, blocks)
          // peer.fileSystemPath, which `ledger` is given, and the ledgers in it
          const [killed, copied, whole] = ["killed", "copied", "whole"].map((name) => path.join(base, name))
          if (killed === undefined || copied === undefined || whole === undefined) return
          const rootOf = (dir: string) => path.join(dir, "ledgersData")
          const copy = Effect.sync(() => {
            fs.rmSync(copied, { recursive: true, force: true })
            fs.cpSync(killed, copied, { recursive: true, filter: (name) => path.basename(name) !== "LOCK" })
          })
          let shown = 0
          let behind = 0
          for (let i = 0; i < kills; i++) {
            const { first, last } = yield* Effect.promise(() =>
              runAndKill(child, [rootOf(killed), chain], 4 + ((i * 7) % 20))
            )
            expect(first).toBeGreaterThanOrEqual(shown)
            shown = last
            // on copies, so that the killed one is brought up by its own next start alone
            yield* copy
            const asItLies = yield* verify(copied)
            expect(asItLies.blocks).toBeGreaterThanOrEqual(shown)
            expect(asItLies.whole).toBe(asItLies.behind === 0)
            if (asItLies.behind > 0) behind += 1
            yield* copy
            const restarted = yield* Effect.promise(() => inScope(openSigned(rootOf(copied), chain)))
            expect(Number(restarted.value.height())).toBeGreaterThanOrEqual(shown)
            yield* Effect.promise(restarted.close)
            expect(yield* verify(copied)).toMatchObject({ behind: 0, whole: true })
          }
          const survivor = yield* Effect.promise(() => inScope(openSigned(rootOf(killed), chain)))
          expect(Number(survivor.value.height())).toBeGreaterThanOrEqual(shown)
          // private data of a block that was not written yet may be there already: with the block both are level
          yield* commitSigned(survivor.value, chain)
          const height = survivor.value.height()
          expect(shown).toBeGreaterThan(kills * 2)
          // the database was behind the blocks after some kills: the restart had something to do
          expect(behind).toBeGreaterThan(0)
          yield* Effect.promise(survivor.close)
          expect(yield* verifyByCommand(killed)).toEqual({ blocks: Number(height), behind: 0, whole: true })
          const other = yield* Effect.promise(() => inScope(openSigned(rootOf(whole), chain)))
          while (other.value.height() < height) yield* commitSigned(other.value, chain)
          yield* Effect.promise(other.close)
          const [found, expected] = [
            yield* everything(rootOf(killed), channelId),
            yield* everything(rootOf(whole), channelId)
          ]
          for (const name of tables) expect(found.get(name), `table ${name}`).toEqual(expected.get(name))
        })
      ),
    kills * 120_000
  )
})
