/**
 * What chaincode support needs from the peer above it: the peer provides these tags, tests provide small ones. And the
 * state access that a transaction brings along: the ledger's simulators have this shape.
 * Source: chaincode.md R7, R34-R36, R51-R54, R75-R78.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { IdentityDeserializer } from "../policy/index.js"
import type { ccprovider, protos, queryresult } from "../wire/index.js"
import type { SystemChaincode } from "./support/SystemChaincode.js"

// ---- State -------------------------------------------------------------------------------------------------------

/** A failure that carries the text for the caller; all failures below are such. */
export interface Failure {
  readonly message: string
}

/** Results one by one: the ledger's iterators. */
export interface ResultsIterator<A> {
  /** What has to run before so many results may be taken; absent or undefined: nothing. Rich queries have it. */
  readonly prepare?: (count: number) => Effect.Effect<void, Failure> | undefined
  /** The next result, undefined at the end. Throws an error with the cause as its message. */
  readonly next: () => A | undefined
  /** May be called twice. */
  readonly close: () => void
}

/** An iterator of a paginated query. */
export interface PageIterator extends ResultsIterator<queryresult.KV> {
  /** Where the next page begins, empty at the end; closes the iterator. */
  readonly bookmark: () => string
}

export type StateMetadata = ReadonlyMap<string, Uint8Array>

/** Reads as `ledger.QueryExecutor`: synchronous, on one snapshot. Failures are thrown; their message is the cause. */
export interface StateReader {
  readonly getState: (namespace: string, key: string) => Uint8Array | undefined
}

/** What a transaction does to one ledger: the part of `ledger.TxSimulator` that chaincode reaches. */
export interface TxSimulator extends StateReader {
  readonly setState: (namespace: string, key: string, value: Uint8Array) => void
  readonly deleteState: (namespace: string, key: string) => void
  /** An empty end key means no end. */
  readonly getStateRange: (namespace: string, startKey: string, endKey: string) => ResultsIterator<queryresult.KV>
  readonly getStateRangePage: (namespace: string, startKey: string, endKey: string, limit: number) => PageIterator
  readonly executeQuery: (namespace: string, query: string) => ResultsIterator<queryresult.KV>
  readonly executeQueryPage: (namespace: string, query: string, limit: number, bookmark: string) => PageIterator
  readonly getStateMetadata: (namespace: string, key: string) => StateMetadata | undefined
  readonly setStateMetadata: (namespace: string, key: string, metadata: StateMetadata) => void
  readonly getPrivateData: (namespace: string, collection: string, key: string) => Uint8Array | undefined
  readonly setPrivateData: (namespace: string, collection: string, key: string, value: Uint8Array) => void
  readonly deletePrivateData: (namespace: string, collection: string, key: string) => void
  readonly getPrivateDataHash: (namespace: string, collection: string, key: string) => Uint8Array | undefined
  readonly getPrivateDataRange: (
    namespace: string,
    collection: string,
    startKey: string,
    endKey: string
  ) => ResultsIterator<queryresult.KV>
  readonly executeQueryOnPrivateData: (
    namespace: string,
    collection: string,
    query: string
  ) => ResultsIterator<queryresult.KV>
  readonly getPrivateDataMetadata: (namespace: string, collection: string, key: string) => StateMetadata | undefined
  readonly setPrivateDataMetadata: (namespace: string, collection: string, key: string, metadata: StateMetadata) => void
  /** Lets go of the snapshot. May be called twice. */
  readonly done: () => void
}

export interface HistoryQueryExecutor {
  readonly getHistoryForKey: (namespace: string, key: string) => ResultsIterator<queryresult.KeyModification>
}

// ---- Tags --------------------------------------------------------------------------------------------------------

/** The system chaincodes of this peer. */
export class SystemChaincodes extends Context.Tag("chaincode/context/SystemChaincodes")<
  SystemChaincodes,
  {
    /** Their version: that of the compatible release (R76, T3). */
    readonly version: string
    /** Names that user chaincode may not have, whitelisted or not (R75, T24). */
    readonly isSystem: (name: string) => boolean
    /** Whether another chaincode may call it; asked for system names only (R78). */
    readonly isCallableByChaincode: (name: string) => boolean
    /** The registered one of this name: whitelisted, with code. */
    readonly get: (name: string) => SystemChaincode | undefined
    /** All registered ones, in order of registration. */
    readonly registered: ReadonlyArray<SystemChaincode>
  }
>() {}

/** Access checks of requests. */
export class AclProvider extends Context.Tag("chaincode/context/AclProvider")<
  AclProvider,
  {
    /** Fails, with the reference's text, unless the proposal's creator may use the resource on the channel. */
    readonly check: (
      resource: string,
      channelId: string,
      signedProposal: protos.SignedProposal
    ) => Effect.Effect<void, Failure>
  }
>() {}

/** What a channel's configuration says that matters here. */
export interface ChannelApplication {
  /** Application capability V1_3 or later. */
  readonly keyLevelEndorsement: boolean
  /** The channel's identities, for collection policies. */
  readonly deserializer: IdentityDeserializer
}

/** Looks up channels' application configuration. */
export class ApplicationConfigs extends Context.Tag("chaincode/context/ApplicationConfigs")<
  ApplicationConfigs,
  {
    /** Undefined when the channel is unknown or has no application part. */
    readonly of: (channelId: string) => ChannelApplication | undefined
  }
>() {}

/** What to launch for a chaincode: `ChaincodeContainerInfo`. */
export interface ContainerInfo {
  readonly name: string
  readonly version: string
  readonly path: string
  /** `GOLANG`, `NODE`, `JAVA`, `CAR`. */
  readonly type: string
}

/** Definitions of chaincodes on a channel, read through the transaction's simulator: the reads are part of its result. */
export class ChaincodeDefinitions extends Context.Tag("chaincode/context/ChaincodeDefinitions")<
  ChaincodeDefinitions,
  {
    readonly definition: (
      name: string,
      state: StateReader | undefined
    ) => Effect.Effect<ccprovider.ChaincodeData, Failure>
    /** What to launch, after the local package was held against the ledger's record (R62). */
    readonly containerInfo: (name: string, state: StateReader | undefined) => Effect.Effect<ContainerInfo, Failure>
  }
>() {}

/** A ledger as far as calls across channels need it. */
export interface ChannelLedger {
  readonly newTxSimulator: (txId: string) => Effect.Effect<TxSimulator, Failure>
  readonly newHistoryQueryExecutor: Effect.Effect<HistoryQueryExecutor, Failure>
}

/** Ledgers of the channels that the peer has joined. */
export class LedgerGetter extends Context.Tag("chaincode/context/LedgerGetter")<
  LedgerGetter,
  { readonly of: (channelId: string) => ChannelLedger | undefined }
>() {}
