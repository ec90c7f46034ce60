/**
 * One transaction's simulation: reads of a snapshot, writes that nobody sees yet, and the read-write set of both.
 * Plain synchronous calls that throw tagged errors (errors.ts).
 * Source: ledger-privatedata.md 3.C rules 23-33; lockbasedtxmgr/lockbased_tx_simulator.go.
 */
import { EMPTY } from "../../wire/protoutil.js"
import { type Metadata, RWSetBuilder, type SimulationResults } from "../rwset/index.js"
import { SimulationRefused } from "./errors.js"
import { QueryExecutor } from "./QueryExecutor.js"
import type { PagedIterator, StateIterator } from "./StateIterator.js"
import type { StateSnapshot } from "./StateSnapshot.js"

export class TxSimulator extends QueryExecutor {
  private wrote = false
  private queriedPrivate = false
  private queriedPages = false
  private computed = false

  private constructor(
    snapshot: StateSnapshot,
    private readonly builder: RWSetBuilder,
    readonly txId: string
  ) {
    super(snapshot, builder)
  }

  /** In: a snapshot that the simulator releases when done. */
  static make(snapshot: StateSnapshot, txId: string): TxSimulator {
    return new TxSimulator(snapshot, new RWSetBuilder(), txId)
  }

  /** Writes a key; an empty value deletes it (rule 28). */
  setState(namespace: string, key: string, value: Uint8Array): void {
    this.checkWrite(key, value)
    this.builder.addWrite(namespace, key, value)
  }

  deleteState(namespace: string, key: string): void {
    this.setState(namespace, key, EMPTY)
  }

  /** Replaces all metadata of a key; an empty map deletes it. */
  setStateMetadata(namespace: string, key: string, metadata: Metadata): void {
    this.checkWrite(key, EMPTY)
    this.builder.addMetadataWrite(namespace, key, metadata)
  }

  setPrivateData(namespace: string, collection: string, key: string, value: Uint8Array): void {
    this.checkCollection(namespace, collection)
    this.checkWrite(key, value)
    this.builder.addPrivateWrite(namespace, collection, key, value)
  }

  deletePrivateData(namespace: string, collection: string, key: string): void {
    this.setPrivateData(namespace, collection, key, EMPTY)
  }

  setPrivateDataMetadata(namespace: string, collection: string, key: string, metadata: Metadata): void {
    this.checkCollection(namespace, collection)
    this.checkWrite(key, EMPTY)
    this.builder.addPrivateMetadataWrite(namespace, collection, key, metadata)
  }

  override getPrivateDataRange(namespace: string, collection: string, start: string, end: string): StateIterator {
    this.beginPrivateQuery()
    return super.getPrivateDataRange(namespace, collection, start, end)
  }

  override executeQueryOnPrivateData(namespace: string, collection: string, query: string): StateIterator {
    this.beginPrivateQuery()
    return super.executeQueryOnPrivateData(namespace, collection, query)
  }

  override getStateRangePage(namespace: string, start: string, end: string, pageSize: number): PagedIterator {
    this.beginPage()
    return super.getStateRangePage(namespace, start, end, pageSize)
  }

  override executeQueryPage(namespace: string, query: string, pageSize: number, bookmark: string): PagedIterator {
    this.beginPage()
    return super.executeQueryPage(namespace, query, pageSize, bookmark)
  }

  /** The read-write set; may be asked for once (rule 33). */
  getTxSimulationResults(): SimulationResults {
    if (this.computed)
      throw new SimulationRefused({
        reason: "this function should only be called once on a transaction simulator instance"
      })
    this.computed = true
    for (const range of this.ranges) this.builder.addRange(range.namespace, range.info())
    return this.builder.results()
  }

  // ---- Modes that exclude each other (rule 30) -------------------------------------------------------------------

  private refuse(reason: string): never {
    throw new SimulationRefused({ reason: `txid [${this.txId}]: ${reason}` })
  }

  private checkWrite(key: string, value: Uint8Array): void {
    this.checkUsable()
    if (this.queriedPrivate)
      this.refuse("Transaction has already performed queries on pvt data. Writes are not allowed")
    if (this.queriedPages) this.refuse("Transaction has already performed a paginated query. Writes are not allowed")
    this.wrote = true
    const fault = this.snapshot.keyValueFault(key, value)
    if (fault !== undefined) throw new SimulationRefused({ reason: fault })
  }

  private beginPrivateQuery(): void {
    if (this.wrote) this.refuse("Queries on pvt data is supported only in a read-only transaction")
    this.queriedPrivate = true
  }

  private beginPage(): void {
    if (this.wrote) this.refuse("Paginated queries are supported only in a read-only transaction")
    this.queriedPages = true
  }
}
