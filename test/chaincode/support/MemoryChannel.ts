/**
 * A channel in memory: the ledger's own simulators over maps, and a commit that applies what they recorded. For tests of
 * chaincode support; the ledger has its own tests on disk.
 */
import * as Effect from "effect/Effect"
import type { ChannelLedger, HistoryQueryExecutor } from "../../../src/chaincode/context.js"
import {
  applyPrivateWrites,
  applyWrites,
  followHashVersions,
  hashId,
  UpdateBatch,
  type Updates,
  type VersionedValue
} from "../../../src/ledger/mvcc/index.js"
import { isDelete, privateSets, readWriteSet, type SimulationResults } from "../../../src/ledger/rwset/index.js"
import { type StateEntry, type StateSnapshot, TxSimulator } from "../../../src/ledger/simulator/index.js"
import { queryresult } from "../../../src/wire/index.js"
import { compareUtf8, utf8 } from "../../../src/wire/protoutil.js"

type Values = Map<string, VersionedValue>

const sorted = (values: Values | undefined, start: string, end: string): Array<StateEntry> =>
  [...(values ?? [])]
    .filter(([key]) => compareUtf8(key, start) >= 0 && (end === "" || compareUtf8(key, end) < 0))
    .sort(([a], [b]) => compareUtf8(a, b))
    .map(([key, held]) => ({ key, held }))

export class MemoryChannel implements ChannelLedger {
  private readonly values = new Map<string, Values>()
  private readonly private = new Map<string, Values>()
  private readonly hashed = new Map<string, VersionedValue>()
  private readonly changes = new Map<string, Array<queryresult.KeyModification>>()
  private blocks = 0
  /** Snapshots that nobody has let go of. */
  open = 0

  constructor(readonly id: string) {}

  /** Puts a value as if a block had written it. */
  put(namespace: string, key: string, value: Uint8Array | string): void {
    this.blocks += 1
    const bytes = typeof value === "string" ? utf8(value) : value
    const version = { blockNum: BigInt(this.blocks), txNum: 0n }
    this.mapOf(this.values, namespace).set(key, { value: bytes, metadata: undefined, version })
  }

  value(namespace: string, key: string): string | undefined {
    const held = this.values.get(namespace)?.get(key)?.value
    return held === undefined ? undefined : Buffer.from(held).toString("utf8")
  }

  simulator(txId: string): TxSimulator {
    this.open += 1
    let released = false
    const snapshot = this.snapshot(() => {
      if (!released) this.open -= 1
      released = true
    })
    return TxSimulator.make(snapshot, txId)
  }

  readonly newTxSimulator = (txId: string) => Effect.sync(() => this.simulator(txId))

  readonly history: HistoryQueryExecutor = {
    getHistoryForKey: (namespace, key) => {
      const changes = [...(this.changes.get(`${namespace}/${key}`) ?? [])]
      return { next: () => changes.shift(), close: () => {} }
    }
  }
  readonly newHistoryQueryExecutor = Effect.succeed(this.history)

  /** Applies the results of a simulation as a block of one valid transaction. */
  commit(txId: string, results: SimulationResults): void {
    this.blocks += 1
    const version = { blockNum: BigInt(this.blocks), txNum: 0n }
    const batch = new UpdateBatch()
    const state = this.snapshot(() => {})
    const sets = readWriteSet(results.public)
    const hidden = results.private === undefined ? [] : privateSets(results.private)
    applyWrites(sets, state, batch, version)
    applyPrivateWrites(hidden, batch, version)
    followHashVersions(hidden, state, batch)
    for (const { namespace, public: set } of sets) {
      for (const write of set.writes) {
        const id = `${namespace}/${write.key}`
        const change = queryresult.KeyModification.create({
          txId,
          value: write.value,
          timestamp: { seconds: BigInt(this.blocks), nanos: 0 },
          isDelete: isDelete(write)
        })
        this.changes.set(id, [...(this.changes.get(id) ?? []), change])
      }
    }
    const apply = (values: Values, updates: Updates, prefix = "") => {
      for (const [key, held] of updates.range("", "")) {
        if (held.value === undefined) values.delete(prefix + key)
        else values.set(prefix + key, held)
      }
    }
    for (const [namespace, updates] of batch.public) apply(this.mapOf(this.values, namespace), updates)
    for (const [namespace, collections] of batch.private) {
      for (const [name, updates] of collections) apply(this.mapOf(this.private, `${namespace}/${name}`), updates)
    }
    for (const [namespace, collections] of batch.hashed) {
      for (const [name, updates] of collections) apply(this.hashed, updates, `${namespace}/${name}/`)
    }
  }

  private mapOf(maps: Map<string, Values>, id: string): Values {
    const values = maps.get(id) ?? new Map<string, VersionedValue>()
    maps.set(id, values)
    return values
  }

  private snapshot(release: () => void): StateSnapshot {
    const get = (namespace: string, key: string) => this.values.get(namespace)?.get(key)
    const getHashed = (namespace: string, collection: string, keyHash: Uint8Array) =>
      this.hashed.get(`${namespace}/${collection}/${hashId(keyHash)}`)
    const ranged = (namespace: string, start: string, end: string) => sorted(this.values.get(namespace), start, end)
    return {
      get,
      version: (namespace, key) => get(namespace, key)?.version,
      range: (namespace, start, end) =>
        ranged(namespace, start, end).map(({ held, key }) => [key, held.version] as const),
      getHashed,
      hashedVersion: (namespace, collection, keyHash) => getHashed(namespace, collection, keyHash)?.version,
      getPrivate: (namespace, collection, key) => this.private.get(`${namespace}/${collection}`)?.get(key),
      entries: (namespace, start, end) => ranged(namespace, start, end).values(),
      privateEntries: (namespace, collection, start, end) =>
        sorted(this.private.get(`${namespace}/${collection}`), start, end).values(),
      keyValueFault: () => undefined,
      lastBookmark: () => "",
      richQueries: undefined,
      release
    }
  }
}
