/**
 * Stage 28: what is installed here is read once; each channel is subscribed to as it is opened, and CouchDB gets the
 * indexes of its chaincode. Who wants to hear of
 * changes (gossip, discovery) adds a listener between this stage and the opening of the channels.
 * Source: chaincode.md R99; peer/node/start.go.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PackageStore } from "../../chaincode/packages/PackageStore.js"
import * as Log from "../../runtime/Log.js"
import { stage } from "../../runtime/Stage.js"
import { ensureIndexes, indexListener } from "../ccevents/index.js"
import { PeerChannels } from "../channels/PeerChannels.js"
import { ChaincodeEvents, Lifecycle, layerLifecycle } from "../lifecycle/index.js"

const log = Log.module("nodeCmd", "serve")

const subscriptions = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { onOpen } = yield* PeerChannels
    const { newChannelSubscription } = yield* Lifecycle
    const { register } = yield* ChaincodeEvents
    yield* onOpen(({ id, ledger }) => {
      const channel = { id, query: ledger.newQueryExecutor }
      return register(channel, newChannelSubscription(channel)).pipe(
        Effect.catchAll((error) =>
          log.error(`[${id}] Failed subscribing to chaincode lifecycle updates: ${error.message}`)
        )
      )
    })
  })
)

/** The indexes of packages, where the state database has any. */
const indexes = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { onOpen } = yield* PeerChannels
    const { register } = yield* ChaincodeEvents
    const packages = yield* PackageStore
    yield* onOpen(({ id, ledger }) => {
      if (ledger.stateDatabase !== "CouchDB") return Effect.void
      const listener = Effect.as(ensureIndexes(ledger), indexListener(ledger))
      return register({ id, query: ledger.newQueryExecutor }, Effect.provideService(listener, PackageStore, packages))
    })
  })
)

export const layer = Layer.merge(subscriptions, indexes).pipe(
  Layer.provideMerge(layerLifecycle),
  stage("chaincode lifecycle", { remedy: "check the folder chaincodes below peer.fileSystemPath" })
)
