/**
 * What a block's private data is gathered from, and what is noted as missing (gossip-discovery.md 3.10.5, acceptance 16, 18
 * and 19), on a real ledger's state; other peers are a function of the test.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { describe, expect } from "vitest"
import { Bundle, BundleSource } from "../../src/channelconfig/index.js"
import {
  type CoordinatorSupport,
  type FetchOutcome,
  makePrivateDataCoordinator,
  PrivateDataFetcher,
  type Validated,
  type WantedSet
} from "../../src/commit/index.js"
import { makeLedgerProvider } from "../../src/ledger/peer/index.js"
import { ccprovider, common, protos, type rwset } from "../../src/wire/index.js"
import { EMPTY } from "../../src/wire/protoutil.js"
import { commitOne, endorserTx, genesis, nextBlock, simulate } from "../ledger/peer/chain.js"
import { tempDir, utf8 } from "../ledger/support.js"

const { MVCC_READ_CONFLICT, VALID } = protos.TxValidationCode
const home = join(import.meta.dirname, "..", "vectors", "chain-a", "blocks")
const bundles = new BundleSource(
  Either.getOrThrow(Bundle.fromBlock(common.Block.decode(readFileSync(join(home, "000000.block")))))
)

const collection = (name: string, org: string) => ({
  staticCollectionConfig: {
    name,
    memberOrgsPolicy: {
      signaturePolicy: {
        identities: [
          {
            principalClassification: common.MSPPrincipal_Classification.ROLE,
            principal: common.MSPRole.encode({ mspIdentifier: org, role: common.MSPRole_MSPRoleType.MEMBER })
          }
        ]
      }
    }
  }
})

/** A validated block whose transactions write to private collections, each with its private set, and the ledger below it. */
const made = (txs: ReadonlyArray<{ readonly collections: ReadonlyArray<string>; readonly code?: number }>) =>
  Effect.gen(function* () {
    const dir = yield* tempDir
    const provider = yield* makeLedgerProvider({ root: join(dir, "ledgersData") })
    const ledger = yield* provider.create(genesis())
    yield* commitOne(ledger, "deploy", (simulator) => {
      simulator.setState("lscc", "cc", ccprovider.ChaincodeData.encode({ name: "cc", version: "1" }))
      simulator.setState(
        "lscc",
        "cc~collection",
        common.CollectionConfigPackage.encode({
          config: [collection("one", "Org1MSP"), collection("two", "Org1MSP"), collection("theirs", "Org2MSP")]
        })
      )
    })
    const results = yield* Effect.forEach(txs, ({ collections }, i) =>
      simulate(ledger, `tx${i}`, (simulator) => {
        for (const name of collections) simulator.setPrivateData("cc", name, "k", utf8(`${name} of ${i}`))
      })
    )
    const bytes = nextBlock(
      ledger,
      results.map(({ public: set }, i) => endorserTx(`tx${i}`, set))
    )
    const block: Validated = {
      _tag: "Validated",
      number: ledger.height(),
      bytes,
      block: common.Block.decode(bytes),
      codes: Uint8Array.from(txs.map(({ code }) => code ?? VALID))
    }
    const sets = results.map((one) => one.private)
    return { ledger, block, sets }
  })
type Made = Effect.Effect.Success<ReturnType<typeof made>>

const bytesOf = (set: rwset.TxPvtReadWriteSet | undefined, name: string): Uint8Array =>
  set?.nsPvtRwset[0]?.collectionPvtRwset.find(({ collectionName }) => collectionName === name)?.rwset ?? EMPTY

/** Runs the step; `asked` is told of each question to other peers, and when it came. */
const gather = (
  { block, ledger }: Made,
  how: Partial<CoordinatorSupport> & {
    readonly answer?: (wanted: ReadonlyArray<WantedSet>, attempt: number) => Partial<FetchOutcome>
  }
) =>
  Effect.gen(function* () {
    const asked: Array<{ readonly at: number; readonly sets: ReadonlyArray<string> }> = []
    const first = yield* Deferred.make<void>()
    const coordinator = yield* makePrivateDataCoordinator({
      channelId: "ch",
      bundles,
      self: { mspId: "Org1MSP", signed: { data: EMPTY, identity: EMPTY, signature: EMPTY } },
      executor: Effect.acquireRelease(ledger.newQueryExecutor, (executor) => Effect.sync(() => executor.done())),
      transient: () => Effect.succeed([]),
      stored: () => Effect.succeed(undefined),
      pullRetryThreshold: Duration.zero,
      skipPullingInvalid: false,
      ...how
    }).pipe(
      Effect.provideService(PrivateDataFetcher, {
        fetch: (_channel, _block, wanted) =>
          Effect.gen(function* () {
            const at = yield* Clock.currentTimeMillis
            asked.push({ at, sets: wanted.map((w) => `${w.transaction} ${w.collection}`) })
            yield* Deferred.succeed(first, undefined)
            return { found: [], purged: [], ...how.answer?.(wanted, asked.length) }
          })
      })
    )
    const fiber = yield* Effect.fork(coordinator(block))
    yield* Effect.raceFirst(Deferred.await(first), Effect.exit(Fiber.join(fiber)))
    // time goes on in small steps, so that what sleeps a second wakes at its second
    while ((yield* Fiber.poll(fiber))._tag === "None") {
      yield* TestClock.adjust("100 millis")
      yield* Effect.promise(() => new Promise<void>((resume) => void setImmediate(resume)))
    }
    const { missing, sets } = yield* Fiber.join(fiber)
    return {
      asked,
      missing: missing.map((one) => `${one.tx} ${one.collection} ${one.isEligible}`),
      has: (tx: number, name: string) => Buffer.from(bytesOf(sets.get(tx), name)).toString()
    }
  })

