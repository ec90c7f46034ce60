/**
 * Which peers can endorse together: the descriptor of a chaincode, or of chaincodes that call each other.
 * Source: gossip-discovery.md 3.12 rules 6, 7, 10; discovery/endorsement/endorsement.go, collection.go.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { NetworkMember } from "../gossip/index.js"
import * as Log from "../runtime/Log.js"
import { textOf } from "../runtime/Stage.js"
import { toHex } from "../wire/bytes.js"
import { common, discovery } from "../wire/index.js"
import { QueryFailed } from "./errors.js"
import { type PrincipalSet, satisfyingSets } from "./expansion.js"
import { alivePeers, byId, channelPeers, idOf } from "./membership.js"
import { type ComparableSet, comparableSet, mergeSets } from "./principals.js"
import type { ChaincodeMetadata, DiscoverySupport } from "./support.js"

const log = Log.module("discovery.endorsement")

const failed = (reason: string): QueryFailed => new QueryFailed({ reason })
type Accepts = (identity: Uint8Array) => boolean

// ---- Who is asked -------------------------------------------------------------------------------------------------

/** Principals of each collection's member policy, by collection. */
const collectionPrincipals = (bytes: Uint8Array | undefined): ReadonlyMap<string, PrincipalSet> => {
  const found = new Map<string, PrincipalSet>()
  if (bytes === undefined || bytes.length === 0) return found
  let configs: ReadonlyArray<common.CollectionConfig>
  try {
    configs = common.CollectionConfigPackage.decode(bytes).config
  } catch (error) {
    throw failed(`invalid collection bytes: ${textOf(error)}`)
  }
  for (const { staticCollectionConfig } of configs) {
    if (staticCollectionConfig === undefined) throw failed("expected a static collection")
    const { memberOrgsPolicy, name } = staticCollectionConfig
    if (memberOrgsPolicy === undefined) throw failed(`MemberOrgsPolicy of ${name} is nil`)
    if (memberOrgsPolicy.signaturePolicy === undefined) throw failed(`policy of ${name} is nil`)
    found.set(name, memberOrgsPolicy.signaturePolicy.identities)
  }
  return found
}

/** An identity must satisfy one principal of every collection named. */
const collectionFilter = (
  support: DiscoverySupport,
  channelId: string,
  call: discovery.ChaincodeCall,
  metadata: ChaincodeMetadata
): Accepts => {
  const principals = collectionPrincipals(metadata.collections)
  const sets = call.collectionNames.map((collection) => {
    const set = principals.get(collection)
    if (set === undefined)
      throw failed(`collection ${collection} doesn't exist in collection config for chaincode ${call.name}`)
    return set
  })
  return (identity) =>
    sets.every((set) =>
      set.some((principal) => Either.isRight(support.satisfiesPrincipal(channelId, identity, principal)))
    )
}

const runs = (member: NetworkMember, { name, version }: ChaincodeMetadata): boolean =>
  member.properties?.chaincodes.some((chaincode) => chaincode.name === name && chaincode.version === version) === true

/** Peers of a channel that run every chaincode of an interest and may have its collections; all without an interest. */
export const authorizedPeers = (
  support: DiscoverySupport,
  channelId: string,
  interest: discovery.ChaincodeInterest | undefined
): Effect.Effect<ReadonlyArray<NetworkMember>, QueryFailed> =>
  Effect.gen(function* () {
    const peers = channelPeers(support, channelId)
    if (interest === undefined || interest.chaincodes.length === 0) return peers
    const wanted: Array<ChaincodeMetadata> = []
    const filters: Array<Accepts> = []
    for (const call of interest.chaincodes) {
      const withCollections = call.collectionNames.length > 0
      const metadata = yield* support.metadata(channelId, call.name, withCollections)
      if (metadata === undefined)
        return yield* failed(`No metadata was found for chaincode ${call.name} in channel ${channelId}`)
      wanted.push(metadata)
      if (withCollections)
        filters.push(
          yield* Effect.try({
            try: () => collectionFilter(support, channelId, call, metadata),
            catch: (error) => (error instanceof QueryFailed ? error : failed(textOf(error)))
          })
        )
    }
    const identities = new Map(support.identities().map(({ identity, pkiId }) => [idOf(pkiId), identity]))
    const authorized = (member: NetworkMember): boolean => {
      if (filters.length === 0) return true
      const identity = identities.get(idOf(member.pkiId))
      return identity !== undefined && filters.every((accepts) => accepts(identity))
    }
    return peers.filter((member) => wanted.every((metadata) => runs(member, metadata)) && authorized(member))
  })

