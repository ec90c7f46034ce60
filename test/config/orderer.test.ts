/** orderer.yaml: precedence, exactness, defaults, files, the reference's texts. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { decodeOrderer, explainOrderer, loadOrdererConfig, ordererConfigRecord } from "../../src/config/index.js"

const folder = mkdtempSync(join(tmpdir(), "orderer-config-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = join(folder, "orderer.yaml")
const shipped = readFileSync(new URL("../../config/orderer.yaml", import.meta.url), "utf8")

const decode = (text: string, env: Record<string, string> = {}) => decodeOrderer(file, text, { env, cwd: folder })
const load = (text: string, env: Record<string, string> = {}) => Either.getOrThrow(decode(text, env))
const fault = (text: string, env: Record<string, string> = {}) => {
  const decoded = decode(text, env)
  if (Either.isRight(decoded)) throw new Error("was accepted")
  if (decoded.left._tag !== "ConfigInvalid") throw decoded.left
  return decoded.left
}

describe("the shipped file", () => {
  const config = load(shipped)
  it("has the values of Fabric's sample", () => {
    assert.strictEqual(config.general.ledgerType, "file")
    assert.strictEqual(config.general.listenPort, 7050)
    assert.strictEqual(config.general.genesisProfile, "SampleInsecureSolo")
    assert.deepStrictEqual(config.general.tls.rootCAs, [join(folder, "tls/ca.crt")])
    assert.deepStrictEqual(config.general.authentication.timeWindow, Duration.minutes(15))
    assert.deepStrictEqual(config.kafka.retry.shortInterval, Duration.seconds(5))
    assert.strictEqual(config.kafka.topic.replicationFactor, 3)
    assert.strictEqual(config.kafka.version, "0.10.2.0")
    assert.strictEqual(config.ramLedger.historySize, 1000)
    assert.strictEqual(config.operations.listenAddress, "127.0.0.1:8443")
    assert.deepStrictEqual(config.metrics.statsd.writeInterval, Duration.seconds(30))
    assert.deepStrictEqual(
      { ...Object(config.consensus) },
      {
        WALDir: "/var/hyperledger/production/orderer/etcdraft/wal",
        SnapDir: "/var/hyperledger/production/orderer/etcdraft/snapshot"
      }
    )
    assert.deepStrictEqual(config.source.notes, [])
  })

  it("every key says where it came from", () => {
    assert.deepStrictEqual(config.source.origins.get("General.ListenPort"), {
      source: "file",
      file: "orderer.yaml",
      line: shipped.split("\n").findIndex((line) => line.includes("ListenPort: 7050")) + 1
    })
    assert.deepStrictEqual(config.source.origins.get("General.SystemChannel"), { source: "default" })
  })
})

describe("defaults", () => {
  it("hold for empty and zero values as in the table", () => {
    const { debug, fileLedger, general, kafka, metrics, operations, ramLedger } = load(
      "General:\n  ListenPort: 0\n  LedgerType: ''\n"
    )
    assert.strictEqual(general.listenPort, 7050)
    assert.strictEqual(general.listenAddress, "127.0.0.1")
    assert.strictEqual(general.ledgerType, "file")
    assert.strictEqual(general.genesisMethod, "provisional")
    assert.strictEqual(general.genesisProfile, "SampleSingleMSPSolo")
    assert.strictEqual(general.systemChannel, "test-system-channel-name")
    assert.strictEqual(general.genesisFile, join(folder, "genesisblock"))
    assert.strictEqual(general.localMSPDir, join(folder, "msp"))
    assert.strictEqual(general.localMSPID, "SampleOrg")
    assert.deepStrictEqual(general.connectionTimeout, Duration.seconds(5))
    assert.deepStrictEqual(general.keepalive.serverMinInterval, Duration.seconds(60))
    assert.deepStrictEqual(general.cluster.certExpirationWarningThreshold, Duration.hours(168))
    assert.strictEqual(general.cluster.sendBufferSize, 10)
    assert.strictEqual(general.bccsp.default, "SW")
    assert.strictEqual(general.bccsp.sw.hash, "SHA2")
    assert.strictEqual(general.bccsp.sw.security, 256)
    assert.strictEqual(fileLedger.location, "")
    assert.strictEqual(fileLedger.prefix, "hyperledger-fabric-ordererledger")
    assert.strictEqual(ramLedger.historySize, 0)
    assert.deepStrictEqual(kafka.retry.shortInterval, Duration.minutes(1))
    assert.deepStrictEqual(kafka.retry.networkTimeouts.readTimeout, Duration.seconds(30))
    assert.deepStrictEqual(kafka.retry.metadata.retryBackoff, Duration.millis(250))
    assert.strictEqual(kafka.topic.replicationFactor, 0)
    assert.strictEqual(debug.broadcastTraceDir, "")
    assert.strictEqual(operations.listenAddress, "")
    assert.strictEqual(metrics.provider, "")
  })
})

describe("the environment", () => {
  it("beats the file, but not with an empty value", () => {
    assert.strictEqual(load(shipped, { ORDERER_GENERAL_LISTENPORT: "9000" }).general.listenPort, 9000)
    assert.strictEqual(load(shipped, { ORDERER_GENERAL_LISTENPORT: "" }).general.listenPort, 7050)
    const config = load(shipped, { ORDERER_GENERAL_TLS_ENABLED: "t", ORDERER_GENERAL_TLS_ROOTCAS: "[a.pem, /b.pem]" })
    assert.isTrue(config.general.tls.enabled)
    assert.deepStrictEqual(config.general.tls.rootCAs, [join(folder, "a.pem"), "/b.pem"])
    assert.deepStrictEqual(config.source.origins.get("General.TLS.Enabled"), {
      source: "env",
      name: "ORDERER_GENERAL_TLS_ENABLED"
    })
  })

  it("reaches known keys of sections that are there, and nothing of sections that are not", () => {
    const env = {
      ORDERER_OPERATIONS_LISTENADDRESS: "0.0.0.0:1",
      ORDERER_GENERAL_SYSTEMCHANNEL: "sys",
      ORDERER_GENERAL_KEEPALIVE_SERVERINTERVAL: "1s",
      ORDERER_CONSENSUS_WALDIR: "/wal",
      ORDERER_CONSENSUS_NEW: "x"
    }
    const without = load("General:\n  LedgerType: file\nOperations:\n", env)
    assert.strictEqual(without.general.systemChannel, "sys")
    assert.deepStrictEqual(without.general.keepalive.serverInterval, Duration.hours(2))
    assert.strictEqual(without.operations.listenAddress, "")
    const present = load("Operations:\n  ListenAddress:\nConsensus:\n  WALDir: a\n  SnapDir: b\n", env)
    assert.strictEqual(present.operations.listenAddress, "0.0.0.0:1")
    assert.deepStrictEqual({ ...Object(present.consensus) }, { WALDir: "/wal", SnapDir: "b" })
  })

  it("sets every key of the shipped sections", () => {
    const everything = explainOrderer(load(shipped))
    for (const { key, value } of everything) {
      if (key === "Consensus") continue
      const name = `ORDERER_${key.replaceAll(".", "_").toUpperCase()}`
      const given =
        value.startsWith('"') || value.startsWith("[")
          ? "[x]"
          : /\ds$/.test(value)
            ? "77s"
            : value === "false"
              ? "true"
              : value.startsWith("map[")
                ? '{"a":"b"}'
                : "77"
      const text = key === "Kafka.Version" ? "0.9.0.1" : key.endsWith("MaxVersion") ? "1.3" : given
      const config = decode(shipped, { [name]: text })
      if (Either.isLeft(config)) {
        assert.include(["Kafka.TLS.Enabled", "Kafka.SASLPlain.Enabled"], key)
        continue
      }
      assert.deepStrictEqual(config.right.source.origins.get(key), { source: "env", name }, key)
    }
  })
})

describe("exactness", () => {
  it("keys match in any case", () => {
    assert.strictEqual(load("general:\n  listenport: 1\n  tLs:\n    ENABLED: true\n").general.listenPort, 1)
  })

  it("unknown keys are errors in the reference's words, with place and hint", () => {
    const error = fault("General:\n  LogLevel: info\n  Abc: 1\n  TLS:\n    Enable: true\nOther: 1\n")
    assert.strictEqual(
      error.reference,
      "Error unmarshaling config into struct: 3 error(s) decoding:\n\n* '' has invalid keys: other\n* 'General' has invalid keys: Abc, LogLevel\n* 'General.TLS' has invalid keys: Enable"
    )
    assert.isFalse(error.panic)
    const [abc] = error.issues.filter(({ key }) => key === "General.Abc")
    assert.deepInclude(abc, { origin: { source: "file", file: "orderer.yaml", line: 3 } })
    assert.include(error.message, "General.LogLevel (orderer.yaml:2): found a key that does not exist")
  })

  it("unknown keys inside BCCSP are ignored with a note", () => {
    assert.match(
      load("General:\n  BCCSP:\n    Extra: 1\n").source.notes[0] ?? "",
      /General\.BCCSP\.Extra \(orderer\.yaml:3\)/
    )
  })

  it("all faults of types are told at once", () => {
    const error = fault("General:\n  ListenPort: abc\n  TLS:\n    Enabled: yess\n  Keepalive: 5\n", {
      ORDERER_GENERAL_CONNECTIONTIMEOUT: "5 sec"
    })
    assert.deepStrictEqual(error.issues.map(({ key }) => key).sort(), [
      "General.ConnectionTimeout",
      "General.Keepalive",
      "General.ListenPort",
      "General.TLS.Enabled"
    ])
    assert.include(
      error.reference,
      `* cannot parse 'General.ListenPort' as uint: strconv.ParseUint: parsing "abc": invalid syntax`
    )
    assert.include(
      error.reference,
      `* cannot parse 'General.TLS.Enabled' as bool: strconv.ParseBool: parsing "yess": invalid syntax`
    )
    assert.include(error.reference, "* 'General.Keepalive' expected a map, got 'int'")
    assert.include(
      error.message,
      'General.ConnectionTimeout (ORDERER_GENERAL_CONNECTIONTIMEOUT): found "5 sec", want a duration like "5s" or "1m30s"'
    )
    assert.include(
      error.message,
      'General.ListenPort (orderer.yaml:2): found "abc", want a whole number from 0 to 65535'
    )
  })

  it("secrets do not show in faults", () => {
    const error = fault("Kafka:\n  SASLPlain:\n    Password: {a: hunter2}\n")
    assert.notInclude(JSON.stringify(error), "hunter2")
  })
})

describe("File values", () => {
  const pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
  const withHeader = "-----BEGIN CERTIFICATE-----\nX: y\n\nAAAA\n-----END CERTIFICATE-----\n"
  const key = join(folder, "key.pem")
  const bundle = join(folder, "bundle.pem")
  writeFileSync(key, "the key")
  writeFileSync(
    bundle,
    `junk\n${pem}${withHeader}-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n${pem.replace("AAAA", "AQID")}`
  )

  it("are replaced by content", () => {
    const { kafka } = load(
      `Kafka:\n  TLS:\n    Enabled: true\n    PrivateKey:\n      File: ${key}\n    Certificate: {file: ${key}}\n    RootCAs:\n      File: ${bundle}\n`
    )
    assert.strictEqual(kafka.tls.privateKey, "the key")
    assert.strictEqual(kafka.tls.certificate, "the key")
    assert.deepStrictEqual(kafka.tls.rootCAs, [pem, pem.replace("AAAA", "AQID")])
  })

  it("may come from the environment", () => {
    const { kafka, source } = load("Kafka:\n  TLS:\n    PrivateKey:\n", { ORDERER_KAFKA_TLS_PRIVATEKEY_FILE: key })
    assert.strictEqual(kafka.tls.privateKey, "the key")
    assert.deepStrictEqual(source.origins.get("Kafka.TLS.PrivateKey"), {
      source: "env",
      name: "ORDERER_KAFKA_TLS_PRIVATEKEY_FILE"
    })
    const other = load("Kafka:\n  TLS:\n    PrivateKey:\n      File: /nowhere\n", {
      ORDERER_KAFKA_TLS_PRIVATEKEY_FILE: key
    })
    assert.strictEqual(other.kafka.tls.privateKey, "the key")
  })

  it("fail in the reference's words", () => {
    const missing = fault("Kafka:\n  TLS:\n    PrivateKey:\n      File: /no/such/file\n")
    assert.include(
      missing.reference,
      "* error decoding 'Kafka.TLS.PrivateKey': open /no/such/file: no such file or directory"
    )
    const nothing = fault("Kafka:\n  TLS:\n    RootCAs:\n      File:\n")
    assert.include(nothing.reference, "* error decoding 'Kafka.TLS.RootCAs[0]': Value of File: was nil")
    const directory = fault(`Kafka:\n  TLS:\n    PrivateKey:\n      File: ${folder}\n`)
    assert.include(directory.reference, `read ${folder}: is a directory`)
  })
})

describe("paths", () => {
  it("are relative to the file's folder for exactly the keys of the sheet", () => {
    const { fileLedger, general, operations } = load(
      [
        "General:",
        "  TLS: {PrivateKey: k, Certificate: c, RootCAs: [r], ClientRootCAs: [s]}",
        "  Cluster: {ClientPrivateKey: ck, ClientCertificate: cc, RootCAs: [cr], ServerCertificate: sc, ServerPrivateKey: sk}",
        "  GenesisFile: g",
        "  LocalMSPDir: /abs",
        "  BCCSP: {SW: {FileKeyStore: {KeyStore: ks}}}",
        "FileLedger: {Location: l}",
        "Operations: {TLS: {Certificate: oc, ClientRootCAs: [or]}}"
      ].join("\n")
    )
    const here = (name: string) => join(folder, name)
    assert.deepInclude(general.tls, { privateKey: here("k"), certificate: here("c") })
    assert.deepStrictEqual([general.tls.rootCAs, general.tls.clientRootCAs], [[here("r")], [here("s")]])
    assert.deepInclude(general.cluster, {
      clientPrivateKey: here("ck"),
      clientCertificate: here("cc"),
      serverCertificate: "sc",
      serverPrivateKey: "sk"
    })
    assert.deepStrictEqual(general.cluster.rootCAs, [here("cr")])
    assert.strictEqual(general.genesisFile, here("g"))
    assert.strictEqual(general.localMSPDir, "/abs")
    assert.strictEqual(general.bccsp.sw.fileKeyStore.keyStore, "ks")
    assert.strictEqual(fileLedger.location, "l")
    assert.strictEqual(operations.tls.certificate, "oc")
    assert.deepStrictEqual(operations.tls.clientRootCAs, ["or"])
  })
})

describe("Kafka", () => {
  it("half a TLS or SASL section is a panic", () => {
    const bare = fault("Kafka:\n  TLS:\n    Enabled: true\n")
    assert.isTrue(bare.panic)
    assert.strictEqual(
      bare.reference,
      "General.Kafka.TLS.Certificate must be set if General.Kafka.TLS.Enabled is set to true."
    )
    const roots = fault("Kafka:\n  TLS: {Enabled: true, Certificate: c, PrivateKey: k}\n")
    assert.strictEqual(
      roots.reference,
      "General.Kafka.TLS.CertificatePool must be set if General.Kafka.TLS.Enabled is set to true."
    )
    const user = fault("Kafka:\n  SASLPlain: {Enabled: true}\n")
    assert.strictEqual(
      user.reference,
      "General.Kafka.SASLPlain.User must be set if General.Kafka.SASLPlain.Enabled is set to true."
    )
    const password = fault("Kafka:\n  SASLPlain: {Enabled: true, User: u}\n")
    assert.include(password.reference, "General.Kafka.SASLPlain.Password must be set")
  })
})

describe("showing", () => {
  it("prints every leaf, masks secrets", () => {
    const record = ordererConfigRecord(
      load(
        "Kafka:\n  TLS: {PrivateKey: topsecret}\n  SASLPlain: {Password: hunter2}\nGeneral:\n  TLS: {RootCAs: [/a, /b]}\n"
      )
    )
    assert.match(record, /^Orderer config values:\n\tGeneral\.LedgerType = "file"\n/)
    assert.include(record, "\n\tGeneral.ListenPort = 7050\n")
    assert.include(record, "\n\tGeneral.Authentication.TimeWindow = 15m0s\n")
    assert.include(record, "\n\tGeneral.TLS.RootCAs = [/a /b]\n")
    assert.include(record, '\n\tKafka.SASLPlain.Password = "***"\n')
    assert.include(record, '\n\tKafka.SASLPlain.User = ""\n')
    assert.notInclude(record, "topsecret")
    assert.notInclude(record, "hunter2")
  })
})

describe("finding", () => {
  it.effect("looks in FABRIC_CFG_PATH only, else in the working folder", () =>
    Effect.gen(function* () {
      const home = join(folder, "home")
      const cwd = join(folder, "cwd")
      mkdirSync(home)
      mkdirSync(cwd)
      const none = yield* Effect.flip(loadOrdererConfig({ env: { FABRIC_CFG_PATH: home }, cwd }))
      assert.strictEqual(none.message, 'Error reading configuration: Unsupported Config Type ""')
      const gone = yield* Effect.flip(loadOrdererConfig({ env: { FABRIC_CFG_PATH: "/no/such" }, cwd }))
      assert.strictEqual(gone.message, 'Error reading configuration: Unsupported Config Type ""')
      writeFileSync(join(cwd, "orderer.yml"), "General: {ListenPort: 2}")
      assert.strictEqual((yield* loadOrdererConfig({ env: {}, cwd })).general.listenPort, 2)
      writeFileSync(join(cwd, "orderer.yaml"), "General: {ListenPort: 1}")
      assert.strictEqual((yield* loadOrdererConfig({ env: {}, cwd })).general.listenPort, 1)
      writeFileSync(join(home, "orderer.json"), '{"General": {"ListenPort": 3, "GenesisFile": "g"}}')
      const config = yield* loadOrdererConfig({ env: { FABRIC_CFG_PATH: "../home" }, cwd })
      assert.strictEqual(config.general.listenPort, 3)
      assert.strictEqual(config.general.genesisFile, join(home, "g"))
      writeFileSync(join(home, "orderer.json"), '{"General": ')
      const broken = yield* Effect.flip(loadOrdererConfig({ env: { FABRIC_CFG_PATH: home }, cwd }))
      assert.match(broken.message, /^Error reading configuration: While parsing config: yaml: /)
    })
  )
})
