/**
 * Where each public key was written: one position per write of a valid endorser transaction. The youngest positions of
 * a key stand in its state record (`statedb/trail.ts`), the others are entries of a table. The values come from the
 * blocks. Keys are length-prefixed, so that no key's history runs into another's (the reference's does, and then skips
 * what does not fit).
 * Source: ledger-privatedata.md rule 97; history/historydb/historyleveldb.
 */
import { common, queryresult, WireError } from "../../wire/index.js"
import { chaincodeActionOf } from "../../wire/protoutil.js"
import type { StoredTransaction } from "../blockstore/index.js"
import { after, type Batch, type Environment, type Snapshot, type Table } from "../lmdb/index.js"
import { isDelete, type NamespaceSet, readWriteSet } from "../rwset/index.js"
import { decodeTrail, encodeTrail, mergePositions, type Position, type Trails, trailLength } from "../statedb/index.js"

export const historyTables = { history: "history", meta: "historymeta" } as const

const savepointKey = Buffer.from("savepoint")
const nothing = new Uint8Array(0)

/** `length || namespace || length || key`, with room for `extra` bytes behind. */
const prefixOf = (namespace: string, key: string, extra = 0): Buffer => {
  const namespaceLength = Buffer.byteLength(namespace)
  const keyLength = Buffer.byteLength(key)
  const bytes = Buffer.allocUnsafe(8 + namespaceLength + keyLength + extra)
  bytes.writeUInt32BE(namespaceLength, 0)
  bytes.write(namespace, 4)
  bytes.writeUInt32BE(keyLength, 4 + namespaceLength)
  bytes.write(key, 8 + namespaceLength)
  return bytes
}

/** Changes of a key, oldest first. */
export interface HistoryIterator {
  readonly next: () => queryresult.KeyModification | undefined
  readonly close: () => void
}

export interface HistoryQueryExecutor {
  /** Throws when blocks cannot be read. Close the iterator unless it was run out. */
  readonly getHistoryForKey: (namespace: string, key: string) => HistoryIterator
}

export class HistoryDb {
  private readonly table: Table
  private readonly meta: Table

  constructor(
    private readonly environment: Environment,
    private readonly transaction: (block: bigint, index: number) => StoredTransaction,
    /** The positions that a key's state record has. */
    private readonly youngest: (snapshot: Snapshot, namespace: string, key: string) => ReadonlyArray<Position>
  ) {
    this.table = environment.table(historyTables.history)
    this.meta = environment.table(historyTables.meta)
  }

  savepoint(): bigint | undefined {
    const bytes = this.environment.get(this.meta, savepointKey)
    return bytes === undefined ? undefined : Buffer.from(bytes).readBigUInt64BE()
  }

  /** Adds the writes of one valid endorser transaction of a block whose state is there already: to the table. */
  put(batch: Batch, block: bigint, index: number, sets: ReadonlyArray<NamespaceSet>): void {
    for (const { namespace, public: set } of sets)
      for (const { key } of set.writes) this.enter(batch, namespace, key, { block, tx: index })
  }

  /**
   * The writes of a block for the trails of its state; `rest` adds those of keys that the state did not ask for.
   * @param sets of valid endorser transactions by index; none where no history is kept now, earlier trails stay then
   */
  trails(
    batch: Batch,
    block: bigint,
    sets: ReadonlyMap<number, ReadonlyArray<NamespaceSet>>
  ): Trails & { readonly rest: () => void } {
    return new BlockTrails(this, batch, block, sets)
  }

  /** Adds one position of a key to the table. */
  enter(batch: Batch, namespace: string, key: string, { block, tx }: Position): void {
    const entry = prefixOf(namespace, key, 12)
    entry.writeBigUInt64BE(block, entry.length - 12)
    entry.writeUInt32BE(tx, entry.length - 4)
    batch.put(this.table, entry, nothing)
  }

  putSavepoint(batch: Batch, block: bigint): void {
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeBigUInt64BE(block)
    batch.put(this.meta, savepointKey, bytes)
  }

  clear(batch: Batch): void {
    batch.clear(this.table)
    batch.clear(this.meta)
  }

  /** History has a snapshot of its own, taken with each query (rule 97). */
  queryExecutor(): HistoryQueryExecutor {
    return { getHistoryForKey: (namespace, key) => this.history(namespace, key) }
  }

