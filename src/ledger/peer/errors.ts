/** Errors of the peer's ledger. Texts: ledger-privatedata.md 5.1, 5.2. */
import * as Data from "effect/Data"
import type { AppendError, OpenError } from "../blockstore/index.js"
import type { FolderUnusable, FormatUnknown, GoFolder } from "../format.js"
import type { FolderLocked, LmdbCommitFailed, LmdbOpenFailed } from "../lmdb/index.js"
import type { PvtStoreMisuse } from "../pvtdata/index.js"

const text = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** A block could not be taken into the ledger for a reason of its own; the channel must stop and say which block. */
export class BlockRefused extends Data.TaggedError("BlockRefused")<{
  readonly channel: string
  readonly block: bigint
  readonly tx: number | undefined
  readonly cause: unknown
}> {
  override get message() {
    const where = this.tx === undefined ? "" : ` transaction [${this.tx}]`
    return `channel ${this.channel}: block [${this.block}]${where} cannot be committed: ${text(this.cause)}`
  }
}

/** Private data handed in with a block is not what the block's transaction says (rule 58). */
export class PvtDataHashMismatch extends Data.TaggedError("PvtDataHashMismatch")<{
  readonly namespace: string
  readonly collection: string
  readonly publicHash: Uint8Array
  readonly dataHash: Uint8Array
}> {
  override get message() {
    return `Hash of pvt data for collection [${this.namespace}:${this.collection}] does not match with the corresponding hash in the public data. public hash = [${hex(this.publicHash)}], pvt data hash = [${hex(this.dataHash)}]`
  }
}

/** State or history knows blocks that the block store does not (rule 67). */
export class StateAhead extends Data.TaggedError("StateAhead")<{
  readonly database: "state" | "history"
  readonly height: bigint
  readonly blockHeight: bigint
}> {
  override get message() {
    const { blockHeight, database, height } = this
    return `the ${database} database [height=${height}] is ahead of the block store [height=${blockHeight}]. This is possible when the ${database} database is not dropped after a ledger reset/rollback. The ${database} database can safely be dropped and will be rebuilt up to block store height upon the next peer start.`
  }
}

export class LedgerExists extends Data.TaggedError("LedgerExists")<{ readonly id: string }> {
  override get message() {
    return "LedgerID already exists"
  }
}

export class LedgerUnknown extends Data.TaggedError("LedgerUnknown")<{ readonly id: string }> {
  override get message() {
    return "LedgerID does not exist"
  }
}

/** A ledger is open already: one handle per channel and process. */
export class LedgerOpen extends Data.TaggedError("LedgerOpen")<{ readonly id: string }> {
  override get message() {
    return "ledger already opened"
  }
}

/** A genesis block that names no channel, or one whose name cannot be a folder. */
export class GenesisInvalid extends Data.TaggedError("GenesisInvalid")<{ readonly reason: string }> {
  override get message() {
    return `invalid genesis block: ${this.reason}`
  }
}

/** A ledger under construction holds more than its first block: nothing that this program does. */
export class ConstructionBroken extends Data.TaggedError("ConstructionBroken")<{
  readonly id: string
  readonly height: bigint
}> {
  override get message() {
    return `data inconsistency: under construction flag is set for ledger [${this.id}] while the height of the blockchain is [${this.height}]`
  }
}

/** Reading or writing failed where no narrower error says it. */
export class LedgerFailed extends Data.TaggedError("LedgerFailed")<{
  readonly channel: string
  readonly op: string
  readonly cause: unknown
}> {
  override get message() {
    return `channel ${this.channel}: ${this.op}: ${text(this.cause)}`
  }
}

/** Why a block was not committed. All but the first three are faults of the medium: the channel cannot go on. */
export type CommitError = BlockRefused | AppendError | PvtStoreMisuse | LmdbCommitFailed | LedgerFailed

export type LedgerOpenError = OpenError | LmdbOpenFailed | LmdbCommitFailed | StateAhead | BlockRefused | LedgerFailed

export type ProviderError = FolderLocked | LmdbOpenFailed | FormatUnknown | GoFolder | FolderUnusable | LedgerOpenError
