/** The recorded chain through the ledger: same flags, same commit hashes, same stored bytes as Go's peer. */

import * as path from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { makeLedgerProvider, type PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import { common } from "../../../src/wire/index.js"
import { toHex } from "../../../src/wire/protoutil.js"
import { inScope, run, tempDir } from "../support.js"
import { chainA, decidedBefore, filterOf } from "../vectors.js"

const fed = chainA("orderer")
const stored = chainA("peer")

const feed = (ledger: PeerLedgerShape, from: number, to: number) =>
  Effect.gen(function* () {
    for (let n = from; n < to; n++) {
      const expected = stored[n] ?? new Uint8Array(0)
      const committed = yield* ledger.commit({
        block: fed[n] ?? new Uint8Array(0),
        codes: decidedBefore(filterOf(expected))
      })
      expect(toHex(committed.codes), `flags of block ${n}`).toBe(toHex(filterOf(expected)))
      expect(toHex(committed.block), `block ${n}`).toBe(toHex(expected))
    }
  })

const create = (root: string) =>
  Effect.gen(function* () {
    const provider = yield* makeLedgerProvider({ root, historyEnabled: true })
    const ledger = yield* provider.create(fed[0] ?? new Uint8Array(0))
    return { provider, ledger }
  })

describe("the recorded chain", () => {
  it("gives Go's flags, commit hashes and block bytes", () =>
    run(
      Effect.gen(function* () {
        const { ledger } = yield* create(path.join(yield* tempDir, "ledgersData"))
        expect(toHex(yield* ledger.get(0n))).toBe(toHex(stored[0] ?? new Uint8Array(0)))
        yield* feed(ledger, 1, stored.length)
        expect(ledger.height()).toBe(BigInt(stored.length))
        const executor = yield* ledger.newQueryExecutor
        const config = executor.getState("", "resourcesconfigtx.CHANNEL_CONFIG_KEY")
        expect(common.Config.decode(config ?? new Uint8Array(0)).sequence).toBeGreaterThan(0n)
        executor.done()
      })
    ))

  it("goes on after restarts as if there had been none", () =>
    run(
      Effect.gen(function* () {
        const root = path.join(yield* tempDir, "ledgersData")
        const first = yield* Effect.promise(() => inScope(create(root)))
        yield* feed(first.value.ledger, 1, 10)
        yield* Effect.promise(first.close)
        for (const [from, to] of [
          [10, 11],
          [11, 20],
          [20, stored.length]
        ] as const) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const provider = yield* makeLedgerProvider({ root, historyEnabled: true })
              expect(yield* provider.list).toEqual(["mychannel"])
              yield* feed(yield* provider.open("mychannel"), from, to)
            })
          )
        }
      })
    ))
})
