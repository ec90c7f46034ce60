/**
 * Reads of committed state on one snapshot. The base of the simulator, which records them. Plain synchronous calls that
 * throw tagged errors (errors.ts): they are made for every key.
 * Source: ledger-privatedata.md 3.C; lockbasedtxmgr/helper.go, lockbased_query_executer.go, collection_val.go.
 */
import { ccprovider, common, kvrwset } from "../../wire/index.js"
import { sha256, utf8 } from "../../wire/protoutil.js"
import { sameVersion, type VersionedValue } from "../mvcc/index.js"
import type { Metadata, RWSetBuilder } from "../rwset/index.js"
import { CollectionsNotDefined, CollectionUnknown, PrivateDataNotAvailable, SimulationRefused } from "./errors.js"
import { type PagedIterator, RangeIterator, RichIterator, type StateIterator } from "./StateIterator.js"
import type { RichQueries, StateSnapshot } from "./StateSnapshot.js"

const noMetadata: Metadata = new Map()

/** Metadata as state keeps it, taken apart. */
export const metadataOf = (bytes: Uint8Array | undefined): Metadata =>
  bytes === undefined
    ? noMetadata
    : new Map(kvrwset.KVMetadataWrite.decode(bytes).entries.map(({ name, value }) => [name, value]))

export class QueryExecutor {
  private ended = false
  private readonly open: Array<StateIterator> = []
  /** Range scans in the order they were begun, for the read-write set. */
  protected readonly ranges: Array<RangeIterator> = []
  /** Collections by chaincode, looked up once: the look-up is a recorded read (rule 26b). */
  private collections: Map<string, ReadonlySet<string>> | undefined

  /** `recorder` is the simulator's; reads of a mere query executor leave no trace. */
  constructor(
    protected readonly snapshot: StateSnapshot,
    protected readonly recorder: RWSetBuilder | undefined
  ) {}

  /** The value of a key; undefined when there is none. Own writes are never seen (rule 23). */
  getState(namespace: string, key: string): Uint8Array | undefined {
    return this.read(namespace, key)?.value
  }

  getStateMetadata(namespace: string, key: string): Metadata {
    return metadataOf(this.read(namespace, key)?.metadata)
  }

  /** Keys from `start` (inclusive; empty: the first) to `end` (exclusive; empty: no end). */
  getStateRange(namespace: string, start: string, end: string): StateIterator {
    return this.range(namespace, start, end, 0)
  }

  /** One page of a range; `pageSize` 0 means no limit. */
  getStateRangePage(namespace: string, start: string, end: string, pageSize: number): PagedIterator {
    return this.range(namespace, start, end, pageSize)
  }

  /** A rich query; each result is a recorded read (rule 25). */
  executeQuery(namespace: string, query: string): StateIterator {
    this.checkUsable()
    return this.rich(namespace, this.richQueries("ExecuteQuery").execute(namespace, query))
  }

  executeQueryPage(namespace: string, query: string, pageSize: number, bookmark: string): PagedIterator {
    this.checkUsable()
    const queries = this.richQueries("ExecuteQueryWithMetadata")
    return this.rich(namespace, queries.executePage(namespace, query, pageSize, bookmark))
  }

  /** A private value, where this peer holds the version that the public hash has (rule 31). */
  getPrivateData(namespace: string, collection: string, key: string): Uint8Array | undefined {
    this.checkCollection(namespace, collection)
    this.checkUsable()
    const held = this.snapshot.getPrivate(namespace, collection, key)
    const hashVersion = this.snapshot.hashedVersion(namespace, collection, sha256(utf8(key)))
    if (!sameVersion(hashVersion, held?.version))
      throw new PrivateDataNotAvailable({ hashVersion, valueVersion: held?.version })
    this.recorder?.addHashedRead(namespace, collection, key, held?.version)
    return held?.value
  }

  /** SHA-256 of a private value, member or not. */
  getPrivateDataHash(namespace: string, collection: string, key: string): Uint8Array | undefined {
    return this.readHash(namespace, collection, key)?.value
  }

  getPrivateDataMetadata(namespace: string, collection: string, key: string): Metadata {
    if (this.recorder === undefined) return this.getPrivateDataMetadataByHash(namespace, collection, sha256(utf8(key)))
    return metadataOf(this.readHash(namespace, collection, key)?.metadata)
  }

