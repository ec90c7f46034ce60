/** What the peer publishes of its chaincodes: installed here and instantiated there, whichever came last (acceptance 22). */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Scope from "effect/Scope"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { recognisePackage } from "../../../src/chaincode/packages/ChaincodePackage.js"
import * as PackageStoreModule from "../../../src/chaincode/packages/PackageStore.js"
import { PackageStore } from "../../../src/chaincode/packages/PackageStore.js"
import { sha256 } from "../../../src/crypto/index.js"
import {
  ChaincodeEvents,
  type ChaincodeLifecycleListener,
  type ChaincodeMetadata,
  deployedCollection,
  isDeployed,
  Lifecycle,
  type ListenedChannel,
  layerChaincodeEvents,
  layerLifecycle
} from "../../../src/peer/lifecycle/index.js"
import { ccprovider, common } from "../../../src/wire/index.js"
import { utf8 } from "../../../src/wire/protoutil.js"
import { deploymentSpec } from "../scc/support.js"

const CHANNEL = "mychannel"
let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "lifecycle-"))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const packageOf = (name: string, version: string) =>
  Either.getOrThrow(recognisePackage(deploymentSpec({ name, version }), sha256))

const index = { name: "META-INF/statedb/couchdb/indexes/i.json", content: utf8('{"index":{"fields":["a"]}}') }

/** A channel's state as a map, with the number of queries that are open. */
const channelOf = (id = CHANNEL) => {
  const state = new Map<string, Uint8Array>()
  let open = 0
  const channel: ListenedChannel = {
    id,
    query: Effect.sync(() => {
      open++
      return { getState: (namespace, key) => (namespace === "lscc" ? state.get(key) : undefined), done: () => open-- }
    })
  }
  const put = (name: string, version: string, more: Partial<ccprovider.ChaincodeData> = {}) =>
    state.set(
      name,
      ccprovider.ChaincodeData.encode({
        ...ccprovider.ChaincodeData.create({ name, version, id: packageOf(name, version).id, policy: utf8("p") }),
        ...more
      })
    )
  return { channel, state, put, open: () => open }
}

/** Packages, events and cache as the peer builds them; `told` has every update in order. */
const withCache = <A>(
  installedAtStart: ReadonlyArray<readonly [string, string]>,
  use: (cache: {
    readonly lifecycle: Lifecycle["Type"]
    readonly events: ChaincodeEvents["Type"]
    readonly install: (name: string, version: string) => Effect.Effect<void, unknown>
    readonly open: (channel: ListenedChannel) => Effect.Effect<void, unknown, Scope.Scope>
    readonly told: Array<readonly [string, ReadonlyArray<string>]>
  }) => Effect.Effect<A, unknown, Scope.Scope>
): Promise<A> => {
  const packages = PackageStoreModule.layer(join(root, "chaincodes"), sha256)
  const first = Effect.flatMap(PackageStore, (store) =>
    Effect.forEach(installedAtStart, ([name, version]) => store.put(packageOf(name, version)))
  )
  const runtime = ManagedRuntime.make(
    Layer.merge(layerChaincodeEvents, layerLifecycle).pipe(
      Layer.provideMerge(Layer.effectDiscard(first)),
      Layer.provideMerge(packages)
    )
  )
  return runtime
    .runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const lifecycle = yield* Lifecycle
          const events = yield* ChaincodeEvents
          const store = yield* PackageStore
          const told: Array<readonly [string, ReadonlyArray<string>]> = []
          yield* lifecycle.addListener((id, chaincodes) =>
            Effect.sync(() => void told.push([id, chaincodes.map(({ name, version }) => `${name}:${version}`)]))
          )
          return yield* use({
            lifecycle,
            events,
            told,
            install: (name, version) => {
              const found = packageOf(name, version)
              return events.installing(found, [index], store.put(found))
            },
            open: (channel) => events.register(channel, lifecycle.newChannelSubscription(channel))
          })
        })
      )
    )
    .finally(() => runtime.dispose())
}

