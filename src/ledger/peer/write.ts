/**
 * From a prepared block to its batch. Used by the commit of new blocks and by recovery, so that
 * both leave the same bytes.
 */

import type { Place } from "../blockstore/BlockFiles.js"
import type { ParsedBlock } from "../blockstore/index.js"
import { Batch } from "../lmdb/index.js"
import type { CommittedState } from "../mvcc/index.js"
import { type Deployments, deploymentsOf, type Membership, noDeployments } from "./deployments.js"
import type { PreparedBlock } from "./prepare.js"
import type { Storage } from "./Storage.js"

/** Which parts a block is written into. */
export interface Parts {
  /** Where the block lies; undefined: the index has it. */
  readonly place: Place | undefined
  readonly state: boolean
  readonly history: boolean
}

/** Everything of a block that goes into the database, as one batch. `state` is the state before the block. */
export const batchOf = (
  storage: Storage,
  block: ParsedBlock,
  prepared: PreparedBlock,
  state: CommittedState,
  parts: Parts,
  isMember: Membership
): { readonly batch: Batch; readonly deployments: Deployments } => {
  const batch = new Batch()
  const deployments = parts.state ? deploymentsOf(prepared.updates, state, isMember) : noDeployments
  if (parts.state) {
    for (const { chaincode, collections } of deployments.configs)
      storage.configHistory.put(batch, chaincode, block.number, collections)
    if (deployments.newlyEligible.length > 0)
      storage.pvtData.putEligibility(batch, block.number, deployments.newlyEligible)
    storage.purge.apply(batch, block.number, prepared.updates, state)
    // trails are kept up where history is kept, and carried on where it was
    const trails =
      parts.history || storage.history.savepoint() !== undefined
        ? storage.history.trails(batch, block.number, parts.history ? prepared.history : new Map())
        : undefined
    storage.state.put(batch, prepared.updates, block.number, block.envelopes.length, trails)
    trails?.rest()
  } else if (parts.history) {
    for (const [tx, sets] of prepared.history) storage.history.put(batch, block.number, tx, sets)
  }
  if (parts.history) storage.history.putSavepoint(batch, block.number)
  if (parts.place !== undefined) {
    const txIds: Array<string> = []
    for (const { txId } of prepared.txs) txIds.push(txId)
    storage.engine.index.put(batch, parts.place, block, prepared.codes, txIds)
  }
  return { batch, deployments }
}
