/**
 * A block on its way: each step adds a type that the next one asks for, so that none can be skipped. The bytes stay
 * those that came to the end.
 */
import type { PreparedBlock } from "../validation/index.js"
import type { common, rwset } from "../wire/index.js"

/** A block as received from an orderer or another peer. */
export interface ReceivedBlock {
  readonly number: bigint
  readonly bytes: Uint8Array
  readonly block: common.Block
}

/** Made by the channel's ordering service and next in line. */
export interface Verified extends ReceivedBlock {
  readonly _tag: "Verified"
  /** Its signatures are being checked already. */
  readonly prepared: PreparedBlock
  /** Holds a config transaction: nothing behind it may be verified before it is in force. */
  readonly config: boolean
}

/** With a code for each transaction; the rules of state have still to be applied. */
export interface Validated extends ReceivedBlock {
  readonly _tag: "Validated"
  readonly codes: Uint8Array
}

/** Private data that a transaction wrote and this peer does not have. */
export interface MissingPrivateData {
  readonly transaction: number
  readonly namespace: string
  readonly collection: string
  /** Whether this peer may have it: ineligible data is noted too, membership may come. */
  readonly eligible: boolean
}

/** What a block brings besides itself. */
export interface BlockPrivateData {
  /** Private write sets by index of the transaction. */
  readonly sets: ReadonlyMap<number, rwset.TxPvtReadWriteSet>
  readonly missing: ReadonlyArray<MissingPrivateData>
  /** Transactions whose transient entries have served once the block is committed. */
  readonly transactions: ReadonlyArray<string>
}

export const noPrivateData: BlockPrivateData = { sets: new Map(), missing: [], transactions: [] }

/** On disk, in state and in history. */
export interface Committed {
  readonly _tag: "Committed"
  readonly number: bigint
  /** Final codes, after the rules of state. */
  readonly codes: Uint8Array
}
