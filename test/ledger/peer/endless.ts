/**
 * An endless chain that is the same on every run: block n writes, deletes, collides, and every third one brings private
 * data. Used by the process that gets killed and by the one that was never killed.
 */
import * as Effect from "effect/Effect"
import { makeLedgerProvider, type PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import { byHand, commitTxs, deploy, genesis, type Planned, privateOfTxs, simulate } from "./chain.js"

/** A peer's ledgers: small files, no purge in the way. */
export const endlessLedgers = (root: string) =>
  makeLedgerProvider({
    root,
    historyEnabled: true,
    purgeInterval: 1_000_000,
    maxFileSize: 20_000,
    isMember: () => () => true
  })

export const openEndless = (root: string) =>
  Effect.gen(function* () {
    const provider = yield* endlessLedgers(root)
    return (yield* provider.exists("ch")) ? yield* provider.open("ch") : yield* provider.create(genesis())
  })

export const planned = (n: number): ReadonlyArray<Planned> =>
  Array.from({ length: 1 + (n % 5) }, (_, i) => ({
    txId: `tx${n}-${n % 7 === 0 ? 0 : i}`,
    code: (n + i) % 11 === 0 ? 10 : 0,
    withPrivate: n % 2 === 0,
    results: byHand((builder) => {
      builder.addWrite("cc", `key${(n * 31 + i) % 50}`, Buffer.from(`value ${n} ${i}`.repeat(1 + (n % 40))))
      if (n % 4 === 0) builder.addWrite("cc", `key${(n * 7) % 50}`, new Uint8Array(0))
      if (i > 0) builder.addRead("cc", `key${(n * 31) % 50}`, undefined)
      if (n % 3 === 0) builder.addPrivateWrite("cc", n % 6 === 0 ? "short" : "long", `p${n % 9}`, Buffer.from(`${n}`))
    })
  }))

/** Collections of the chaincode, by blocks to live. */
export const collections = [
  ["short", 4n],
  ["long", 0n]
] as const

/** The private data that comes with block n. */
export const privateOfBlock = (n: number) => privateOfTxs(n === 1 ? [] : planned(n))

/** The block that belongs at the ledger's height. */
export const commitNext = (ledger: PeerLedgerShape): Effect.Effect<unknown, unknown> =>
  Effect.suspend(() => {
    const n = Number(ledger.height())
    if (n === 1) {
      return Effect.flatMap(
        simulate(ledger, "deploy", (sim) => deploy(sim, "cc", collections)),
        (results) => commitTxs(ledger, [{ txId: "deploy", results }])
      )
    }
    return commitTxs(ledger, planned(n))
  })
