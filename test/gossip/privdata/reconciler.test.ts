import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { describe, expect } from "vitest"
import {
  type MissingSet,
  type ReconcilerLedger,
  reconcile,
  startReconciler
} from "../../../src/gossip/privdata/index.js"
import type { PvtDataMismatch } from "../../../src/ledger/index.js"
import { common } from "../../../src/wire/index.js"
import { utf8 } from "../../../src/wire/protoutil.js"
import { collectionOf } from "./support.js"

const config = common.CollectionConfigPackage.create({
  config: [{ staticCollectionConfig: collectionOf("c", ["Org1MSP"]) }]
})

/** A ledger that misses one set of each block; `fits` says which sets it takes. */
const ledgerOf = (blocks: ReadonlyArray<bigint>, fits: (block: bigint) => boolean) => {
  const missing = new Set(blocks)
  const committed: Array<bigint> = []
  const ledger: ReconcilerLedger = {
    missingPvtData: (most) =>
      Effect.sync(() =>
        [...missing].slice(0, most).map((block) => ({ block, namespace: "cc", collection: "c", txs: [3] }))
      ),
    mostRecentCollectionConfigBelow: (block) =>
      Effect.succeed(block === 7n ? undefined : { config, committingBlock: 1n }),
    commitPvtDataOfOldBlocks: (data) =>
      Effect.sync(() => {
        const mismatches: Array<PvtDataMismatch> = []
        for (const block of data.keys())
          if (fits(block)) {
            missing.delete(block)
            committed.push(block)
          } else mismatches.push({ block, tx: 3, namespace: "cc", collection: "c", expectedHash: utf8("") })
        return mismatches
      })
  }
  return { ledger, committed, missing }
}
const everything = (sets: ReadonlyArray<MissingSet>) =>
  Effect.succeed(sets.map((missing) => ({ missing, payloads: [utf8("set")] })))

const run = (ledger: ReconcilerLedger, ask: typeof everything) =>
  reconcile({
    channelId: "ch",
    ledger,
    puller: { reconcile: ask },
    metrics: () => {},
    batchSize: 2,
    sleepIntervalMs: 1
  })

describe("a cycle of reconciliation", () => {
  it.effect("goes on, batch by batch, until nothing is missing", () =>
    Effect.gen(function* () {
      const { committed, ledger } = ledgerOf([9n, 8n, 6n, 5n, 4n], () => true)
      expect(yield* run(ledger, everything)).toBe(5)
      expect(committed).toEqual([9n, 8n, 6n, 5n, 4n])
    })
  )
  it.effect("ends when nobody has anything", () =>
    Effect.gen(function* () {
      const { ledger, missing } = ledgerOf([9n, 8n], () => true)
      let asked = 0
      const ask = () =>
        Effect.sync(() => {
          asked += 1
          return []
        })
      expect(yield* run(ledger, ask)).toBe(0)
      expect(asked).toBe(1)
      expect(missing.size).toBe(2)
    })
  )
  it.effect("ends when what comes does not fit", () =>
    Effect.gen(function* () {
      const { committed, ledger } = ledgerOf([9n, 8n], () => false)
      expect(yield* run(ledger, everything)).toBe(2)
      expect(committed).toEqual([])
    })
  )
  it.effect("does not ask for a set whose collection is not known", () =>
    Effect.gen(function* () {
      const { ledger } = ledgerOf([9n, 7n], () => true)
      const asked: Array<bigint> = []
      yield* run(ledger, (sets) => {
        asked.push(...sets.map(({ block }) => block))
        return everything(sets)
      })
      expect(asked).toEqual([9n])
    })
  )
})

describe("the reconciler", () => {
  it.scoped("waits its interval before each cycle, the first too (acceptance 17), and goes on after a failure", () =>
    Effect.gen(function* () {
      let cycles = 0
      const ledger: ReconcilerLedger = {
        missingPvtData: () =>
          Effect.suspend(() => {
            cycles += 1
            return cycles === 2 ? Effect.dieMessage("broken") : Effect.succeed([])
          }),
        mostRecentCollectionConfigBelow: () => Effect.succeed(undefined),
        commitPvtDataOfOldBlocks: () => Effect.succeed([])
      }
      const puller = { reconcile: everything }
      yield* startReconciler({
        channelId: "ch",
        ledger,
        puller,
        metrics: () => {},
        batchSize: 2,
        sleepIntervalMs: 60_000
      })
      yield* TestClock.adjust("59 seconds")
      expect(cycles).toBe(0)
      yield* TestClock.adjust("1 second")
      expect(cycles).toBe(1)
      yield* TestClock.adjust("2 minutes")
      expect(cycles).toBe(3)
    })
  )
})
