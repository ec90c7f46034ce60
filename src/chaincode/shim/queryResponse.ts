/**
 * Cuts the results of a query into replies. Shims break on "more follows" with nothing following (T8), so one result is
 * read ahead. Source: chaincode.md R38-R42; core/chaincode/query_response_generator.go.
 */
import * as Effect from "effect/Effect"
import { textOf } from "../../runtime/Stage.js"
import { protos } from "../../wire/index.js"
import type { Failure, PageIterator } from "../context.js"
import type { TransactionContext } from "./TransactionContext.js"

/** Results in one reply of a query that is not paginated. */
export const BATCH = 100

const response = (id: string, batch: ReadonlyArray<Uint8Array>, hasMore: boolean, metadata?: Uint8Array): Uint8Array =>
  protos.QueryResponse.encode({
    results: batch.map((resultBytes) => ({ resultBytes })),
    hasMore,
    id,
    ...(metadata === undefined ? {} : { metadata })
  })

/**
 * The next reply of an open query. An iterator's failure closes the query and is thrown on.
 * @param page the query's iterator when it is paginated: then everything up to the limit goes into one reply
 * @param limit results over the whole query; more are silently left out
 */
export const nextResponse = (
  context: TransactionContext,
  id: string,
  page: PageIterator | undefined,
  limit: number
): Uint8Array => {
  const query = context.query(id)
  if (query === undefined) throw new Error("query iterator not found")
  try {
    for (;;) {
      const result = query.total >= limit ? undefined : query.iterator.next()
      if (result === undefined) break
      if (page === undefined && query.pending.length === BATCH) {
        const batch = query.pending
        query.pending = [result]
        query.total++
        return response(id, batch, true)
      }
      query.pending.push(result)
      query.total++
    }
  } catch (error) {
    context.closeQuery(id)
    throw error
  }
  const batch = query.pending
  if (page === undefined) {
    context.closeQuery(id)
    return response(id, batch, false)
  }
  context.forgetQuery(id)
  const bookmark = page.bookmark()
  const metadata = protos.QueryResponseMetadata.encode({ fetchedRecordsCount: query.total, bookmark })
  return response(id, batch, false, metadata)
}

/** A reply: at once, or after work that takes time. */
export type Answer = Uint8Array | Effect.Effect<Uint8Array, Failure>

/** {@link nextResponse} once the query has its results at hand; at once where nothing has to be waited for. */
export const preparedResponse = (
  context: TransactionContext,
  id: string,
  page: PageIterator | undefined,
  limit: number
): Answer => {
  const query = context.query(id)
  const missing = limit - (query?.total ?? limit)
  const work = query?.iterator.prepare(page === undefined ? Math.min(missing, BATCH + 1) : missing)
  if (work === undefined) return nextResponse(context, id, page, limit)
  return work.pipe(
    Effect.tapError(() => Effect.sync(() => context.closeQuery(id))),
    Effect.zipRight(
      Effect.try({
        try: () => nextResponse(context, id, page, limit),
        catch: (error) => ({ message: textOf(error) })
      })
    )
  )
}

/** The reply to closing a query, known or not. */
export const closedResponse = (id: string): Uint8Array => response(id, [], false)
