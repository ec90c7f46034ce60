/** Indexes of packages: made once the chaincode is installed here and instantiated there, in either order (R69). */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { describe, expect, it } from "vitest"
import { recognisePackage } from "../../../src/chaincode/packages/ChaincodePackage.js"
import * as PackageStoreModule from "../../../src/chaincode/packages/PackageStore.js"
import { PackageStore } from "../../../src/chaincode/packages/PackageStore.js"
import { sha256 } from "../../../src/crypto/index.js"
import { LedgerFailed, makeLedgerProvider, type PeerLedgerShape } from "../../../src/ledger/index.js"
import { ensureIndexes, indexListener } from "../../../src/peer/ccevents/index.js"
import { ChaincodeEvents, layerChaincodeEvents } from "../../../src/peer/lifecycle/index.js"
import { ccprovider, common } from "../../../src/wire/index.js"
import { utf8 } from "../../../src/wire/protoutil.js"
import { commitOne, genesis } from "../../ledger/peer/chain.js"
import { run, tempDir } from "../../ledger/support.js"
import { deploymentSpec } from "../scc/support.js"

const index = (field: string) => utf8(JSON.stringify({ index: { fields: [field] }, name: field, type: "json" }))
const files = [
  { name: "src/package.json", content: utf8("{}") },
  { name: "META-INF/statedb/couchdb/indexes/a.json", content: index("a") },
  { name: "META-INF/statedb/couchdb/indexes/refused.json", content: index("refused") },
  { name: "META-INF/statedb/couchdb/collections/coll/indexes/b.json", content: index("b") },
  { name: "META-INF/statedb/couchdb/collections/unknown/indexes/c.json", content: index("c") }
]
const code = Either.getOrThrow(recognisePackage(deploymentSpec({ name: "cc", version: "1", files }), sha256))
const artifacts = files.slice(1)

const deploy = (ledger: PeerLedgerShape, version = "1", id = code.id) =>
  commitOne(ledger, `deploy ${version}`, (sim) => {
    sim.setState("lscc", "cc", ccprovider.ChaincodeData.encode({ name: "cc", version, id }))
    sim.setState(
      "lscc",
      "cc~collection",
      common.CollectionConfigPackage.encode({ config: [{ staticCollectionConfig: { name: "coll" } }] })
    )
  })

const expected = ["cc/-:a", "cc/-:refused", "cc/coll:b"]

/** A ledger whose database notes what it is asked for and refuses one index, with the peer's events around it. */
const setting = Effect.gen(function* () {
  const dir = yield* tempDir
  const provider = yield* makeLedgerProvider({ root: path.join(dir, "ledgersData") })
  const made: Array<string> = []
  const ledger: PeerLedgerShape = {
    ...(yield* provider.create(genesis())),
    createIndex: (chaincode, collection, { name }) => {
      made.push(`${chaincode}/${collection ?? "-"}:${String(name)}`)
      return name === "refused"
        ? Effect.fail(new LedgerFailed({ channel: "ch", op: "index", cause: new Error("no") }))
        : Effect.void
    }
  }
  const packages = PackageStoreModule.layer(path.join(dir, "chaincodes"), sha256)
  const context = yield* Layer.build(Layer.provideMerge(layerChaincodeEvents, packages))
  const open = Effect.flatMap(ChaincodeEvents, ({ register }) =>
    register({ id: "ch", query: ledger.newQueryExecutor }, Effect.as(ensureIndexes(ledger), indexListener(ledger)))
  ).pipe(Effect.provide(context))
  const events = yield* Effect.provide(ChaincodeEvents, context)
  const store = yield* Effect.provide(PackageStore, context)
  const install = events.installing(code, artifacts, store.put(code))
  return { ledger, made, open, events, install }
})

describe("indexes of packages", () => {
  it("installed first: with the block that instantiates, a refused one and an undefined collection aside", () =>
    run(
      Effect.gen(function* () {
        const { events, install, ledger, made, open } = yield* setting
        yield* open
        yield* install
        expect(made).toEqual([])
        yield* deploy(ledger)
        yield* events.deployed("ch", ["cc"])
        expect(made).toEqual(expected)
      })
    ))

  it("instantiated first: with the install of that very code", () =>
    run(
      Effect.gen(function* () {
        const { events, install, ledger, made, open } = yield* setting
        yield* open
        yield* deploy(ledger)
        yield* events.deployed("ch", ["cc"])
        expect(made).toEqual([])
        yield* install
        expect(made).toEqual(expected)
      })
    ))

  it("of another version or other code: none", () =>
    run(
      Effect.gen(function* () {
        const { events, install, ledger, made, open } = yield* setting
        yield* open
        yield* deploy(ledger, "2")
        yield* events.deployed("ch", ["cc"])
        yield* install
        yield* deploy(ledger, "1", utf8("another fingerprint"))
        expect(made).toEqual([])
      })
    ))

  it("at the opening of a channel: of what is installed and instantiated already", () =>
    run(
      Effect.gen(function* () {
        const { install, ledger, made, open } = yield* setting
        yield* install
        yield* deploy(ledger)
        yield* open
        expect(made).toEqual(expected)
      })
    ))
})
