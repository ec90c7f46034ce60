/** A channel's whole commit line on a real ledger in a folder of its own, for chains that were recorded from Go. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
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
import { EMPTY } from "../../../src/wire/protoutil.js"

const system = ["lscc", "qscc", "cscc", "vscc", "escc"]
/** What a commit line needs of its peer. */
export const surroundings = Layer.mergeAll(
  Layer.succeed(SystemChaincodeNames, {
    isSystem: (name) => system.includes(name),
    isSystemAndNotInvokableExternal: (name) => ["vscc", "escc"].includes(name),
    isSystemAndNotInvokableCC2CC: (name) => ["cscc", "vscc", "escc"].includes(name)
  }),
  layerSignatureVerifier,
  Layer.succeed(ValidationPlugins, { byName: new Map([["vscc", defaultValidation]]) }),
  Layer.succeed(PrivateDataFetcher, { fetch: () => Effect.succeed({ found: [], purged: [] }) })
)

/** The commit line of a peer that is a member of no collection. */
export const committer = (ledger: PeerLedgerShape, bundles: BundleSource) =>
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

export const inFolder = <A, E>(use: (root: string) => Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
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

/** A ledger, opened or made, with the configuration that it holds. */
export const withLedger = <A, E>(
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