  /** Where a key was written, oldest first. */
  *positions(namespace: string, key: string): Generator<Position, void> {
    const snapshot = this.environment.snapshot()
    try {
      yield* mergePositions(this.entries(snapshot, namespace, key), this.youngest(snapshot, namespace, key))
    } finally {
      snapshot.close()
    }
  }

  private *entries(snapshot: Snapshot, namespace: string, key: string): Generator<Position, void> {
    const prefix = prefixOf(namespace, key)
    const cursor = snapshot.range(this.table, prefix, after(prefix))
    for (let entry = cursor.next(); entry !== undefined; entry = cursor.next()) {
      const position = Buffer.from(entry.key).subarray(prefix.length)
      yield { block: position.readBigUInt64BE(0), tx: position.readUInt32BE(8) }
    }
  }

  private history(namespace: string, key: string): HistoryIterator {
    const snapshot = this.environment.snapshot()
    const positions = mergePositions(this.entries(snapshot, namespace, key), this.youngest(snapshot, namespace, key))
    const close = () => {
      positions.return()
      snapshot.close()
    }
    return {
      next: () => {
        for (;;) {
          const step = positions.next()
          if (step.done === true) {
            close()
            return undefined
          }
          const { envelope } = this.transaction(step.value.block, step.value.tx)
          const change = keyModificationOf(envelope, namespace, key)
          if (change !== undefined) return change
        }
      },
      close
    }
  }
}

/** The positions that one block adds to its keys. */
class BlockTrails implements Trails {
  private readonly written = new Map<string, Map<string, Array<Position>>>()

  constructor(
    private readonly table: HistoryDb,
    private readonly batch: Batch,
    block: bigint,
    sets: ReadonlyMap<number, ReadonlyArray<NamespaceSet>>
  ) {
    for (const [tx, ofTx] of sets)
      for (const { namespace, public: set } of ofTx) {
        if (set.writes.length === 0) continue
        const keys = this.written.get(namespace) ?? new Map<string, Array<Position>>()
        this.written.set(namespace, keys)
        for (const { key } of set.writes) {
          const positions = keys.get(key)
          if (positions === undefined) keys.set(key, [{ block, tx }])
          else if (positions[positions.length - 1]?.tx !== tx) positions.push({ block, tx })
        }
      }
  }

  next(namespace: string, key: string, trail: Uint8Array | undefined, stays: boolean): Uint8Array | undefined {
    const added = this.take(namespace, key)
    if (stays && added.length === 0) return trail
    const positions = trail === undefined ? added : [...decodeTrail(trail), ...added]
    if (stays && positions.length <= trailLength) return encodeTrail(positions)
    this.enterAll(namespace, key, positions)
    return undefined
  }

  rest(): void {
    for (const [namespace, keys] of this.written)
      for (const [key, positions] of keys) this.enterAll(namespace, key, positions)
  }

  private take(namespace: string, key: string): ReadonlyArray<Position> {
    const keys = this.written.get(namespace)
    const positions = keys?.get(key)
    if (positions === undefined) return []
    keys?.delete(key)
    return positions
  }

  private enterAll(namespace: string, key: string, positions: ReadonlyArray<Position>): void {
    for (const position of positions) this.table.enter(this.batch, namespace, key, position)
  }
}

/** What a transaction wrote to a key: the first write of it in the first set of the namespace. */
const keyModificationOf = (
  bytes: Uint8Array,
  namespace: string,
  key: string
): queryresult.KeyModification | undefined => {
  const payload = common.Payload.decode(common.Envelope.decode(bytes).payload)
  if (payload.header === undefined) throw new WireError("no header")
  const { timestamp, txId } = common.ChannelHeader.decode(payload.header.channelHeader)
  const action = chaincodeActionOf(payload.data)
  if (action === undefined) throw new WireError("no chaincode action")
  const set = readWriteSet(action.chaincodeAction.results).find((set) => set.namespace === namespace)
  const write = set?.public.writes.find((write) => write.key === key)
  return write === undefined
    ? undefined
    : queryresult.KeyModification.create({ txId, value: write.value, timestamp, isDelete: isDelete(write) })
}
