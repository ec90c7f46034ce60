/**
 * Private write sets between endorsement and commit, by channel and transaction. Several sets of one transaction are
 * kept side by side (from several endorsers).
 * Source: ledger-privatedata.md 3.I; core/transientstore.
 */

import { randomBytes } from "node:crypto"
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { common, rwset, transientstore } from "../../wire/index.js"
import { claimFolder, type FolderUnusable, type FormatUnknown, type GoFolder, refuseGoFolder } from "../format.js"
import {
  after,
  Batch,
  type Environment,
  type FolderLocked,
  type LmdbOpenFailed,
  lockFolder,
  openEnvironment,
  type Table
} from "../lmdb/index.js"
import type { CollectionFilter } from "../pvtdata/index.js"

export class TransientStoreEmpty extends Data.TaggedError("TransientStoreEmpty")<{ readonly channel: string }> {
  override get message() {
    return "Transient store is empty"
  }
}

export class TransientStoreFailed extends Data.TaggedError("TransientStoreFailed")<{
  readonly channel: string
  readonly op: string
  readonly cause: unknown
}> {
  override get message() {
    const text = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `channel ${this.channel}: transient store: ${this.op}: ${text}`
  }
}

/** One of a transaction's sets. */
export interface TransientEntry {
  /** Height of the ledger when the set came in. */
  readonly receivedAt: bigint
  /** With the filter applied; undefined when that leaves nothing. */
  readonly pvtRwset: rwset.TxPvtReadWriteSet | undefined
  /** Filtered likewise; empty for sets that were stored without (fetched at commit): those are served to nobody. */
  readonly collectionConfigs: ReadonlyMap<string, common.CollectionConfigPackage>
  readonly endorsedAt: bigint
}

/** One channel's part of the store. */
export interface TransientStoreShape {
  /** Keeps a set, durably. `blockHeight`: the ledger's height as of now. */
  readonly persist: (
    txId: string,
    blockHeight: bigint,
    data: transientstore.TxPvtReadWriteSetWithConfigInfo
  ) => Effect.Effect<void, TransientStoreFailed>
  readonly byTxId: (
    txId: string,
    filter?: CollectionFilter
  ) => Effect.Effect<ReadonlyArray<TransientEntry>, TransientStoreFailed>
  /** Removes all sets of these transactions. */
  readonly purgeByTxIds: (txIds: ReadonlyArray<string>) => Effect.Effect<void, TransientStoreFailed>
  /** Removes sets that came in below this height. */
  readonly purgeByHeight: (height: bigint) => Effect.Effect<void, TransientStoreFailed>
  readonly minHeight: Effect.Effect<bigint, TransientStoreEmpty | TransientStoreFailed>
}

/** The peer's transient store: one folder, a part per channel. */
export class TransientStores extends Context.Tag("ledger/TransientStores")<
  TransientStores,
  { readonly of: (channelId: string) => TransientStoreShape }
>() {}

const suffixSize = 16

