/** One channel's ledger on a peer: blocks, state, history, private data. Implementation: `openLedger.ts`. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { rwset } from "../../wire/index.js"
import type { BlockReader } from "../blockstore/index.js"
import type { CollectionConfigInfo, ConfigNotYetAvailable } from "../confighistory/index.js"
import type { HistoryQueryExecutor } from "../history/index.js"
import type {
  CollectionFilter,
  MissingInBlock,
  MissingPvtData,
  PvtStoreOutOfRange,
  TxPvtData
} from "../pvtdata/index.js"
import type { QueryExecutor, TxSimulator } from "../simulator/index.js"
import type { StateDatabase } from "../statedb/index.js"
import type {
  CommitError,
  ConstructionBroken,
  GenesisInvalid,
  LedgerExists,
  LedgerFailed,
  LedgerOpen,
  LedgerOpenError,
  LedgerUnknown,
  ProviderError
} from "./errors.js"
import type { CommittedTx } from "./prepare.js"

export interface CommitInput {
  /** The block as received: `common.Block` bytes. Flags and commit hash in it are overwritten (trap 12). */
  readonly block: Uint8Array
  /** What validation decided, one `TxValidationCode` a transaction; MVCC can only turn VALID ones invalid. */
  readonly codes: Uint8Array
  /** Private write sets by transaction; of valid ones they go into state, all of them are stored. */
  readonly pvtData?: TxPvtData
  /** Private data that the block refers to and this peer lacks. */
  readonly missing?: ReadonlyArray<MissingPvtData>
}

/** A block that is on disk, in state, and visible. */
export interface Committed {
  readonly number: bigint
  /** The stored block with its final metadata. */
  readonly block: Uint8Array
  readonly codes: Uint8Array
  readonly txs: ReadonlyArray<CommittedTx>
  readonly commitHash: Uint8Array | undefined
  /** Chaincodes whose definition or collections the block wrote. */
  readonly updatedChaincodes: ReadonlyArray<string>
}

/** Private data of an old block that does not fit the hash in the block; it was not stored. */
export interface PvtDataMismatch {
  readonly block: bigint
  readonly tx: number
  readonly namespace: string
  readonly collection: string
  readonly expectedHash: Uint8Array
}

/**
 * The reading side is BlockReader: a block is readable only when its state is (rule 10). Simulators and executors hold a
 * snapshot: end them with `done()`.
 */
export interface PeerLedgerShape extends BlockReader {
  /** Takes in the next block. One at a time; not interruptible. A failure leaves no trace of the block. */
  readonly commit: (input: CommitInput) => Effect.Effect<Committed, CommitError>
  readonly newTxSimulator: (txId: string) => Effect.Effect<TxSimulator, LedgerFailed>
  readonly newQueryExecutor: Effect.Effect<QueryExecutor, LedgerFailed>
  /** Fails with `history database not enabled` when it is off. */
  readonly newHistoryQueryExecutor: Effect.Effect<HistoryQueryExecutor, LedgerFailed>
  /** Whether a transaction id is in the chain. Plain; throws when it cannot be told. */
  readonly hasTransaction: (txId: string) => boolean

  // ---- Private data ------------------------------------------------------------------------------------------------

  /** Whether the private store covers a block already: commit then uses its own data (rules 61, 71, 80). */
  readonly isPvtDataCovered: (block: bigint) => boolean
  /** Private data of a block by transaction; expired data is hidden. */
  readonly pvtDataByNumber: (
    block: bigint,
    filter?: CollectionFilter
  ) => Effect.Effect<ReadonlyMap<number, rwset.TxPvtReadWriteSet>, PvtStoreOutOfRange | LedgerFailed>
  /** Eligible missing data of the newest blocks that miss any; nothing while the private store is ahead (rule 71). */
  readonly missingPvtData: (maxBlocks: number) => Effect.Effect<ReadonlyArray<MissingInBlock>, LedgerFailed>
  /** Stores data that was missing (rule 94); gives what did not fit its hash. */
  readonly commitPvtDataOfOldBlocks: (
    blocks: ReadonlyMap<bigint, TxPvtData>
  ) => Effect.Effect<ReadonlyArray<PvtDataMismatch>, CommitError>

  // ---- Indexes of rich queries -------------------------------------------------------------------------------------

  /** Whose rules state follows (`ledger.state.stateDatabase`). */
  readonly stateDatabase: StateDatabase
  /**
   * Makes an index in the state database, as a package's META-INF defines it; nothing where the database has none.
   * @param collection of private data; undefined: of the chaincode's public state
   */
  readonly createIndex: (
    chaincode: string,
    collection: string | undefined,
    definition: Readonly<Record<string, unknown>>
  ) => Effect.Effect<void, LedgerFailed>

  // ---- Collection configurations of the past -----------------------------------------------------------------------

  readonly mostRecentCollectionConfigBelow: (
    block: bigint,
    chaincode: string
  ) => Effect.Effect<CollectionConfigInfo | undefined, LedgerFailed>
  readonly collectionConfigAt: (
    block: bigint,
    chaincode: string
  ) => Effect.Effect<CollectionConfigInfo | undefined, ConfigNotYetAvailable | LedgerFailed>
}

export class PeerLedger extends Context.Tag("ledger/PeerLedger")<PeerLedger, PeerLedgerShape>() {}

/** The ledgers of a peer. A ledger is open as long as the scope it was opened in. */
export interface LedgerProviderShape {
  /** Ids in byte order. */
  readonly list: Effect.Effect<ReadonlyArray<string>, LedgerFailed>
  readonly exists: (id: string) => Effect.Effect<boolean, LedgerFailed>
  /** Makes a ledger from its genesis block (sheet rules 14 and 68); all of its transactions count as valid. */
  readonly create: (
    genesisBlock: Uint8Array
  ) => Effect.Effect<
    PeerLedgerShape,
    LedgerExists | LedgerOpen | GenesisInvalid | LedgerOpenError | CommitError,
    Scope.Scope
  >
  readonly open: (
    id: string
  ) => Effect.Effect<PeerLedgerShape, LedgerUnknown | LedgerOpen | LedgerOpenError, Scope.Scope>
}

export class LedgerProvider extends Context.Tag("ledger/LedgerProvider")<LedgerProvider, LedgerProviderShape>() {}

/** Why the provider could not start. */
export type LedgerProviderError = ProviderError | ConstructionBroken | LedgerOpen