const versions = (chaincodes: ReadonlyArray<ChaincodeMetadata>) => chaincodes.map((one) => `${one.name}:${one.version}`)

const shown = (found: ChaincodeMetadata | undefined) =>
  found === undefined
    ? undefined
    : [found.version, ...[found.policy, found.collections].map((bytes) => Buffer.from(bytes ?? []).toString())]

describe("what is known of a channel when it is opened", () => {
  test("the very code that is installed, in the order of names; listeners hear of it", async () => {
    const { channel, open, put } = channelOf()
    put("b", "1")
    put("a", "2")
    put("other-version", "2")
    put("other-code", "1", { id: utf8("another fingerprint") })
    put("not-installed", "1")
    await withCache(
      [
        ["b", "1"],
        ["a", "2"],
        ["other-version", "1"],
        ["other-code", "1"],
        ["not-instantiated", "1"]
      ],
      (cache) =>
        Effect.gen(function* () {
          yield* cache.open(channel)
          expect(cache.told).toEqual([[CHANNEL, ["a:2", "b:1"]]])
          expect(versions(cache.lifecycle.chaincodes(CHANNEL))).toEqual(["a:2", "b:1"])
          expect(open()).toBe(0)
        })
    )
  })
  test("a record that is none, or of another name, is passed over", async () => {
    const { channel, put, state } = channelOf()
    put("good", "1")
    state.set("torn", utf8("\u000a\u00ffx"))
    put("liar", "1", { name: "good" })
    await withCache(
      [
        ["good", "1"],
        ["torn", "1"],
        ["liar", "1"]
      ],
      (cache) =>
        Effect.gen(function* () {
          yield* cache.open(channel)
          expect(cache.told).toEqual([[CHANNEL, ["good:1"]]])
        })
    )
  })
  test("one unreadable package hides all of them, as in the reference (T26)", async () => {
    const { channel, put } = channelOf()
    put("good", "1")
    await withCache([["good", "1"]], () => Effect.void)
    writeFileSync(join(root, "chaincodes", "torn.1"), "no package")
    await withCache([], (cache) =>
      Effect.gen(function* () {
        yield* cache.open(channel)
        expect(cache.told).toEqual([[CHANNEL, []]])
      })
    )
  })
  test("packages of the new lifecycle's store count", async () => {
    const { channel, put } = channelOf()
    put("fresh", "1", { id: Uint8Array.of(0xab, 0xcd) })
    await withCache([], () => Effect.void)
    writeFileSync(join(root, "chaincodes", "abcd.json"), '{"Name":"fresh","Version":"1"}')
    await withCache([], (cache) =>
      Effect.gen(function* () {
        yield* cache.open(channel)
        expect(cache.told).toEqual([[CHANNEL, ["fresh:1"]]])
      })
    )
  })
  test("state that cannot be read fails the subscription", async () => {
    const broken: ListenedChannel = { id: CHANNEL, query: Effect.fail(new Error("database is closed")) }
    const reason = await withCache([["a", "1"]], ({ open }) => Effect.flip(open(broken)))
    expect(reason).toMatchObject({ _tag: "DefinitionsUnreadable", message: "database is closed" })
  })
  test("a listener that comes late hears of what is known; a closed channel is forgotten", async () => {
    const { channel, put } = channelOf()
    put("a", "1")
    await withCache([["a", "1"]], ({ lifecycle, open }) =>
      Effect.gen(function* () {
        const late: Array<string> = []
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* open(channel)
            yield* lifecycle.addListener((id, chaincodes) =>
              Effect.sync(() => void late.push(id, ...versions(chaincodes)))
            )
          })
        )
        expect(late).toEqual([CHANNEL, "a:1"])
        expect(lifecycle.chaincodes(CHANNEL)).toEqual([])
        expect(yield* lifecycle.metadata(CHANNEL, "a", false)).toBeUndefined()
      })
    )
  })
})