const sized = (text: string): Buffer => {
  const bytes = Buffer.from(text)
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
const u64 = (value: bigint): Buffer => {
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigUInt64BE(value)
  return bytes
}

/** Sets: channel, transaction, height, suffix. Index: channel, height, transaction, suffix. */
class Store {
  private readonly sets: Table
  private readonly heights: Table

  constructor(
    private readonly environment: Environment,
    private readonly channel: string
  ) {
    this.sets = environment.table("sets")
    this.heights = environment.table("heights")
  }

  persist(txId: string, height: bigint, data: transientstore.TxPvtReadWriteSetWithConfigInfo): void {
    const suffix = randomBytes(suffixSize)
    const batch = new Batch()
    const key = Buffer.concat([this.txPrefix(txId), u64(height), suffix])
    batch.put(this.sets, key, transientstore.TxPvtReadWriteSetWithConfigInfo.encode(data))
    batch.put(this.heights, Buffer.concat([this.channelPrefix(), u64(height), sized(txId), suffix]), Buffer.alloc(0))
    this.environment.commit(batch)
  }

  byTxId(txId: string, filter: CollectionFilter | undefined): Array<TransientEntry> {
    const entries: Array<TransientEntry> = []
    const prefix = this.txPrefix(txId)
    this.each(this.sets, prefix, after(prefix), (key, value) => {
      const data = transientstore.TxPvtReadWriteSetWithConfigInfo.decode(value)
      entries.push({
        receivedAt: key.readBigUInt64BE(prefix.length),
        pvtRwset: data.pvtRwset === undefined ? undefined : filtered(data.pvtRwset, filter),
        collectionConfigs: filteredConfigs(data.collectionConfigs, filter),
        endorsedAt: data.endorsedAt
      })
    })
    return entries
  }

  purgeByTxIds(txIds: ReadonlyArray<string>): void {
    const batch = new Batch()
    for (const txId of txIds) {
      const prefix = this.txPrefix(txId)
      this.each(this.sets, prefix, after(prefix), (key) => {
        const height = key.subarray(prefix.length, prefix.length + 8)
        batch.delete(this.sets, key)
        batch.delete(
          this.heights,
          Buffer.concat([this.channelPrefix(), height, sized(txId), key.subarray(prefix.length + 8)])
        )
      })
    }
    if (batch.size > 0) this.environment.commit(batch)
  }

  purgeByHeight(height: bigint): void {
    const batch = new Batch()
    const prefix = this.channelPrefix()
    this.each(this.heights, prefix, Buffer.concat([prefix, u64(height)]), (key) => {
      const at = prefix.length
      const length = key.readUInt32BE(at + 8)
      const txId = key.subarray(at + 12, at + 12 + length).toString()
      batch.delete(this.heights, key)
      batch.delete(
        this.sets,
        Buffer.concat([this.txPrefix(txId), key.subarray(at, at + 8), key.subarray(at + 12 + length)])
      )
    })
    if (batch.size > 0) this.environment.commit(batch)
  }

  minHeight(): bigint | undefined {
    const prefix = this.channelPrefix()
    const snapshot = this.environment.snapshot()
    try {
      const first = snapshot.range(this.heights, prefix, after(prefix)).next()
      return first === undefined ? undefined : Buffer.from(first.key).readBigUInt64BE(prefix.length)
    } finally {
      snapshot.close()
    }
  }

  private channelPrefix(): Buffer {
    return sized(this.channel)
  }
  private txPrefix(txId: string): Buffer {
    return Buffer.concat([this.channelPrefix(), sized(txId)])
  }
  private each(
    table: Table,
    start: Uint8Array,
    end: Uint8Array,
    visit: (key: Buffer, value: Uint8Array) => void
  ): void {
    const snapshot = this.environment.snapshot()
    try {
      const cursor = snapshot.range(table, start, end)
      for (let entry = cursor.next(); entry !== undefined; entry = cursor.next())
        visit(Buffer.from(entry.key.buffer, entry.key.byteOffset, entry.key.byteLength), entry.value)
    } finally {
      snapshot.close()
    }
  }
}

/** The collections of a set that pass; undefined when none does. */
const filtered = (
  set: rwset.TxPvtReadWriteSet,
  filter: CollectionFilter | undefined
): rwset.TxPvtReadWriteSet | undefined => {
  if (filter === undefined) return set
  const nsPvtRwset = set.nsPvtRwset.flatMap(({ collectionPvtRwset, namespace }) => {
    const kept = collectionPvtRwset.filter(({ collectionName }) => filter(namespace, collectionName))
    return kept.length === 0 ? [] : [{ namespace, collectionPvtRwset: kept }]
  })
  return nsPvtRwset.length === 0 ? undefined : rwset.TxPvtReadWriteSet.create({ dataModel: set.dataModel, nsPvtRwset })
}

const filteredConfigs = (
  configs: ReadonlyMap<string, common.CollectionConfigPackage>,
  filter: CollectionFilter | undefined
): ReadonlyMap<string, common.CollectionConfigPackage> =>
  filter === undefined
    ? configs
    : new Map(
        [...configs].map(([namespace, { config }]) => [
          namespace,
          common.CollectionConfigPackage.create({
            config: config.filter(
              ({ staticCollectionConfig }) =>
                staticCollectionConfig !== undefined && filter(namespace, staticCollectionConfig.name)
            )
          })
        ])
      )

export interface TransientStoreOptions {
  /** `<peer.fileSystemPath>/transientStore`. */
  readonly root: string
}

export type TransientStoreError = FolderLocked | LmdbOpenFailed | FormatUnknown | GoFolder | FolderUnusable

export const makeTransientStores = (
  options: TransientStoreOptions
): Effect.Effect<TransientStores["Type"], TransientStoreError, Scope.Scope> =>
  Effect.gen(function* () {
    yield* refuseGoFolder(options.root)
    yield* lockFolder(options.root)
    yield* claimFolder(options.root, "transient")
    const environment = yield* openEnvironment({
      path: path.join(options.root, "db"),
      tables: ["sets", "heights"],
      maxReaders: 256
    })
    return {
      of: (channel) => {
        const store = new Store(environment, channel)
        const attempt = <A>(op: string, run: () => A) =>
          Effect.try({ try: run, catch: (cause) => new TransientStoreFailed({ channel, op, cause }) })
        return {
          persist: (txId, height, data) => attempt("persist", () => store.persist(txId, height, data)),
          byTxId: (txId, filter) => attempt("read", () => store.byTxId(txId, filter)),
          purgeByTxIds: (txIds) => attempt("purge", () => store.purgeByTxIds(txIds)),
          purgeByHeight: (height) => attempt("purge", () => store.purgeByHeight(height)),
          minHeight: Effect.flatMap(
            attempt("read", () => store.minHeight()),
            (height): Effect.Effect<bigint, TransientStoreEmpty> =>
              height === undefined ? Effect.fail(new TransientStoreEmpty({ channel })) : Effect.succeed(height)
          )
        }
      }
    }
  })

export const layerTransientStores = (
  options: TransientStoreOptions
): Layer.Layer<TransientStores, TransientStoreError> => Layer.scoped(TransientStores, makeTransientStores(options))
