import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { describe, expect } from "vitest"
import { makeDistributor } from "../../../src/gossip/privdata/index.js"
import { common, gossip, transientstore } from "../../../src/wire/index.js"
import { toText, utf8 } from "../../../src/wire/protoutil.js"
import { FakeNetwork } from "../fakes.js"
import { byOrg, collectionOf } from "./support.js"

const CHANNEL = "ch"

const dataOf = (collections: ReadonlyArray<common.StaticCollectionConfig>, namespace = "cc") =>
  transientstore.TxPvtReadWriteSetWithConfigInfo.create({
    pvtRwset: {
      nsPvtRwset: [
        {
          namespace,
          collectionPvtRwset: collections.map(({ name }) => ({
            collectionName: name,
            rwset: utf8(`secret of ${name}`)
          }))
        }
      ]
    },
    collectionConfigs: new Map([
      [
        "cc",
        common.CollectionConfigPackage.create({
          config: collections.map((staticCollectionConfig) =>
            common.CollectionConfig.create({ staticCollectionConfig })
          )
        })
      ]
    ])
  })

const world = (orgs: ReadonlyArray<string>) => {
  const network = new FakeNetwork()
  const self = network.node("self", "Org1MSP")
  for (const [i, org] of orgs.entries()) network.node(`peer${i}.${org}`, org)
  const seconds: Array<string> = []
  const distribute = makeDistributor({
    channelId: CHANNEL,
    gossip: self.gossip,
    membership: byOrg(network),
    metrics: (step) => void seconds.push(step),
    pushAckTimeoutMs: 100,
    random: Math.random
  })
  return { distribute, network, seconds, self }
}

describe("distribution at endorsement", () => {
  it.effect("sends each set alone, with its own configuration, as the reference does", () =>
    Effect.gen(function* () {
      const { distribute, seconds, self } = world(["Org1MSP", "Org2MSP", "Org2MSP"])
      const both = collectionOf("both", ["Org1MSP", "Org2MSP"], { required: 1, maximum: 2 })
      const own = collectionOf("own", ["Org1MSP"], { required: 0, maximum: 3 })
      yield* distribute("tx1", dataOf([both, own]), 7n)
      const payloads = self.sent.map(({ channel, privateData, tag }) => {
        expect(tag).toBe(gossip.GossipMessage_Tag.CHAN_ONLY)
        expect(toText(channel)).toBe(CHANNEL)
        return privateData?.payload
      })
      expect(payloads.map((payload) => payload?.collectionName).sort()).toEqual(["both", "both", "own"])
      for (const payload of payloads) {
        expect(payload?.txId).toBe("tx1")
        expect(payload?.privateSimHeight).toBe(7n)
        expect(toText(payload?.privateRwset ?? utf8(""))).toBe(`secret of ${payload?.collectionName}`)
        expect(payload?.collectionConfigs?.config.map((one) => one.staticCollectionConfig?.name)).toEqual([
          payload?.collectionName
        ])
      }
      expect(seconds).toEqual(["send", "send", "send"])
    })
  )

  it.effect("fails with the reference's text when too few members are known", () =>
    Effect.gen(function* () {
      const { distribute, self } = world(["Org3MSP"])
      const { left } = yield* Effect.either(
        distribute("tx", dataOf([collectionOf("c", ["Org1MSP", "Org2MSP"], { required: 2, maximum: 3 })]), 1n)
      ).pipe(
        Effect.map(Either.flip),
        Effect.map((flipped) => ({ left: Either.getOrThrow(flipped) }))
      )
      expect(left.message).toBe(
        "could not build private data dissemination plan for chaincode cc and collection c: required to disseminate to at least 2 peers, but know of only 0 eligible peers"
      )
      expect(self.sent).toEqual([])
    })
  )

  it.effect("fails when a peer that must acknowledge does not; others may be silent", () =>
    Effect.gen(function* () {
      const { distribute, network } = world(["Org2MSP", "Org2MSP", "Org2MSP"])
      network.lost = () => true
      const failed = yield* Effect.flip(
        distribute("tx", dataOf([collectionOf("c", ["Org2MSP"], { required: 2, maximum: 3 })]), 1n)
      )
      expect(failed.message).toBe("Failed disseminating 2 out of 3 private dissemination plans")
      yield* distribute("tx", dataOf([collectionOf("c", ["Org2MSP"], { required: 0, maximum: 3 })]), 1n)
    })
  )

  it.effect("sends nothing when the maximum is none", () =>
    Effect.gen(function* () {
      const { distribute, self } = world(["Org2MSP"])
      yield* distribute("tx", dataOf([collectionOf("c", ["Org2MSP"], { required: 0, maximum: 0 })]), 1n)
      expect(self.sent).toEqual([])
    })
  )

  it.effect("names what is not configured", () =>
    Effect.gen(function* () {
      const { distribute } = world([])
      const nothing = dataOf([collectionOf("c", ["Org2MSP"], { required: 0, maximum: 0 })], "other")
      expect((yield* Effect.flip(distribute("tx", nothing, 1n))).message).toBe(
        "collection config package forotherchaincode is not provided"
      )
    })
  )
})
