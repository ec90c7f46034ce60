/** What the endorser needs of the rest of the peer. */
import type * as Effect from "effect/Effect"
import type { ChaincodeDefinitions, HistoryQueryExecutor, TxSimulator } from "../../chaincode/context.js"
import type { PackageStoreShape } from "../../chaincode/packages/PackageStore.js"
import type { ChaincodeSupportShape } from "../../chaincode/support/ChaincodeSupport.js"
import type { Bundle } from "../../channelconfig/index.js"
import type { SimulationResults } from "../../ledger/rwset/index.js"
import type { Msp } from "../../msp/index.js"
import type { SyncLog } from "../../runtime/Log.js"
import type { Refusal } from "../../validation/index.js"
import type { transientstore } from "../../wire/index.js"
import type { AclChecker } from "../acl/AclChecker.js"
import type { Decorator } from "./decorators.js"
import type { AuthFilter } from "./filters.js"
import type { EndorserMetrics } from "./metrics.js"
import type { PluginEndorser } from "./plugins.js"

interface Failure {
  readonly message: string
}

/** The ledger's simulator: what chaincode reaches of it, and its outcome. */
export interface Simulator extends TxSimulator {
  /** The read-write sets; once. */
  readonly getTxSimulationResults: () => SimulationResults
}

/** A channel as the endorser sees it. */
export interface EndorserChannel {
  readonly bundle: () => Bundle
  readonly height: () => bigint
  /** Whether the ledger holds a transaction of that id; false when it cannot be told (trap 23). */
  readonly hasTransaction: (txId: string) => boolean
  readonly newTxSimulator: (txId: string) => Effect.Effect<Simulator, Failure>
  readonly newHistoryQueryExecutor: Effect.Effect<HistoryQueryExecutor, Failure>
}

export interface EndorserSupport {
  readonly localMsp: Msp
  readonly channel: (channelId: string) => EndorserChannel | undefined
  readonly acl: AclChecker
  readonly chaincode: Pick<ChaincodeSupportShape, "execute" | "executeLegacyInit">
  readonly definitions: Pick<ChaincodeDefinitions["Type"], "definition">
  readonly packages: Pick<PackageStoreShape, "get" | "checkInstantiationPolicy">
  /** The version of system chaincodes: part of what is endorsed (trap 2). */
  readonly systemVersion: string
  readonly filters: ReadonlyArray<AuthFilter>
  readonly decorators: ReadonlyArray<Decorator>
  readonly plugins: PluginEndorser
  /** Gives private data to the peers that must have it, then keeps it here until the transaction is committed. */
  readonly distributePrivateData: (
    channelId: string,
    txId: string,
    data: transientstore.TxPvtReadWriteSetWithConfigInfo,
    height: bigint
  ) => Effect.Effect<void, Failure>
  readonly metrics: EndorserMetrics
  /** For what is said of each call (`callChaincode`). */
  readonly log: SyncLog
  /** Told why of every proposal that is refused. Must not throw. */
  readonly refused: (refusal: Refusal) => void
}