describe("installed and instantiated, whichever came last", () => {
  test("instantiated while installed", async () => {
    const { channel, put } = channelOf()
    await withCache([], (cache) =>
      Effect.gen(function* () {
        yield* cache.open(channel)
        yield* cache.install("cc", "1")
        expect(cache.told).toEqual([[CHANNEL, []]])
        put("cc", "1")
        yield* cache.events.deployed(CHANNEL, ["cc"])
        expect(cache.told.at(-1)).toEqual([CHANNEL, ["cc:1"]])
      })
    )
  })
  test("installed while instantiated, on the channels where it is that code", async () => {
    const one = channelOf()
    const two = channelOf("second")
    const three = channelOf("third")
    one.put("cc", "1")
    two.put("cc", "1", { id: utf8("other code") })
    three.put("cc", "2")
    await withCache([], (cache) =>
      Effect.gen(function* () {
        for (const { channel } of [one, two, three]) yield* cache.open(channel)
        const before = cache.told.length
        yield* cache.install("cc", "1")
        expect(cache.told.slice(before)).toEqual([[CHANNEL, ["cc:1"]]])
      })
    )
  })
  test("not when only another version is installed; the old one stays (gossip-discovery trap 31)", async () => {
    const { channel, put, state } = channelOf()
    put("cc", "1")
    await withCache([["cc", "1"]], (cache) =>
      Effect.gen(function* () {
        yield* cache.open(channel)
        put("cc", "2", { policy: utf8("new policy") })
        state.set("cc~collection", utf8("collections"))
        yield* cache.events.deployed(CHANNEL, ["cc"])
        expect(cache.told).toHaveLength(1)
        const cached = yield* cache.lifecycle.metadata(CHANNEL, "cc", false)
        expect(shown(cached)).toEqual(["1", "p", ""])
        const asked = yield* cache.lifecycle.metadata(CHANNEL, "cc", true)
        expect(shown(asked)).toEqual(["2", "new policy", "collections"])
        yield* cache.install("cc", "2")
        expect(cache.told.at(-1)).toEqual([CHANNEL, ["cc:2"]])
        expect(yield* cache.lifecycle.metadata(CHANNEL, "cc", false)).toMatchObject({ version: "2" })
      })
    )
  })
  test("a failed install changes nothing, and the next one counts", async () => {
    const { channel, put } = channelOf()
    put("cc", "1")
    await withCache([], (cache) =>
      Effect.gen(function* () {
        yield* cache.open(channel)
        const found = packageOf("cc", "1")
        const failed = yield* Effect.flip(cache.events.installing(found, [], Effect.fail("disk full")))
        expect(failed).toBe("disk full")
        expect(versions(cache.lifecycle.chaincodes(CHANNEL))).toEqual([])
        yield* cache.install("cc", "1")
        expect(versions(cache.lifecycle.chaincodes(CHANNEL))).toEqual(["cc:1"])
      })
    )
  })
  test("an install and a deployment at the same moment are not missed", async () => {
    const { channel, put } = channelOf()
    await withCache([], (cache) =>
      Effect.gen(function* () {
        yield* cache.open(channel)
        const store = packageOf("cc", "1")
        const writing = yield* Deferred.make<void>()
        const written = yield* Deferred.make<void>()
        // the install has looked at the channel and found nothing; now the block comes, then the file is written
        const install = yield* Effect.fork(
          cache.events.installing(
            store,
            [],
            Effect.zipRight(
              Effect.zipRight(Deferred.succeed(writing, undefined), Deferred.await(written)),
              Effect.sync(() => writeFileSync(join(root, "chaincodes", "cc.1"), store.bytes))
            )
          )
        )
        yield* Deferred.await(writing)
        put("cc", "1")
        const deployed = yield* Effect.fork(cache.events.deployed(CHANNEL, ["cc"]))
        yield* Effect.yieldNow()
        yield* Deferred.succeed(written, undefined)
        yield* Fiber.joinAll([install, deployed])
        expect(versions(cache.lifecycle.chaincodes(CHANNEL))).toEqual(["cc:1"])
      })
    )
  })
})

