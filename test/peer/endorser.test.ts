/** The endorser's pure parts: private data with its configurations, who must get it, decorations, the peer's address. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { describe, expect, test } from "vitest"
import { historyOf } from "../../src/peer/channels/history.js"
import { decorate } from "../../src/peer/endorser/decorators.js"
import { responsePayload } from "../../src/peer/endorser/payload.js"
import { PluginEndorser } from "../../src/peer/endorser/plugins.js"
import { assemblePrivateData } from "../../src/peer/endorser/privateData.js"
import { peerEndpoint } from "../../src/peer/stages/Addresses.js"
import { hasOwnListener } from "../../src/peer/stages/AdminService.js"
import { common, protos, rwset } from "../../src/wire/index.js"
import { proposalHash, toHex, utf8 } from "../../src/wire/protoutil.js"
import { outcome } from "./support.js"

// ---- Private data --------------------------------------------------------------------------------------------------

const collection = (name: string, requiredPeerCount = 0) => ({ staticCollectionConfig: { name, requiredPeerCount } })
const packageOf = (...collections: ReadonlyArray<ReturnType<typeof collection>>) =>
  common.CollectionConfigPackage.encode({ config: [...collections] })
const writes = (...sets: ReadonlyArray<readonly [namespace: string, ...collections: ReadonlyArray<string>]>) =>
  rwset.TxPvtReadWriteSet.create({
    nsPvtRwset: sets.map(([namespace, ...collections]) => ({
      namespace,
      collectionPvtRwset: collections.map((collectionName) => ({ collectionName, rwset: utf8(collectionName) }))
    }))
  })

/** `lscc` with the packages of chaincodes; keeps what was asked of it. */
const lscc = (packages: Readonly<Record<string, Uint8Array>>) => {
  const asked: Array<string> = []
  return {
    asked,
    getState: (namespace: string, key: string) => {
      asked.push(`${namespace}/${key}`)
      return packages[key]
    }
  }
}

describe("private writes with their configurations", () => {
  test("the collections written, each chaincode asked for once", () => {
    const { asked, getState } = lscc({
      "a~collection": packageOf(collection("one"), collection("two", 3), collection("three")),
      "b~collection": packageOf(collection("one"))
    })
    const data = Either.getOrThrow(
      assemblePrivateData(writes(["a", "three", "one"], ["b", "one"], ["a", "one"]), getState, 7n)
    )
    expect(data.endorsedAt).toBe(7n)
    const names = (namespace: string) =>
      data.collectionConfigs.get(namespace)?.config.map((config) => config.staticCollectionConfig?.name)
    expect(names("a")).toEqual(["one", "three"])
    expect(names("b")).toEqual(["one"])
    expect(asked).toEqual(["lscc/a~collection", "lscc/b~collection"])
  })
  test("are refused without them", () => {
    const of = (getState: (namespace: string, key: string) => Uint8Array | undefined) =>
      Either.getOrElse(Either.flip(assemblePrivateData(writes(["a", "one"]), getState, 1n)), () => "ok")
    expect(of(() => undefined)).toBe('no collection config for chaincode "a"')
    expect(of(() => Uint8Array.of(0xff))).toMatch(/^invalid configuration for collection criteria "a": /)
    expect(
      of(() => {
        throw new Error("closed")
      })
    ).toBe('error while retrieving collection config for chaincode "a": closed')
  })
})

// ---- What is signed ------------------------------------------------------------------------------------------------

describe("the response payload", () => {
  const header = { channelHeader: utf8("channel"), signatureHeader: utf8("signature") }
  const input = utf8("input")
  const parts = {
    header,
    payload: protos.ChaincodeProposalPayload.encode({
      input,
      transientMap: new Map([["secret", utf8("s")]])
    }),
    response: protos.Response.create({ status: 200, payload: utf8("p") }),
    results: utf8("rwset"),
    event: undefined,
    chaincodeId: protos.ChaincodeID.create({ name: "cc", version: "1" })
  }
  const hashOf = (bytes: Uint8Array) => toHex(protos.ProposalResponsePayload.decode(bytes).proposalHash)
  test("hashes the proposal without its transient data", () => {
    const without = protos.ChaincodeProposalPayload.encode({ input })
    expect(hashOf(responsePayload(parts))).toBe(hashOf(responsePayload({ ...parts, payload: without })))
    expect(hashOf(responsePayload(parts))).toBe(toHex(proposalHash(header, without)))
    const other = protos.ChaincodeProposalPayload.encode({ input: utf8("else") })
    expect(hashOf(responsePayload(parts))).not.toBe(hashOf(responsePayload({ ...parts, payload: other })))
  })
  test("has no event and no results where there were none", () => {
    const action = (bytes: Uint8Array) =>
      protos.ChaincodeAction.decode(protos.ProposalResponsePayload.decode(bytes).extension)
    expect(action(responsePayload(parts)).events.length).toBe(0)
    const event = protos.ChaincodeEvent.create({ eventName: "e" })
    expect(protos.ChaincodeEvent.decode(action(responsePayload({ ...parts, event })).events).eventName).toBe("e")
    const bare = action(responsePayload({ ...parts, results: undefined }))
    expect([bare.results.length, bare.chaincodeId?.name]).toEqual([0, "cc"])
  })
  test("of a payload that does not decode is refused", () => {
    expect(() => responsePayload({ ...parts, payload: Uint8Array.of(0xff) })).toThrow()
  })
})

