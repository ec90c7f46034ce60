/**
 * Where each public key was written: one entry per write of a valid endorser transaction. The values come from the
 * blocks. Keys are length-prefixed, so that no key's history runs into another's (the reference's does, and then skips
 * what does not fit).
 * Source: ledger-privatedata.md rule 97; history/historydb/historyleveldb.
 */
import { common, queryresult, WireError } from "../../wire/index.js"
import { chaincodeActionOf } from "../../wire/protoutil.js"
import type { StoredTransaction } from "../blockstore/index.js"
import { after, type Batch, type Cursor, type Environment, type Table } from "../lmdb/index.js"
import { isDelete, type NamespaceSet, readWriteSet } from "../rwset/index.js"

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
    private readonly transaction: (block: bigint, index: number) => StoredTransaction
  ) {
    this.table = environment.table(historyTables.history)
    this.meta = environment.table(historyTables.meta)
  }

  savepoint(): bigint | undefined {
    const bytes = this.environment.get(this.meta, savepointKey)
    return bytes === undefined ? undefined : Buffer.from(bytes).readBigUInt64BE()
  }

  /** Adds the writes of one valid endorser transaction. */
  put(batch: Batch, block: bigint, index: number, sets: ReadonlyArray<NamespaceSet>): void {
    for (const { namespace, public: set } of sets)
      for (const { key } of set.writes) {
        const entry = prefixOf(namespace, key, 12)
        entry.writeBigUInt64BE(block, entry.length - 12)
        entry.writeUInt32BE(index, entry.length - 4)
        batch.put(this.table, entry, nothing)
      }
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
  *positions(namespace: string, key: string): Generator<{ readonly block: bigint; readonly tx: number }, void> {
    const prefix = prefixOf(namespace, key)
    const snapshot = this.environment.snapshot()
    try {
      const cursor = snapshot.range(this.table, prefix, after(prefix))
      for (let entry = cursor.next(); entry !== undefined; entry = cursor.next()) {
        const position = Buffer.from(entry.key).subarray(prefix.length)
        yield { block: position.readBigUInt64BE(0), tx: position.readUInt32BE(8) }
      }
    } finally {
      snapshot.close()
    }
  }

  private history(namespace: string, key: string): HistoryIterator {
    const prefix = prefixOf(namespace, key)
    const snapshot = this.environment.snapshot()
    let cursor: Cursor | undefined = snapshot.range(this.table, prefix, after(prefix))
    const close = () => {
      cursor = undefined
      snapshot.close()
    }
    return {
      next: () => {
        for (;;) {
          const entry = cursor?.next()
          if (entry === undefined) {
            close()
            return undefined
          }
          const position = Buffer.from(entry.key).subarray(prefix.length)
          const { envelope } = this.transaction(position.readBigUInt64BE(0), position.readUInt32BE(8))
          const change = keyModificationOf(envelope, namespace, key)
          if (change !== undefined) return change
        }
      },
      close
    }
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
