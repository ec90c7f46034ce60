/** Collections by organisation; the peers of a fake network prove that they belong by their identity. */
import type { Collection, Membership } from "../../../src/gossip/privdata/index.js"
import { common } from "../../../src/wire/index.js"
import { equalBytes, toText, utf8 } from "../../../src/wire/protoutil.js"
import type { FakeNetwork } from "../fakes.js"

/** A collection whose policy is a list of MSP ids. */
export const collectionOf = (
  name: string,
  orgs: ReadonlyArray<string>,
  { required = 0, maximum = 3, blockToLive = 0n } = {}
): Collection =>
  common.StaticCollectionConfig.create({
    name,
    requiredPeerCount: required,
    maximumPeerCount: maximum,
    blockToLive,
    memberOrgsPolicy: common.CollectionPolicyConfig.create({
      signaturePolicy: common.SignaturePolicyEnvelope.create({
        identities: orgs.map((org) => common.MSPPrincipal.create({ principal: utf8(org) }))
      })
    })
  })

const orgsOf = (collection: Collection): ReadonlyArray<string> =>
  (collection.memberOrgsPolicy?.signaturePolicy?.identities ?? []).map(({ principal }) => toText(principal))

export const byOrg = (network: FakeNetwork): Membership => ({
  mayHave: (collection, { identity }) => {
    const node = network.nodes.find((one) => equalBytes(one.identity, identity))
    return node !== undefined && orgsOf(collection).includes(node.org)
  },
  orgs: orgsOf
})