describe("plugins", () => {
  test("one is made per channel, and one that is not there is named", async () => {
    const made: Array<string> = []
    const endorsed = { endorsement: protos.Endorsement.create({}), payload: utf8("p") }
    const plugins = new PluginEndorser(
      new Map([
        [
          "escc",
          (channel: string) => {
            made.push(channel)
            return { endorse: () => Effect.succeed(endorsed) }
          }
        ]
      ])
    )
    const endorse = (plugin: string, channel: string) =>
      Effect.runPromise(Effect.either(plugins.endorse(plugin, channel, utf8("p"), protos.SignedProposal.create({}))))
    for (const channel of ["a", "b", "a"]) expect(Either.isRight(await endorse("escc", channel))).toBe(true)
    expect(made).toEqual(["a", "b"])
    expect(outcome(await endorse("mine", "a"))).toBe(
      "plugin with name mine could not be used: plugin with name mine wasn't found"
    )
  })
})

test("decorators run in order, each on what the last one gave", () => {
  const add = (key: string) => (_: protos.Proposal, before: ReadonlyMap<string, Uint8Array>) =>
    new Map([...before, [key, Uint8Array.of(before.size)]])
  const all = decorate([add("a"), add("b")], protos.Proposal.create({}))
  expect([...all].map(([key, value]) => [key, ...value])).toEqual([
    ["a", 0],
    ["b", 1]
  ])
})

test("without its database history refuses the question, not the transaction", async () => {
  const ledger = { newHistoryQueryExecutor: Effect.dieMessage("asked the ledger") }
  const executor = await Effect.runPromise(historyOf(ledger, false))
  expect(() => executor.getHistoryForKey("cc", "key")).toThrow("history database not enabled")
  expect(() => Effect.runSync(historyOf(ledger, true))).toThrow("asked the ledger")
})

// ---- Addresses -----------------------------------------------------------------------------------------------------

describe("the peer's address", () => {
  const at = (address: string, autoDetect = false) =>
    Either.map(peerEndpoint({ address, autoDetect, localAddress: "10.1.2.3" }), ({ endpoint, host }) => [
      endpoint,
      host
    ])
  test.each([
    ["peer0:7051", false, "peer0:7051", "peer0"],
    ["peer0:7051", true, "10.1.2.3:7051", "10.1.2.3"],
    ["0.0.0.0:7051", false, "10.1.2.3:7051", "10.1.2.3"],
    ["[::]:7051", false, "10.1.2.3:7051", "10.1.2.3"],
    ["[::1]:7051", false, "[::1]:7051", "::1"]
  ])("%s, detected %s", (address, autoDetect, endpoint, host) => {
    expect(at(address, autoDetect)).toEqual(Either.right([endpoint, host]))
  })
  test("must be there, with a port", () => {
    expect(outcome(at(""))).toBe("peer.address isn't set")
    expect(outcome(at("peer0"))).toBe("peer.address isn't in host:port format: peer0")
  })
})

describe("the admin service has a server of its own", () => {
  test.each([
    ["", "right false"],
    ["127.0.0.1:7051", "right false"],
    ["0.0.0.0:7051", "right false"],
    ["0.0.0.0:7055", "right true"],
    ["nonsense", "Failed parsing admin listen address: address nonsense: missing port in address"]
  ])("%s: %s", (admin, expected) => {
    expect(
      Either.match(hasOwnListener("0.0.0.0:7051", admin), {
        onLeft: ({ message }) => message,
        onRight: (own) => `right ${own}`
      })
    ).toBe(expected)
  })
})