describe("a block's private data", () => {
  it.scoped("is not asked for where the threshold is none: noted as missing at once (acceptance 19)", () =>
    Effect.gen(function* () {
      const of = yield* made([{ collections: ["one", "theirs"] }])
      const { asked, missing } = yield* gather(of, {})
      expect(asked).toEqual([])
      expect(missing.sort()).toEqual(["0 one true", "0 theirs false"])
    })
  )

  it.scoped("comes from the transient store where the hash is the block's", () =>
    Effect.gen(function* () {
      const of = yield* made([{ collections: ["one"] }, { collections: ["two"] }])
      const { asked, has, missing } = yield* gather(of, {
        // the second transaction's entry is another's
        transient: () => Effect.succeed(of.sets[0] === undefined ? [] : [of.sets[0]])
      })
      expect(asked).toEqual([])
      expect(has(0, "one")).toContain("one of 0")
      expect(missing).toEqual(["1 two true"])
    })
  )

  it.scoped("is asked for every second until the threshold, the rest of it only; then it is noted as missing", () =>
    Effect.gen(function* () {
      const of = yield* made([{ collections: ["one", "two", "theirs"] }])
      const { asked, has, missing } = yield* gather(of, {
        pullRetryThreshold: Duration.millis(2500),
        answer: (wanted, attempt) => ({
          found: wanted.map((one) => ({
            wanted: one,
            payloads: [
              utf8("not what the block says"),
              ...(attempt === 2 && one.collection === "one" ? [bytesOf(of.sets[0], "one")] : [])
            ]
          }))
        })
      })
      const [start] = asked
      expect(asked.map(({ at, sets }) => [at - (start?.at ?? 0), [...sets].sort()])).toEqual([
        [0, ["0 one", "0 two"]],
        [1000, ["0 one", "0 two"]],
        [2000, ["0 two"]]
      ])
      expect(has(0, "one")).toContain("one of 0")
      expect(missing.sort()).toEqual(["0 theirs false", "0 two true"])
    })
  )

  it.scoped("that has ended everywhere is neither asked for again nor missing (acceptance 18)", () =>
    Effect.gen(function* () {
      const of = yield* made([{ collections: ["one"] }])
      const { asked, missing } = yield* gather(of, {
        pullRetryThreshold: Duration.minutes(1),
        answer: (wanted) => ({ purged: wanted })
      })
      expect(asked.length).toBe(1)
      expect(missing).toEqual([])
    })
  )

  it.scoped("holds no block up where no other peer is there to be asked", () =>
    Effect.gen(function* () {
      const of = yield* made([{ collections: ["one"] }])
      const { asked, missing } = yield* gather(of, {
        pullRetryThreshold: Duration.minutes(1),
        answer: () => ({ alone: true })
      })
      expect(asked.length).toBe(1)
      expect(missing).toEqual(["0 one true"])
    })
  )

  it.scoped("of an invalid transaction is left to the reconciler where the setting says so", () =>
    Effect.gen(function* () {
      const of = yield* made([{ collections: ["one"], code: MVCC_READ_CONFLICT }, { collections: ["two"] }])
      const answer = (wanted: ReadonlyArray<WantedSet>) => ({
        found: wanted.map((one) => ({ wanted: one, payloads: [bytesOf(of.sets[one.transaction], one.collection)] }))
      })
      const pullRetryThreshold = Duration.minutes(1)
      const left = yield* gather(of, { pullRetryThreshold, skipPullingInvalid: true, answer })
      expect(left.asked.map(({ sets }) => sets)).toEqual([["1 two"]])
      expect(left.missing).toEqual(["0 one true"])
      const all = yield* gather(of, { pullRetryThreshold, answer })
      expect(all.asked.map(({ sets }) => sets)).toEqual([["0 one", "1 two"]])
      expect(all.missing).toEqual([])
    })
  )

  it.scoped("is the ledger's where the ledger knows it already", () =>
    Effect.gen(function* () {
      const of = yield* made([{ collections: ["one"] }])
      const [set] = of.sets
      if (set === undefined) return yield* Effect.dieMessage("no private set")
      const { asked, has, missing } = yield* gather(of, {
        pullRetryThreshold: Duration.minutes(1),
        stored: () => Effect.succeed(new Map([[0, set]]))
      })
      expect(asked).toEqual([])
      expect(missing).toEqual([])
      expect(has(0, "one")).toContain("one of 0")
    })
  )
})