  getPrivateDataMetadataByHash(namespace: string, collection: string, keyHash: Uint8Array): Metadata {
    this.checkCollection(namespace, collection)
    this.checkUsable()
    if (this.recorder !== undefined)
      throw new SimulationRefused({
        reason:
          "retrieving private data metadata by keyhash is not supported in simulation. This function is only available for query as yet"
      })
    return metadataOf(this.snapshot.getHashed(namespace, collection, keyHash)?.metadata)
  }

  /** A range of private values; never recorded. */
  getPrivateDataRange(namespace: string, collection: string, start: string, end: string): StateIterator {
    this.checkCollection(namespace, collection)
    this.checkUsable()
    const source = this.snapshot.privateEntries(namespace, collection, start, end)
    return this.track(new RangeIterator(namespace, start, end, 0, source, false))
  }

  executeQueryOnPrivateData(namespace: string, collection: string, query: string): StateIterator {
    this.checkCollection(namespace, collection)
    this.checkUsable()
    const results = this.richQueries("ExecuteQuery").executePrivate(namespace, collection, query)
    return this.track(new RichIterator(namespace, results, () => {}))
  }

  /** Lets go of the snapshot and of every iterator. Idempotent; any use afterwards is refused. */
  done(): void {
    if (this.ended) return
    this.ended = true
    for (const iterator of this.open) iterator.close()
    this.snapshot.release()
  }

  // ---- For the simulator -----------------------------------------------------------------------------------------

  protected checkUsable(): void {
    if (this.ended) throw new SimulationRefused({ reason: "this instance should not be used after calling Done()" })
  }

  /** Refuses collections that the chaincode's definition does not have; reads the definition through this executor. */
  protected checkCollection(namespace: string, collection: string): void {
    let known = this.collections?.get(namespace)
    if (known === undefined) {
      known = this.lookUpCollections(namespace)
      this.collections ??= new Map()
      this.collections.set(namespace, known)
    }
    if (!known.has(collection)) throw new CollectionUnknown({ namespace, collection })
  }

  // ---- Private ---------------------------------------------------------------------------------------------------

  private read(namespace: string, key: string): VersionedValue | undefined {
    this.checkUsable()
    const held = this.snapshot.get(namespace, key)
    this.recorder?.addRead(namespace, key, held?.version)
    return held
  }

  private readHash(namespace: string, collection: string, key: string): VersionedValue | undefined {
    this.checkCollection(namespace, collection)
    this.checkUsable()
    const held = this.snapshot.getHashed(namespace, collection, sha256(utf8(key)))
    this.recorder?.addHashedRead(namespace, collection, key, held?.version)
    return held
  }

  private lookUpCollections(namespace: string): ReadonlySet<string> {
    const definition = this.getState("lscc", namespace)
    if (definition === undefined) throw new CollectionsNotDefined({ namespace })
    ccprovider.ChaincodeData.decode(definition) // an undecodable record is an error, as in the reference
    const bytes = this.getState("lscc", `${namespace}~collection`)
    if (bytes === undefined) throw new CollectionsNotDefined({ namespace })
    const names = common.CollectionConfigPackage.decode(bytes).config.flatMap(({ staticCollectionConfig: c }) =>
      c === undefined ? [] : [c.name]
    )
    return new Set(names)
  }

  private range(namespace: string, start: string, end: string, limit: number): RangeIterator {
    this.checkUsable()
    const source = this.snapshot.entries(namespace, start, end)
    const last = this.snapshot.lastBookmark(end)
    const iterator = new RangeIterator(namespace, start, end, limit, source, this.recorder !== undefined, last)
    this.ranges.push(iterator)
    return this.track(iterator)
  }

  private rich(namespace: string, results: ReturnType<RichQueries["execute"]>): RichIterator {
    return this.track(
      new RichIterator(namespace, results, ({ held, key }) => this.recorder?.addRead(namespace, key, held.version))
    )
  }

  private richQueries(what: string): RichQueries {
    const { richQueries } = this.snapshot
    if (richQueries === undefined) throw new SimulationRefused({ reason: `${what} not supported for leveldb` })
    return richQueries
  }

  private track<I extends StateIterator>(iterator: I): I {
    this.open.push(iterator)
    return iterator
  }
}
