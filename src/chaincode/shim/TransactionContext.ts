/**
 * One execution of one transaction in one chaincode: its simulator, who waits for it, its open queries.
 * Source: chaincode.md R33, R37, R44; core/chaincode/transaction_context.go.
 */
import type * as Effect from "effect/Effect"
import { LiveMap } from "../../runtime/LiveSet.js"
import type { protos } from "../../wire/index.js"
import type { Failure, HistoryQueryExecutor, TxSimulator } from "../context.js"

/** What belongs to a transaction: `ccprovider.TransactionParams`. */
export interface TxParams {
  readonly txId: string
  readonly channelId: string
  readonly signedProposal: protos.SignedProposal | undefined
  readonly proposal: protos.Proposal | undefined
  /** Absent for proposals without a channel and for some system chaincodes. */
  readonly simulator: TxSimulator | undefined
  readonly history: HistoryQueryExecutor | undefined
  /** What decorators added for the chaincode (R45). */
  readonly decorations: ReadonlyMap<string, Uint8Array>
}

/** Results of a query, serialised for the chaincode. */
export interface Results {
  /** What has to run before so many results may be taken; undefined: nothing. */
  readonly prepare: (count: number) => Effect.Effect<void, Failure> | undefined
  readonly next: () => Uint8Array | undefined
  readonly close: () => void
}

/** A query that has more to give. */
export interface OpenQuery {
  readonly iterator: Results
  /** Results read and not sent yet, serialised. */
  pending: Array<Uint8Array>
  /** Results read so far. */
  total: number
}

export class TransactionContext {
  /** Made with the first query: most transactions make none. */
  private queries: Map<string, OpenQuery> | undefined
  /** Collections that the creator was found to be allowed to read. */
  readonly readableCollections = new Set<string>()

  constructor(
    readonly params: TxParams,
    /** The transaction runs Init: no private data there. */
    readonly isInit: boolean,
    /** Takes the chaincode's COMPLETED or ERROR; later ones are not asked for. */
    readonly notify: (message: protos.ChaincodeMessage) => void
  ) {}

  openQuery(id: string, iterator: Results): OpenQuery {
    const query: OpenQuery = { iterator, pending: [], total: 0 }
    this.queries ??= new Map()
    this.queries.set(id, query)
    return query
  }

  query(id: string): OpenQuery | undefined {
    return this.queries?.get(id)
  }

  closeQuery(id: string): void {
    const query = this.queries?.get(id)
    if (query === undefined) return
    this.queries?.delete(id)
    query.iterator.close()
  }

  /** Forgets a query whose iterator was closed by other means. */
  forgetQuery(id: string): void {
    this.queries?.delete(id)
  }

  closeQueries(): void {
    if (this.queries === undefined) return
    for (const query of this.queries.values()) query.iterator.close()
    this.queries.clear()
  }

  get openQueries(): number {
    return this.queries?.size ?? 0
  }
}

/** The contexts of one handler, by channel and transaction id run together as the reference does. */
export class TransactionContexts {
  private readonly contexts = new LiveMap<TransactionContext>()

  /** Undefined when this transaction runs here already. */
  create(context: TransactionContext): TransactionContext | undefined {
    return this.contexts.add(keyOf(context.params.channelId, context.params.txId), context) ? context : undefined
  }

  get(channelId: string, txId: string): TransactionContext | undefined {
    return this.contexts.get(keyOf(channelId, txId))
  }

  delete(context: TransactionContext): void {
    const key = keyOf(context.params.channelId, context.params.txId)
    if (this.contexts.get(key) === context) this.contexts.delete(key)
  }

  /** Closes the open queries of all of them. */
  close(): void {
    for (const context of this.contexts.all()) context.closeQueries()
  }

  get size(): number {
    return this.contexts.size
  }
}

const keyOf = (channelId: string, txId: string): string => channelId + txId

/** The text when a transaction is run twice at once in one chaincode. */
export const existsText = ({ channelId, txId }: Pick<TxParams, "channelId" | "txId">): string =>
  `txid: ${txId}(${channelId}) exists`
