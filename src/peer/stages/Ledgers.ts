/**
 * Stage 10: the ledgers' folder, locked for this process, and the transient store.
 * Source: peer-endorse-validate.md 1.2; ledger-privatedata.md section 1.
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { isEligible } from "../../commit/index.js"
import { layerLedgerProvider } from "../../ledger/index.js"
import { layerTransientStores } from "../../ledger/transient/index.js"
import { LocalMsp } from "../../msp/index.js"
import * as Metrics from "../../runtime/Metrics.js"
import { stage } from "../../runtime/Stage.js"
import { common } from "../../wire/index.js"
import { ChannelTable } from "../channels/ChannelTable.js"
import { selfSigned } from "../channels/openChannel.js"
import { PeerConfig } from "../PeerConfig.js"
import { within } from "./failures.js"

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

export const layer = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { ledger, peer } = yield* PeerConfig
    const metrics = yield* Metrics.Metrics
    const isMember = yield* membership
    const { pvtdataStore } = ledger
    const ledgers = layerLedgerProvider({
      root: join(peer.fileSystemPath, "ledgersData"),
      historyEnabled: ledger.history.enableHistoryDatabase,
      purgeInterval: pvtdataStore.purgeInterval,
      eligibilityBatchSize: pvtdataStore.collElgProcMaxDbBatchSize,
      eligibilityPause: pvtdataStore.collElgProcDbBatchesInterval,
      metrics,
      isMember
    })
    const transient = layerTransientStores({ root: join(peer.fileSystemPath, "transientStore") })
    return Layer.merge(ledgers, transient).pipe(Layer.mapError(within("Error in instantiating ledger provider: ")))
  })
).pipe(
  stage("ledgers", {
    remedy: "check peer.fileSystemPath: the folder must be writable, made by this program, and used by no other peer",
    exitCode: 2
  })
)
