/** Errors of block stores. Texts: sheet ledger-privatedata.md 5.1. */
import * as Data from "effect/Data"

const text = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Nothing under this number, hash or transaction id. Txvalidator relies on telling it from other failures. */
export class NotFoundInIndex extends Data.TaggedError("NotFoundInIndex")<{ readonly what: string }> {
  override get message() {
    return "Entry not found in index"
  }
}

/** The store does not keep the index that was asked (the orderer's knows numbers only). */
export class AttributeNotIndexed extends Data.TaggedError("AttributeNotIndexed")<{ readonly attribute: string }> {
  override get message() {
    return "attribute not indexed"
  }
}

/** The block is not the next one. */
export class BlockNumberMismatch extends Data.TaggedError("BlockNumberMismatch")<{
  readonly expected: bigint
  readonly actual: bigint
}> {
  override get message() {
    return `block number should have been ${this.expected} but was ${this.actual}`
  }
}

/** The block does not chain to the last one. */
export class PreviousHashMismatch extends Data.TaggedError("PreviousHashMismatch")<{
  readonly expected: Uint8Array
  readonly actual: Uint8Array
}> {
  override get message() {
    return `unexpected Previous block hash. Expected PreviousHash = [${hex(this.expected)}], PreviousHash referred in the latest block= [${hex(this.actual)}]`
  }
}

/** The bytes are no block. */
export class BlockMalformed extends Data.TaggedError("BlockMalformed")<{ readonly reason: string }> {
  override get message() {
    return `malformed block: ${this.reason}`
  }
}

/** Stored bytes are not what was written. Nothing of them is served. */
export class BlockFilesDamaged extends Data.TaggedError("BlockFilesDamaged")<{
  readonly channel: string
  readonly file: string
  /** The first block that cannot be vouched for. */
  readonly block: bigint
  readonly reason: string
}> {
  override get message() {
    return `channel ${this.channel}: block [${this.block}] in ${this.file} is damaged (${this.reason}); restore the file from a copy, or cut the damage off (node network.mjs ledger rebuild --cut) and let the node fetch the blocks again`
  }
}

/** The medium failed: the caller cannot mend it, the channel must stop. */
export class StoreFailed extends Data.TaggedError("StoreFailed")<{
  readonly channel: string
  readonly op: "open" | "read" | "write"
  readonly cause: unknown
}> {
  override get message() {
    return `channel ${this.channel}: block store: ${this.op} failed: ${text(this.cause)}`
  }
}

export type AppendError = BlockNumberMismatch | PreviousHashMismatch | BlockMalformed | StoreFailed
export type ReadError = NotFoundInIndex | AttributeNotIndexed | BlockFilesDamaged | StoreFailed
export type OpenError = BlockFilesDamaged | StoreFailed