// ---- What is required ----------------------------------------------------------------------------------------------

/** The principal sets of one chaincode. */
const setsOf = (
  support: DiscoverySupport,
  channelId: string,
  chaincode: string
): Effect.Effect<ReadonlyArray<ComparableSet>, QueryFailed> =>
  Effect.gen(function* () {
    const metadata = yield* support.metadata(channelId, chaincode, false)
    const policy =
      metadata === undefined
        ? undefined
        : Either.getOrUndefined(Either.try(() => common.SignaturePolicyEnvelope.decode(metadata.policy)))
    if (policy === undefined || policy.identities.length === 0 || policy.rule === undefined)
      return yield* failed("policy not found")
    const sets: Array<ComparableSet> = []
    for (const set of satisfyingSets(policy)) {
      const made = comparableSet(set)
      if (made === undefined) return yield* failed("failed creating a comparable principal set")
      sets.push(made)
    }
    return sets.length === 0
      ? yield* failed("chaincode isn't installed on sufficient organizations required by the endorsement policy")
      : sets
  })

const requiredSets = (support: DiscoverySupport, channelId: string, interest: discovery.ChaincodeInterest) =>
  Effect.gen(function* () {
    let merged: ReadonlyArray<ComparableSet> | undefined
    // every policy is looked at before any is merged, so that the first that fails is the one that counts
    for (const sets of yield* Effect.forEach(interest.chaincodes, ({ name }) => setsOf(support, channelId, name)))
      merged = merged === undefined ? sets : mergeSets(merged, sets)
    return merged ?? (yield* failed("no principal sets remained after filtering"))
  })

// ---- The descriptor -------------------------------------------------------------------------------------------------

interface Group {
  readonly name: string
  readonly principal: common.MSPPrincipal
  readonly members: ReadonlyArray<NetworkMember>
}

const keyOf = ({ principal, principalClassification }: common.MSPPrincipal): string =>
  `${principalClassification}/${toHex(principal)}`

/**
 * Groups stand for principals; a layout says how many of each group must endorse. Fails with the cause that the
 * reference only logs.
 */
export const endorsementDescriptor = (
  support: DiscoverySupport,
  channelId: string,
  interest: discovery.ChaincodeInterest
): Effect.Effect<discovery.EndorsementDescriptor, QueryFailed> =>
  Effect.gen(function* () {
    const inChannel = byId(yield* authorizedPeers(support, channelId, interest))
    const alive = alivePeers(support).filter(({ pkiId }) => inChannel.has(idOf(pkiId)))
    const identities = new Map(support.identities().map(({ identity, pkiId }) => [idOf(pkiId), identity]))
    const sets = yield* Effect.tapError(requiredSets(support, channelId, interest), ({ reason }) =>
      log.warning(`Principal set computation failed: ${reason}`)
    )

    const groups = new Map<string, Group>()
    for (const set of sets)
      for (const { principal } of set) {
        const key = keyOf(principal)
        if (groups.has(key)) continue
        const members = alive.filter(({ pkiId }) => {
          const identity = identities.get(idOf(pkiId))
          return identity !== undefined && Either.isRight(support.satisfiesPrincipal(channelId, identity, principal))
        })
        groups.set(key, { name: `G${groups.size}`, principal, members })
      }

    const layouts: Array<discovery.Layout> = []
    const included = new Set<Group>()
    for (const set of sets) {
      const quantities = new Map<Group, number>()
      for (const { principal } of set) {
        const group = groups.get(keyOf(principal))
        if (group !== undefined) quantities.set(group, (quantities.get(group) ?? 0) + 1)
      }
      if ([...quantities].some(([{ members }, quantity]) => members.length < quantity)) continue
      for (const group of quantities.keys()) included.add(group)
      const quantitiesByGroup = new Map([...quantities].map(([{ name }, quantity]) => [name, quantity]))
      layouts.push(discovery.Layout.create({ quantitiesByGroup }))
    }
    if (layouts.length === 0) return yield* failed("cannot satisfy any principal combination")

    const peerOf = (member: NetworkMember): discovery.Peer => {
      const id = idOf(member.pkiId)
      return discovery.Peer.create({
        identity: identities.get(id) ?? new Uint8Array(),
        membershipInfo: member.envelope,
        stateInfo: inChannel.get(id)?.envelope
      })
    }
    return discovery.EndorsementDescriptor.create({
      chaincode: interest.chaincodes[0]?.name ?? "",
      layouts,
      endorsersByGroups: new Map(
        [...included].map(({ members, name }) => [name, discovery.Peers.create({ peers: members.map(peerOf) })])
      )
    })
  })
