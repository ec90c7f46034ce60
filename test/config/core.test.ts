/** core.yaml: precedence, lookup, defaults, structures, the reference's texts; the generated files. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { CoreYaml } from "../../src/config/core/schema.js"
import { configurationPage, shippedFile } from "../../src/config/document.js"
import { configLines, decodeCore, explainCore, loadCoreConfig } from "../../src/config/index.js"
import { layoutOf, leavesOf } from "../../src/config/schema.js"

const folder = mkdtempSync(join(tmpdir(), "core-config-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = join(folder, "core.yaml")
const root = new URL("../../", import.meta.url)
const shipped = readFileSync(new URL("config/core.yaml", root), "utf8")

const decode = (text: string, env: Record<string, string> = {}, overrides: Record<string, string> = {}) =>
  decodeCore(file, text, { env, cwd: folder, overrides })
const load = (text: string, env: Record<string, string> = {}, overrides: Record<string, string> = {}) =>
  Either.getOrThrow(decode(text, env, overrides))
const fault = (text: string, env: Record<string, string> = {}) => {
  const decoded = decode(text, env)
  if (Either.isRight(decoded)) throw new Error("was accepted")
  if (decoded.left._tag !== "ConfigInvalid") throw decoded.left
  return decoded.left
}

describe("generated files", () => {
  it("are up to date (node scripts/generate-config-docs.mjs)", () => {
    assert.strictEqual(readFileSync(new URL("docs/configuration.md", root), "utf8"), configurationPage())
    assert.strictEqual(shipped, shippedFile("core.yaml"))
    assert.strictEqual(readFileSync(new URL("config/orderer.yaml", root), "utf8"), shippedFile("orderer.yaml"))
  })
})

describe("the shipped file", () => {
  it("has the values of Fabric's sample", () => {
    const { chaincode, ledger, metrics, operations, peer, source, vm } = load(shipped)
    assert.strictEqual(peer.id, "jdoe")
    assert.deepStrictEqual(peer.gossip.bootstrap, ["127.0.0.1:7051"])
    assert.strictEqual(peer.gossip.sendBuffSize, 200)
    assert.isTrue(peer.gossip.pvtData.reconciliationEnabled)
    assert.strictEqual(peer.tls.cert.file, join(folder, "tls/server.crt"))
    assert.deepStrictEqual(peer.tls.clientRootCAs.files, [join(folder, "tls/ca.crt")])
    assert.strictEqual(peer.tls.clientKey.file, "")
    assert.deepStrictEqual(
      peer.handlers.authFilters.map(({ name }) => name),
      ["DefaultAuth", "ExpirationCheck"]
    )
    assert.deepStrictEqual(peer.handlers.decorators, [{ name: "DefaultDecorator", library: "" }])
    assert.deepStrictEqual(peer.handlers.endorsers, new Map([["escc", { name: "DefaultEndorsement", library: "" }]]))
    assert.deepStrictEqual(peer.handlers.validators, new Map([["vscc", { name: "DefaultValidation", library: "" }]]))
    assert.strictEqual(peer.discovery.authCachePurgeRetentionRatio, 0.75)
    assert.strictEqual(peer.validatorPoolSize, 0)
    assert.strictEqual(vm.endpoint, "unix:///var/run/docker.sock")
    assert.strictEqual(vm.docker.hostConfig.memory, 2147483648)
    assert.deepStrictEqual(JSON.parse(JSON.stringify(vm.docker.hostConfig.logConfig)), {
      Type: "json-file",
      Config: { "max-size": "50m", "max-file": "5" }
    })
    assert.deepStrictEqual(
      chaincode.system,
      new Map([
        ["cscc", "enable"],
        ["lscc", "enable"],
        ["qscc", "enable"]
      ])
    )
    assert.deepStrictEqual(chaincode.executetimeout, Duration.seconds(30))
    assert.match(chaincode.logging.format, /^%\{color\}%\{time:2006/)
    assert.strictEqual(ledger.state.totalQueryLimit, 100000)
    assert.isTrue(ledger.history.enableHistoryDatabase)
    assert.strictEqual(operations.listenAddress, "127.0.0.1:9443")
    assert.deepStrictEqual(metrics.statsd.writeInterval, Duration.seconds(10))
    assert.deepStrictEqual(source.notes, [])
  })
})

describe("defaults", () => {
  it("are those of the reading code when nothing is set", () => {
    const { chaincode, ledger, peer, vm } = load("")
    assert.strictEqual(peer.address, "")
    assert.deepStrictEqual(peer.connectiontimeout, Duration.seconds(5))
    assert.deepStrictEqual(peer.keepalive.client.interval, Duration.seconds(60))
    assert.isFalse(peer.gossip.useLeaderElection)
    assert.strictEqual(peer.gossip.sendBuffSize, 20)
    assert.deepStrictEqual(peer.gossip.requestWaitTime, Duration.millis(1500))
    assert.isTrue(peer.gossip.state.enabled)
    assert.isFalse(peer.gossip.pvtData.reconciliationEnabled)
    assert.deepStrictEqual(peer.gossip.pvtData.pullRetryThreshold, Duration.zero)
    assert.strictEqual(peer.localMspType, "bccsp")
    assert.deepStrictEqual(peer.deliveryclient.reconnectTotalTimeThreshold, Duration.hours(1))
    assert.deepStrictEqual(peer.deliveryclient.addressOverrides, [])
    assert.strictEqual(peer.handlers.endorsers.size, 0)
    assert.isFalse(peer.discovery.enabled)
    assert.strictEqual(peer.bccsp.default, "SW")
    assert.strictEqual(peer.tls.maxVersion, "1.2")
    assert.isUndefined(vm.type)
    assert.isUndefined(vm.process.uid)
    assert.strictEqual(chaincode.mode, "net")
    assert.strictEqual(chaincode.system.size, 0)
    assert.strictEqual(ledger.state.stateDatabase, "goleveldb")
    assert.strictEqual(ledger.state.totalQueryLimit, 10000)
    assert.strictEqual(ledger.state.couchDBConfig.maxBatchUpdateSize, 500)
    assert.isTrue(ledger.state.couchDBConfig.autoWarmIndexes)
    assert.strictEqual(ledger.pvtdataStore.purgeInterval, 100)
  })

  it("zero is unset where the reference takes it so, and zero elsewhere", () => {
    const { ledger, peer } = load(
      "peer: {gossip: {sendBuffSize: 0, state: {batchSize: 0}, aliveTimeInterval: 0}}\nledger: {state: {totalQueryLimit: 0}}"
    )
    assert.strictEqual(peer.gossip.sendBuffSize, 20)
    assert.deepStrictEqual(peer.gossip.aliveTimeInterval, Duration.seconds(5))
    assert.strictEqual(peer.gossip.state.batchSize, 0)
    assert.strictEqual(ledger.state.totalQueryLimit, 0)
  })
})

describe("precedence", () => {
  it("override, environment, file, default; empty variables do not count", () => {
    const text = "chaincode: {mode: file}"
    assert.strictEqual(load(text).chaincode.mode, "file")
    assert.strictEqual(load(text, { CORE_CHAINCODE_MODE: "" }).chaincode.mode, "file")
    assert.strictEqual(load(text, { CORE_CHAINCODE_MODE: "env" }).chaincode.mode, "env")
    const dev = load(text, { CORE_CHAINCODE_MODE: "env" }, { "chaincode.mode": "dev" })
    assert.strictEqual(dev.chaincode.mode, "dev")
    assert.deepStrictEqual(dev.source.origins.get("chaincode.mode"), { source: "override" })
  })

  it("every key can be set by its variable, whatever the file has", () => {
    for (const { info, keys } of leavesOf(layoutOf(CoreYaml))) {
      const key = keys.join(".")
      const name = `CORE_${keys.join("_").toUpperCase()}`
      const text = info.type.startsWith("list of {")
        ? undefined
        : (info.fallback ?? (info.type.startsWith("map") ? '{"a":"b"}' : (/^`(.+?)`/.exec(info.type)?.[1] ?? "7")))
      if (text === undefined || info.zeroIsUnset) continue
      const structured = info.type.includes("{")
      const config = load("", { [name]: structured ? "{}" : text })
      assert.deepStrictEqual(config.source.origins.get(key), { source: "env", name }, key)
    }
  })

  it("lists in variables are split at blanks", () => {
    const { peer } = load("", {
      CORE_PEER_GOSSIP_BOOTSTRAP: "a:7051  b:7051",
      CORE_PEER_TLS_CLIENTROOTCAS_FILES: "/y.pem x.pem"
    })
    assert.deepStrictEqual(peer.gossip.bootstrap, ["a:7051", "b:7051"])
    assert.deepStrictEqual(peer.tls.clientRootCAs.files, ["/y.pem", join(folder, "x.pem")])
  })

  it("handlers take variables per leaf, and JSON for a whole map", () => {
    const text = "peer: {handlers: {endorsers: {escc: {name: A, library: L}, mine: {name: B}}}}"
    const { peer } = load(text, {
      CORE_PEER_HANDLERS_ENDORSERS_ESCC_NAME: "Other",
      CORE_PEER_HANDLERS_VALIDATORS_VSCC_NAME: "ignored"
    })
    assert.deepStrictEqual(
      peer.handlers.endorsers,
      new Map([
        ["escc", { name: "Other", library: "L" }],
        ["mine", { name: "B", library: "" }]
      ])
    )
    assert.strictEqual(peer.handlers.validators.size, 0)
    const json = load("", { CORE_CHAINCODE_SYSTEM: '{"cscc":"enable"}' })
    assert.deepStrictEqual(json.chaincode.system, new Map([["cscc", "enable"]]))
  })
})

describe("keys", () => {
  it("any case at the first level only; others are ignored with a hint", () => {
    const { peer, source } = load("Peer:\n  id: a\n  NetworkId: b\n  nonsense: 1\n  gone:\nOther: {x: 1}\n")
    assert.strictEqual(peer.id, "a")
    assert.strictEqual(peer.networkId, "")
    assert.deepStrictEqual(source.notes, [
      "peer.NetworkId (core.yaml:3) is not a key of this program and is ignored; did you mean networkId?",
      "peer.nonsense (core.yaml:4) is not a key of this program and is ignored",
      "Other (core.yaml:6) is not a key of this program and is ignored"
    ])
  })

  it("tells of logging levels that no longer count", () => {
    const text = "CORE_LOGGING_LEVEL is no longer supported, please use the FABRIC_LOGGING_SPEC environment variable"
    assert.include(load("", { CORE_LOGGING_LEVEL: "debug" }).source.notes, text)
    assert.include(load("logging: {level: debug}").source.notes, text)
  })
})

describe("values that do not fit", () => {
  it("stop the start, with key, place, found and wanted", () => {
    const error = fault("peer:\n  tls:\n    enabled: maybe\n  gossip:\n    pullPeerNum: many\n  keepalive: 7\n", {
      CORE_CHAINCODE_EXECUTETIMEOUT: "30 seconds",
      CORE_VM_TYPE: "cloud"
    })
    assert.include(error.message, 'peer.tls.enabled (core.yaml:3): found "maybe", want true or false')
    assert.include(error.message, 'peer.gossip.pullPeerNum (core.yaml:5): found "many", want a whole number')
    assert.include(error.message, 'peer.keepalive (core.yaml:6): found "7", want a section with keys')
    assert.include(
      error.message,
      'chaincode.executetimeout (CORE_CHAINCODE_EXECUTETIMEOUT): found "30 seconds", want a duration like "5s" or "1m30s"'
    )
    assert.include(error.message, 'vm.type (CORE_VM_TYPE): found "cloud", want one of process, docker, user')
  })
})

describe("paths", () => {
  it("are relative to the file's folder for exactly the keys of the sheet", () => {
    const { operations, peer, vm } = load(
      [
        "peer:",
        "  mspConfigPath: m",
        "  fileSystemPath: f",
        "  BCCSP: {SW: {FileKeyStore: {KeyStore: ks}}}",
        "  tls: {cert: {file: c}, key: {file: k}, rootcert: {file: r}, clientCert: {file: cc}, clientKey: {file: ck},",
        "    clientRootCAs: {files: [a, /b]}, serverRootCAs: {files: s}}",
        "  deliveryclient: {addressOverrides: [{from: a, to: b, caCertsFile: ca}]}",
        "vm: {docker: {tls: {ca: {file: da}, cert: {file: dc}, key: {file: dk}}}}",
        "operations: {tls: {cert: {file: oc}, clientRootCAs: {files: [oa]}}}"
      ].join("\n")
    )
    const here = (name: string) => join(folder, name)
    assert.strictEqual(peer.mspConfigPath, here("m"))
    assert.strictEqual(peer.fileSystemPath, here("f"))
    assert.strictEqual(peer.bccsp.sw.fileKeyStore.keyStore, here("ks"))
    assert.deepStrictEqual(
      [
        peer.tls.cert.file,
        peer.tls.key.file,
        peer.tls.rootcert.file,
        peer.tls.clientCert.file,
        peer.tls.clientKey.file
      ],
      ["c", "k", "r", "cc", "ck"].map(here)
    )
    assert.deepStrictEqual(peer.tls.clientRootCAs.files, [here("a"), "/b"])
    assert.deepStrictEqual(peer.tls.serverRootCAs.files, [here("s")])
    assert.deepStrictEqual(peer.deliveryclient.addressOverrides, [{ from: "a", to: "b", caCertsFile: "ca" }])
    assert.deepStrictEqual(
      [vm.docker.tls.ca.file, vm.docker.tls.cert.file, vm.docker.tls.key.file],
      ["da", "dc", "dk"].map(here)
    )
    assert.strictEqual(operations.tls.cert.file, "oc")
    assert.deepStrictEqual(operations.tls.clientRootCAs.files, ["oa"])
  })
})

describe("showing", () => {
  it("every key with its origin, secrets masked", () => {
    const lines = configLines(
      explainCore(load("peer:\n  id: x\n  BCCSP: {PKCS11: {Pin: '1234'}}\n", { CORE_PEER_NETWORKID: "n" }))
    )
    assert.include(lines, 'peer.id = "x"  # core.yaml:2')
    assert.include(lines, 'peer.networkId = "n"  # env CORE_PEER_NETWORKID')
    assert.include(lines, "peer.keepalive.client.interval = 1m0s  # default")
    assert.include(lines, 'peer.BCCSP.PKCS11.Pin = "***"  # core.yaml:3')
    assert.notInclude(lines.join("\n"), "1234")
  })
})

describe("finding", () => {
  it.effect("in the reference's words", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(loadCoreConfig({ env: { FABRIC_CFG_PATH: "/no/such" }, cwd: folder }))
      assert.strictEqual(missing.message, "FABRIC_CFG_PATH /no/such does not exist")
      const none = yield* Effect.flip(loadCoreConfig({ env: {}, cwd: folder }))
      assert.strictEqual(
        none.message,
        "Could not find config file. Please make sure that FABRIC_CFG_PATH is set to a path which contains core.yaml"
      )
      writeFileSync(file, "peer: {id: a")
      const broken = yield* Effect.flip(loadCoreConfig({ env: { FABRIC_CFG_PATH: folder }, cwd: "/" }))
      assert.match(broken.message, /^error when reading core config file: While parsing config: yaml: /)
      writeFileSync(file, "peer: {id: a, mspConfigPath: msp}")
      const config = yield* loadCoreConfig({ env: { FABRIC_CFG_PATH: folder }, cwd: "/" })
      assert.strictEqual(config.peer.mspConfigPath, join(folder, "msp"))
    })
  )
})
