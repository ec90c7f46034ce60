/**
 * A chain once more from its first block, into stores of its own: what flags, commit hashes and state must be. The
 * folder is scratch space: nothing in it survives a crash, and no blocks are written to it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { utf8 } from "../../wire/protoutil.js"
import { indexTables, type ParsedBlock, type StoreFailed } from "../blockstore/index.js"
import type { LmdbOpenFailed } from "../lmdb/index.js"
import { commitHash } from "../mvcc/index.js"
import { BlockPreparation, type CommittedTx } from "../peer/prepare.js"
import { defaultProcessors } from "../peer/processors.js"
import { openStorage, type Storage } from "../peer/Storage.js"
import { batchOf } from "../peer/write.js"
import type { TxPvtData } from "../pvtdata/index.js"
import { QueryExecutor, TxSimulator } from "../simulator/index.js"
import type { StateDatabase } from "../statedb/index.js"

const noData: TxPvtData = new Map()

/** What the rules of state make of a block. */
export interface Replayed {
  readonly codes: Uint8Array
  /** Undefined for block 0. */
  readonly commitHash: Uint8Array
  /** Each transaction, with the read that it was refused for. */
  readonly txs: ReadonlyArray<CommittedTx>
}

export class Replay {
  private lastHash: Uint8Array = new Uint8Array(0)

  constructor(
    private readonly channelId: string,
    readonly storage: Storage
  ) {}

  /**
   * Takes the next block. `codes`: what validation decided, before MVCC. Plain and synchronous.
   * @throws BlockRefused, LmdbCommitFailed
   */
  apply(block: ParsedBlock, codes: Uint8Array): Replayed {
    const { storage } = this
    const state = storage.state.snapshot()
    try {
      const preparation = new BlockPreparation({
        channel: this.channelId,
        block,
        codes,
        pvtData: noData,
        state,
        validate: true,
        processors: defaultProcessors,
        newSimulator: (txId) => TxSimulator.make(storage.state.snapshot(), txId),
        keyValueFault: (key, value) => state.keyValueFault(key, value)
      })
      preparation.step(() => true)
      const prepared = preparation.finish()
      // before the batch is made: that adds purges, which the hash does not cover
      const hash = block.number === 0n ? new Uint8Array(0) : commitHash(prepared.codes, prepared.updates, this.lastHash)
      const parts = { place: undefined, state: true, history: true }
      const { batch } = batchOf(storage, block, prepared, state, parts, () => false)
      const known = storage.environment.table(indexTables.txIds)
      for (const { txId } of prepared.txs) batch.put(known, utf8(txId), new Uint8Array(0))
      storage.environment.commit(batch)
      this.lastHash = hash
      return { codes: prepared.codes, commitHash: hash, txs: prepared.txs }
    } finally {
      state.release()
    }
  }

  /** Whether a transaction id stood in a block so far, valid or not. */
  hasTransaction(txId: string): boolean {
    const { environment } = this.storage
    return environment.get(environment.table(indexTables.txIds), utf8(txId)) !== undefined
  }

  /** State as of the last block; end it with `done`. */
  query(): QueryExecutor {
    return new QueryExecutor(this.storage.state.snapshot(), undefined)
  }
}

/** A replay in an empty folder, for the scope. `database`: whose rules the state to compare with follows. */
export const openReplay = (
  channelId: string,
  folder: string,
  database: StateDatabase = "goleveldb"
): Effect.Effect<Replay, StoreFailed | LmdbOpenFailed, Scope.Scope> =>
  Effect.map(openStorage({ channelId, folder, sync: "never" }), (storage) => {
    storage.state.use(database)
    return new Replay(channelId, storage)
  })
