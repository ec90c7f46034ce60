/**
 * Stage 10: the ledgers' folder, locked for this process, and the transient store.
 * Source: peer-endorse-validate.md 1.2; ledger-privatedata.md section 1.
 */
import { join } from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { isEligible } from "../../commit/index.js"
import type { CoreConfig } from "../../config/index.js"
import {
  CouchInstance,
  type LedgerProviderOptions,
  layerLedgerProvider,
  loadEmbeddedQueries
} from "../../ledger/index.js"
import { layerTransientStores } from "../../ledger/transient/index.js"
import { LocalMsp } from "../../msp/index.js"
import { Operations } from "../../operations/index.js"
import * as Metrics from "../../runtime/Metrics.js"
import { stage } from "../../runtime/Stage.js"
import { common } from "../../wire/index.js"
import { ChannelTable } from "../channels/ChannelTable.js"
import { selfSigned } from "../channels/openChannel.js"
import { PeerConfig } from "../PeerConfig.js"
import { type StartRefused, within } from "./failures.js"

/** Whether this peer belongs to a collection, by the channel's configuration in force. */
const membership = Effect.gen(function* () {
  const { bundleOf } = yield* ChannelTable
  const localMsp = yield* LocalMsp
  const self = { mspId: localMsp.msp.mspId, signed: selfSigned(localMsp) }
  return (channelId: string) => (memberOrgsPolicy: common.CollectionPolicyConfig) => {
    // while a channel is being opened nobody asks but recovery, which asks again of nothing
    const bundle = bundleOf(channelId)
    return (
      bundle !== undefined &&
      isEligible(common.StaticCollectionConfig.create({ memberOrgsPolicy }), self, bundle.mspManager)
    )
  }
})

/** CouchDB by its exact name, as in the reference; anything else is the built-in database. */
const stateDatabase = (
  state: CoreConfig["ledger"]["state"],
  metrics: Metrics.MetricsShape
): Effect.Effect<Pick<LedgerProviderOptions, "couchDB" | "richQueries">, StartRefused, Operations | Scope.Scope> =>
  Effect.gen(function* () {
    if (state.stateDatabase === "CouchDB") {
      const { couchDBConfig } = state
      const couchDB = yield* CouchInstance.make(
        { ...couchDBConfig, requestTimeout: Duration.toMillis(couchDBConfig.requestTimeout) },
        metrics
      )
      yield* (yield* Operations).registerChecker("couchdb", couchDB.health)
      return { couchDB }
    }
    return state.embeddedRichQueries ? { richQueries: yield* loadEmbeddedQueries } : {}
  }).pipe(Effect.mapError(within("Error in instantiating state database: ")))

export const layer = Layer.unwrapScoped(
  Effect.gen(function* () {
    const { ledger, peer } = yield* PeerConfig
    const metrics = yield* Metrics.Metrics
    const isMember = yield* membership
    const { pvtdataStore } = ledger
    const database = yield* stateDatabase(ledger.state, metrics)
    const ledgers = layerLedgerProvider({
      ...database,
      root: join(peer.fileSystemPath, "ledgersData"),
      historyEnabled: ledger.history.enableHistoryDatabase,
      purgeInterval: pvtdataStore.purgeInterval,
      eligibilityBatchSize: pvtdataStore.collElgProcMaxDbBatchSize,
      eligibilityPause: pvtdataStore.collElgProcDbBatchesInterval,
      mappedMemoryLimit: ledger.state.mappedMemoryLimit * 2 ** 20,
      metrics,
      isMember
    })
    const transient = layerTransientStores({ root: join(peer.fileSystemPath, "transientStore") })
    return Layer.merge(ledgers, transient).pipe(Layer.mapError(within("Error in instantiating ledger provider: ")))
  })
).pipe(
  stage("ledgers", {
    remedy:
      "check peer.fileSystemPath: the folder must be writable, made by this program, and used by no other peer; with CouchDB check ledger.state.couchDBConfig, and that the server runs",
    exitCode: 2
  })
)
