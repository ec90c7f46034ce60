/** Service discovery from the client's side. Source: gossip-discovery.md 3.12, 4; discovery/client. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Signer } from "../msp/index.js"
import type { CallOptions, Channel, GrpcFailure } from "../transport/index.js"
import { discovery, type Init } from "../wire/index.js"
import { Discovery } from "../wire/services.js"

/** A query that was answered with an error, or not with what it asks for; the text is the peer's. */
export class DiscoveryRefused extends Data.TaggedError("DiscoveryRefused")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

/** Asks a peer; one result for each query, in order. */
export const discover = (
  peer: Channel,
  signer: Signer,
  queries: ReadonlyArray<Init<discovery.Query>>,
  options?: CallOptions
): Effect.Effect<ReadonlyArray<discovery.QueryResult>, GrpcFailure | DiscoveryRefused> =>
  Effect.gen(function* () {
    const payload = discovery.Request.encode({ authentication: { clientIdentity: signer.serialized }, queries })
    const request = discovery.SignedRequest.encode({ payload, signature: signer.sign(payload) })
    const bytes = yield* peer.unary(Discovery.methods.Discover, request, options)
    const { results } = yield* Effect.try({
      try: () => discovery.Response.decode(bytes),
      catch: (error) => new DiscoveryRefused({ reason: `the answer of ${peer.address} cannot be read: ${error}` })
    })
    if (results.length !== queries.length)
      return yield* new DiscoveryRefused({
        reason: `Sent ${queries.length} queries but received ${results.length} responses back`
      })
    return results
  })

/** A result that is no error. */
export const answered = <A>(
  result: discovery.QueryResult | undefined,
  part: (result: discovery.QueryResult) => A | undefined
): Effect.Effect<A, DiscoveryRefused> => {
  const error = result?.error
  if (error !== undefined) return new DiscoveryRefused({ reason: `server returned: ${error.content}` })
  const found = result === undefined ? undefined : part(result)
  return found === undefined
    ? new DiscoveryRefused({ reason: "server returned response of unexpected type" })
    : Effect.succeed(found)
}