describe("listeners of a channel", () => {
  const recorder = (told: Array<string>, fails = false): ChaincodeLifecycleListener => ({
    handleChaincodeDeploy: (chaincode, artifacts) =>
      Effect.zipRight(
        Effect.sync(
          () => void told.push(`${chaincode.name}:${chaincode.version} ${artifacts.map(({ name }) => name).join(" ")}`)
        ),
        fails ? Effect.fail(new Error("index refused")) : Effect.void
      ),
    chaincodeDeployDone: (succeeded) => Effect.sync(() => void told.push(`done ${succeeded}`))
  })
  test("get the package's files for the state database, at install and at deployment; one's failure is its own", async () => {
    const { channel, put } = channelOf()
    await withCache([], (cache) =>
      Effect.gen(function* () {
        const first: Array<string> = []
        const second: Array<string> = []
        yield* cache.events.register(channel, Effect.succeed(recorder(first, true)))
        yield* cache.events.register(channel, Effect.succeed(recorder(second)))
        const spec = deploymentSpec({
          name: "cc",
          version: "1",
          files: [{ name: "src/package.json", content: utf8("{}") }, index]
        })
        const found = yield* recognisePackage(spec, sha256)
        put("cc", "1", { id: found.id })
        const store = join(root, "chaincodes", "cc.1")
        yield* cache.events.installing(
          found,
          [index],
          Effect.sync(() => writeFileSync(store, spec))
        )
        yield* cache.events.deployed(CHANNEL, ["cc", "nobody"])
        const expected = [`cc:1 ${index.name}`, "done true", `cc:1 ${index.name}`, "done true"]
        expect(second).toEqual(expected)
        expect(first).toEqual(expected)
      })
    )
  })
  test("hear nothing of what is not installed, nor after they left", async () => {
    const { channel, put } = channelOf()
    put("cc", "1")
    await withCache([], (cache) =>
      Effect.gen(function* () {
        const told: Array<string> = []
        yield* Effect.scoped(
          Effect.zipRight(
            cache.events.register(channel, Effect.succeed(recorder(told))),
            cache.events.deployed(CHANNEL, ["cc"])
          )
        )
        yield* cache.install("cc", "1")
        yield* cache.events.deployed(CHANNEL, ["cc"])
        expect(told).toEqual([])
      })
    )
  })
})

describe("asked for one chaincode", () => {
  test("unknown channels and chaincodes are undefined; what is not installed here is read from state", async () => {
    const { channel, put } = channelOf()
    put("elsewhere", "3")
    await withCache([], ({ lifecycle, open }) =>
      Effect.gen(function* () {
        expect(yield* lifecycle.metadata(CHANNEL, "elsewhere", false)).toBeUndefined()
        yield* open(channel)
        expect(yield* lifecycle.metadata(CHANNEL, "nobody", false)).toBeUndefined()
        expect(yield* lifecycle.metadata(CHANNEL, "elsewhere", false)).toMatchObject({ version: "3" })
      })
    )
  })
})

describe("records in state", () => {
  test("IsChaincodeDeployed wants version and fingerprint; collections are found by name", () => {
    const { put, state } = channelOf()
    put("cc", "1")
    const collection = common.StaticCollectionConfig.create({ name: "secret", requiredPeerCount: 1 })
    state.set(
      "cc~collection",
      common.CollectionConfigPackage.encode({ config: [{ staticCollectionConfig: collection }] })
    )
    const reads = { getState: (_: string, key: string) => state.get(key) }
    const { id } = packageOf("cc", "1")
    expect(isDeployed(reads, { name: "cc", version: "1", id })).toBe(true)
    expect(isDeployed(reads, { name: "cc", version: "2", id })).toBe(false)
    expect(isDeployed(reads, { name: "cc", version: "1", id: utf8("x") })).toBe(false)
    expect(isDeployed(reads, { name: "dd", version: "1", id })).toBe(false)
    expect(deployedCollection(reads, "cc", "secret")?.requiredPeerCount).toBe(1)
    expect(deployedCollection(reads, "cc", "other")).toBeUndefined()
    expect(deployedCollection(reads, "dd", "secret")).toBeUndefined()
  })
})
