/**
 * A block on its way: each step adds a type that the next one asks for, so that none can be skipped. The bytes stay
 * those that came to the end.
 */
import type { MissingPvtData, TxPvtData } from "../ledger/index.js"
import type { common } from "../wire/index.js"

/** A block as received from an orderer or another peer. */
export interface ReceivedBlock {
  readonly number: bigint
  readonly bytes: Uint8Array
  readonly block: common.Block
}

/** Made by the channel's ordering service and next in line. */
export interface Verified<P> extends ReceivedBlock {
  readonly _tag: "Verified"
  /** What the validator made of it: its signatures are being checked already. */
  readonly prepared: P
  /** Holds a config transaction: nothing behind it may be verified before it is in force. */
  readonly config: boolean
}

/** With a code for each transaction; the rules of state have still to be applied. */
export interface Validated extends ReceivedBlock {
  readonly _tag: "Validated"
  readonly codes: Uint8Array
}

/** What a block brings besides itself. */
export interface BlockPrivateData {
  /** Private write sets by index of the transaction. */
  readonly sets: TxPvtData
  /** What is not here; ineligible data is noted too: membership may come. */
  readonly missing: ReadonlyArray<MissingPvtData>
  /** Transactions whose transient entries have served once the block is committed. */
  readonly transactions: ReadonlyArray<string>
}

export const noPrivateData: BlockPrivateData = { sets: new Map(), missing: [], transactions: [] }
