/** Stage 24: the endorser, with the peer as it is by now. Its service is added when everything else is up. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as context from "../../chaincode/context.js"
import { PackageStore } from "../../chaincode/packages/PackageStore.js"
import { ChaincodeSupport } from "../../chaincode/support/ChaincodeSupport.js"
import { LocalMsp } from "../../msp/index.js"
import * as Log from "../../runtime/Log.js"
import { Metrics } from "../../runtime/Metrics.js"
import { stage } from "../../runtime/Stage.js"
import { type Refusal, refusalFields } from "../../validation/index.js"
import { Acl } from "../acl/Acl.js"
import { ChannelTable, type PeerChannel } from "../channels/ChannelTable.js"
import { historyOf } from "../channels/history.js"
import { distributeAndStore } from "../endorser/distribution.js"
import { Endorser, makeEndorser } from "../endorser/Endorser.js"
import { declareEndorserMetrics } from "../endorser/metrics.js"
import { PluginEndorser } from "../endorser/plugins.js"
import type { EndorserChannel } from "../endorser/support.js"
import { Handlers } from "../handlers/Library.js"
import { PeerConfig } from "../PeerConfig.js"
import { Refusals } from "../refusals/index.js"
import { LedgerRebuild } from "./LedgerRebuild.js"

const callLog = Log.module("endorser", "callChaincode")
const refusedLog = Log.module("endorser", "refused")

const channelOf = ({ bundles, ledger }: PeerChannel, history: boolean): EndorserChannel => ({
  bundle: () => bundles.current(),
  height: ledger.height,
  hasTransaction: (txId) => {
    try {
      return ledger.hasTransaction(txId)
    } catch {
      return false // an index that cannot be read says nothing about duplicates (trap 23)
    }
  },
  newTxSimulator: ledger.newTxSimulator,
  newHistoryQueryExecutor: historyOf(ledger, history)
})

/** Keeps refusals for `explain` and tells of them in the log, with everything that is known. */
const tellRefusals = Effect.gen(function* () {
  const refusals = yield* Refusals
  const log = yield* refusedLog.sync
  return (refusal: Refusal): void => {
    refusals.add(refusal)
    const { channel, check, reason, txId } = refusal
    // what chaincode refuses is its own business, and logged as the reference does
    const say = check === "simulation" ? log.info : log.warning
    say(`[${channel}] proposal [${txId}] is refused: ${reason}`, refusalFields(refusal))
  }
})

const endorser = Layer.effect(
  Endorser,
  Effect.gen(function* () {
    const { enableHistoryDatabase } = (yield* PeerConfig).ledger.history
    const { msp } = yield* LocalMsp
    const { get } = yield* ChannelTable
    const handlers = yield* Handlers
    const rebuild = yield* LedgerRebuild
    const { version } = yield* context.SystemChaincodes
    const seen = new Map<string, { readonly channel: PeerChannel; readonly view: EndorserChannel }>()
    return makeEndorser({
      localMsp: msp,
      channel: (channelId) => {
        const channel = get(channelId)
        if (channel === undefined) return undefined
        const known = seen.get(channelId)
        if (known?.channel === channel) return known.view
        const view = channelOf(channel, enableHistoryDatabase)
        seen.set(channelId, { channel, view })
        return view
      },
      acl: yield* Acl,
      chaincode: yield* ChaincodeSupport,
      definitions: yield* context.ChaincodeDefinitions,
      packages: yield* PackageStore,
      systemVersion: version,
      filters: [...handlers.authFilters, ...rebuild.filters],
      decorators: handlers.decorators,
      plugins: new PluginEndorser(handlers.endorsers),
      distributePrivateData: yield* distributeAndStore,
      metrics: declareEndorserMetrics(yield* Metrics),
      log: yield* callLog.sync,
      refused: yield* tellRefusals
    })
  })
)

export const layer = endorser.pipe(stage("endorser", { remedy: "nothing here can fail; report this" }))
