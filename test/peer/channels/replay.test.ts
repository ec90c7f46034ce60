/**
 * The recorded chain through a channel's whole commit line on a real ledger: the blocks that the orderer served go in,
 * the stored blocks carry Go's codes and commit hashes.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { assert, describe, it } from "vitest"
import { Bundle, BundleSource } from "../../../src/channelconfig/index.js"
import { PrivateDataFetcher } from "../../../src/commit/index.js"
import { LedgerProvider, layerLedgerProvider, type PeerLedgerShape } from "../../../src/ledger/index.js"
import { makeChannelCommitter } from "../../../src/peer/channels/ChannelCommitter.js"
import {
  defaultValidation,
  layerSignatureVerifier,
  SystemChaincodeNames,
  ValidationPlugins
} from "../../../src/validation/index.js"
import { common } from "../../../src/wire/index.js"
import { EMPTY, metadataSlot, toHex } from "../../../src/wire/protoutil.js"

const home = join(import.meta.dirname, "..", "..", "vectors", "chain-a")
const read = (folder: string) =>
  readdirSync(join(home, folder))
    .sort()
    .map((name) => readFileSync(join(home, folder, name)))
const served = read("orderer/blocks")
const expected = read("blocks").map((bytes) => common.Block.decode(bytes))

const system = ["lscc", "qscc", "cscc", "vscc", "escc"]
const surroundings = Layer.mergeAll(
  Layer.succeed(SystemChaincodeNames, {
    isSystem: (name) => system.includes(name),
    isSystemAndNotInvokableExternal: (name) => ["vscc", "escc"].includes(name),
    isSystemAndNotInvokableCC2CC: (name) => ["cscc", "vscc", "escc"].includes(name)
  }),
  layerSignatureVerifier,
  Layer.succeed(ValidationPlugins, { byName: new Map([["vscc", defaultValidation]]) }),
  Layer.succeed(PrivateDataFetcher, { fetch: () => Effect.succeed({ found: [], purged: [] }) })
)

const committer = (ledger: PeerLedgerShape, bundles: BundleSource) =>
  makeChannelCommitter({
    channelId: "mychannel",
    ledger,
    bundles,
    deserializerOf: () => undefined,
    self: { mspId: "NobodyMSP", signed: { data: EMPTY, identity: EMPTY, signature: EMPTY } },
    transient: {
      byTxId: () => Effect.succeed([]),
      purgeByTxIds: () => Effect.void,
      keep: () => Effect.void,
      purgeBelow: () => Effect.void
    },
    pullRetryThreshold: Duration.zero,
    skipPullingInvalid: false,
    transientRetention: 1000n,
    deployed: () => Effect.void
  })

const inFolder = <A, E>(use: (root: string) => Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(
        Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "replay-"))),
          (root) => Effect.sync(() => rmSync(root, { recursive: true }))
        ),
        use
      )
    )
  )

const withLedger = <A, E>(
  root: string,
  open: (provider: LedgerProvider["Type"]) => Effect.Effect<PeerLedgerShape, unknown, Scope.Scope>,
  use: (ledger: PeerLedgerShape, bundles: BundleSource) => Effect.Effect<A, E, Scope.Scope>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const ledger = yield* open(yield* LedgerProvider)
      const config = yield* Effect.acquireUseRelease(
        ledger.newQueryExecutor,
        (executor) => Effect.sync(() => executor.getState("", "resourcesconfigtx.CHANNEL_CONFIG_KEY") ?? EMPTY),
        (executor) => Effect.sync(() => executor.done())
      )
      const bundles = new BundleSource(Either.getOrThrow(Bundle.fromConfigBytes("mychannel", config)))
      return yield* use(ledger, bundles)
    })
  ).pipe(Effect.provide(layerLedgerProvider({ root })))

const compare = (ledger: PeerLedgerShape) =>
  Effect.gen(function* () {
    for (const [i, recorded] of expected.entries()) {
      if (i === 0) continue
      const stored = common.Block.decode(yield* ledger.get(BigInt(i)))
      for (const slot of [common.BlockMetadataIndex.TRANSACTIONS_FILTER, common.BlockMetadataIndex.COMMIT_HASH])
        assert.equal(toHex(metadataSlot(stored, slot)), toHex(metadataSlot(recorded, slot)), `block ${i}, slot ${slot}`)
    }
  })

describe("the recorded chain on a real ledger", () => {
  it("is committed with Go's codes and hashes, in one go", () =>
    inFolder((root) =>
      withLedger(
        root,
        (provider) => provider.create(readFileSync(join(home, "blocks", "000000.block"))),
        (ledger, bundles) =>
          Effect.gen(function* () {
            const line = yield* committer(ledger, bundles)
            for (const bytes of served.slice(1)) yield* line.submit(bytes)
            yield* line.reached(29n)
            yield* compare(ledger)
          }).pipe(Effect.provide(surroundings))
      )
    ))
  it("is carried on where a closed ledger stopped", () =>
    inFolder((root) =>
      Effect.gen(function* () {
        for (const [from, to] of [
          [1, 10],
          [10, 29]
        ] as const)
          yield* withLedger(
            root,
            (provider) =>
              from === 1
                ? provider.create(readFileSync(join(home, "blocks", "000000.block")))
                : provider.open("mychannel"),
            (ledger, bundles) =>
              Effect.gen(function* () {
                const line = yield* committer(ledger, bundles)
                for (const bytes of served.slice(from, to)) yield* line.submit(bytes)
                yield* line.reached(BigInt(to))
                if (to === 29) yield* compare(ledger)
              }).pipe(Effect.provide(surroundings))
          )
      })
    ))
  it("refuses a block with any bit flipped in header, data or signature, and goes on", () =>
    inFolder((root) =>
      withLedger(
        root,
        (provider) => provider.create(readFileSync(join(home, "blocks", "000000.block"))),
        (ledger, bundles) =>
          Effect.gen(function* () {
            const line = yield* committer(ledger, bundles)
            const good = served[1] ?? EMPTY
            const slots = metadataSlot(common.Block.decode(good), common.BlockMetadataIndex.SIGNATURES)
            const end = Buffer.from(good).indexOf(Buffer.from(slots)) + slots.length
            for (let at = 3; at < end; at += 97) {
              const bad = Uint8Array.from(good)
              bad[at] = (bad[at] ?? 0) ^ 0x10
              const refused = yield* Effect.either(line.submit(bad))
              assert.isTrue(Either.isLeft(refused), `byte ${at}`)
            }
            yield* line.submit(good)
            yield* line.reached(2n)
          }).pipe(Effect.provide(surroundings))
      )
    ))
})
