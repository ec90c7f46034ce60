/**
 * Service discovery: answers clients from gossip's view and the ledger. A query that fails is a result, in its place;
 * only a request that cannot be read, or that says not who asks, is a gRPC error.
 * Source: gossip-discovery.md 3.12 rules 1, 2, 5; discovery/service.go. TLS hashes are not compared: the reference never
 * does (trap 1).
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Log from "../runtime/Log.js"
import { textOf } from "../runtime/Stage.js"
import { discovery } from "../wire/index.js"
import { AuthCache, type AuthCacheSettings } from "./authCache.js"
import { interestText } from "./compactText.js"
import { configOf } from "./config.js"
import { authorizedPeers, endorsementDescriptor } from "./endorsement.js"
import { QueryFailed, RequestRefused } from "./errors.js"
import { byId, membersByOrg } from "./membership.js"
import type { DiscoverySupport } from "./support.js"

export interface DiscoveryServiceShape {
  /** Out: `discovery.Response` bytes, one result for each query, in order. */
  readonly discover: (signed: discovery.SignedRequest) => Effect.Effect<Uint8Array, RequestRefused>
}

const log = Log.module("discovery")

/** Queries of one request; each may cost a policy's expansion. */
export const maxQueries = 1000

const failure = (content: string): discovery.QueryResult => discovery.QueryResult.create({ error: { content } })
const accessDenied = failure("access denied")

const requestOf = (signed: discovery.SignedRequest) =>
  Either.gen(function* () {
    const refuse = (reason: string) => Either.left(new RequestRefused({ reason }))
    const { authentication, queries } = yield* Either.try({
      try: () => discovery.Request.decode(signed.payload),
      catch: (error) => new RequestRefused({ reason: `failed parsing request: ${textOf(error)}` })
    })
    if (authentication === undefined) return yield* refuse("access denied, no authentication info in request")
    if (authentication.clientIdentity.length === 0)
      return yield* refuse("access denied, client identity wasn't supplied")
    if (queries.length > maxQueries) return yield* refuse(`too many queries: ${queries.length}, at most ${maxQueries}`)
    return { identity: authentication.clientIdentity, queries }
  })

/** Why a chaincode query cannot be asked. */
const queryFault = ({ interests }: discovery.ChaincodeQuery): string | undefined => {
  if (interests.length === 0) return "chaincode query must have at least one chaincode interest"
  for (const { chaincodes } of interests) {
    if (chaincodes.length === 0) return "chaincode interest must contain at least one chaincode"
    if (chaincodes.some(({ name }) => name === "")) return "chaincode name in interest cannot be empty"
  }
  return undefined
}

export const makeDiscoveryService = (support: DiscoverySupport, settings: AuthCacheSettings): DiscoveryServiceShape => {
  const auth = new AuthCache(settings, support.sequence, support.eligible)

  const endorsers = (channelId: string, query: discovery.ChaincodeQuery) =>
    Effect.gen(function* () {
      const fault = queryFault(query)
      if (fault !== undefined) return failure(fault)
      const content: Array<discovery.EndorsementDescriptor> = []
      for (const interest of query.interests) {
        const descriptor = yield* Effect.either(endorsementDescriptor(support, channelId, interest))
        if (Either.isLeft(descriptor)) {
          const text = interestText(interest)
          yield* log.error(`Failed constructing descriptor for chaincode ${text},: ${descriptor.left.reason}`)
          return failure(`failed constructing descriptor for ${text}`)
        }
        content.push(descriptor.right)
      }
      return discovery.QueryResult.create({ ccQueryRes: { content } })
    })

  const config = (channelId: string) =>
    Effect.matchEffect(
      Effect.try({
        try: () => configOf(channelId, support.config(channelId)),
        catch: (error) => (error instanceof QueryFailed ? error : new QueryFailed({ reason: textOf(error) }))
      }),
      {
        onFailure: ({ reason }) =>
          Effect.as(
            log.error(`Failed fetching config for channel ${channelId}: ${reason}`),
            failure(`failed fetching config for channel ${channelId}`)
          ),
        onSuccess: (configResult) => Effect.succeed(discovery.QueryResult.create({ configResult }))
      }
    )

  const channelMembers = (channelId: string, { filter }: discovery.PeerMembershipQuery) =>
    Effect.match(authorizedPeers(support, channelId, filter), {
      onFailure: ({ reason }) => failure(reason),
      onSuccess: (peers) =>
        discovery.QueryResult.create({ members: { peersByOrg: membersByOrg(support, byId(peers)) } })
    })

  /** The reference's order of precedence, should a query carry several. */
  const dispatch = (query: discovery.Query): Effect.Effect<discovery.QueryResult> => {
    const { ccQuery, channel, configQuery, localPeers, peerQuery } = query
    const unknown = Effect.succeed(failure("unknown or missing request type"))
    if (ccQuery !== undefined) return channel === "" ? unknown : endorsers(channel, ccQuery)
    if (configQuery !== undefined) return channel === "" ? unknown : config(channel)
    if (peerQuery !== undefined) return channel === "" ? unknown : channelMembers(channel, peerQuery)
    if (localPeers === undefined || channel !== "") return unknown
    return Effect.sync(() =>
      discovery.QueryResult.create({ members: { peersByOrg: membersByOrg(support, undefined) } })
    )
  }

  return {
    discover: (signed) =>
      Effect.gen(function* () {
        const request = requestOf(signed)
        if (Either.isLeft(request)) {
          yield* log.warning(`Request is malformed or invalid: ${request.left.reason}`)
          return yield* request.left
        }
        const { identity, queries } = request.right
        const data = { data: signed.payload, identity, signature: signed.signature }
        const results: Array<discovery.QueryResult> = []
        for (const query of queries) {
          const { channel } = query
          if (channel !== "" && support.selfChannelInfo(channel) === undefined) {
            yield* log.warning(`got query for channel ${channel} but it doesn't exist`)
            results.push(accessDenied)
            continue
          }
          const eligible = auth.eligible(channel, data)
          if (Either.isLeft(eligible)) {
            yield* log.warning(`got query for channel ${channel} but it isn't eligible: ${eligible.left.message}`)
            results.push(accessDenied)
            continue
          }
          results.push(yield* dispatch(query))
        }
        return discovery.Response.encode({ results })
      })
  }
}
