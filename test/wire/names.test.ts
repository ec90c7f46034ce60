/** Names, numbers and types of our messages, enums and services against the npm package fabric-protos (of Fabric 2.2). */
import { readdirSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import protobuf from "protobufjs"
import { assert, describe, it } from "vitest"
import type { EnumInfo } from "../../src/wire/index.js"
import * as wire from "../../src/wire/index.js"
import * as services from "../../src/wire/services.js"
import { allMessages } from "./soup.js"

const home = join(dirname(createRequire(import.meta.url).resolve("fabric-protos/package.json")), "protos")
const walk = (folder: string): Array<string> =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? walk(path) : path.endsWith(".proto") ? [path] : []
  })
const root = new protobuf.Root()
root.resolvePath = (_, target) => (target.startsWith("google/") || target.startsWith("/") ? target : join(home, target))
root.loadSync(walk(home), { keepCase: true })
root.resolveAll()

/** Messages and enums that Fabric 2.2 has no more, or keeps in another package. */
const only14 = [
  "InputId",
  "PlainApprove",
  "PlainDelegatedOutput",
  "PlainImport",
  "PlainOutput",
  "PlainTokenAction",
  "PlainTransfer",
  "PlainTransferFrom",
  "TokenTransaction",
  "ccprovider.CDSData",
  "ccprovider.ChaincodeData",
  "ccprovider.SignedCDSData",
  "common.CollectionCriteria",
  "common.ConfigGroupSchema",
  "common.ConfigPolicySchema",
  "common.ConfigValueSchema",
  "google.protobuf.Empty",
  "privacyenabledstate.KVWriteProto",
  "privacyenabledstate.KVWritesBatchProto",
  "protos.AdminOperation",
  "protos.LogLevelRequest",
  "protos.LogLevelResponse",
  "protos.LogSpecRequest",
  "protos.LogSpecResponse",
  "protos.PeerEndpoint",
  "protos.PeerID",
  "protos.PlainExpectation",
  "protos.PlainTokenExpectation",
  "protos.ServerStatus",
  "protos.SignedTransaction",
  "protos.TokenExpectation"
]

/** Every field that differs on purpose, as "name: 1.4 / 2.2". Numbers of old fields were not given to new ones. */
const meant = [
  "common.StaticCollectionConfig.endorsement_policy: - / 8 common.ApplicationPolicy",
  "common.StaticCollectionConfig.member_only_write: - / 7 bool",
  "discovery.ChaincodeCall.no_private_reads: - / 3 bool",
  "discovery.ChaincodeCall.no_public_writes: - / 4 bool",
  "gossip.PrivatePayload.collection_configs: 6 common.CollectionConfigPackage / 6 protos.CollectionConfigPackage",
  "lifecycle.InstallChaincodeArgs.chaincode_install_package: 3 bytes / 1 bytes",
  "lifecycle.InstallChaincodeArgs.name: 1 string / -",
  "lifecycle.InstallChaincodeArgs.version: 2 string / -",
  "lifecycle.InstallChaincodeResult.hash: 1 bytes / -",
  "lifecycle.InstallChaincodeResult.label: - / 2 string",
  "lifecycle.InstallChaincodeResult.package_id: - / 1 string",
  "lifecycle.QueryInstalledChaincodeArgs.name: 1 string / -",
  "lifecycle.QueryInstalledChaincodeArgs.package_id: - / 1 string",
  "lifecycle.QueryInstalledChaincodeArgs.version: 2 string / -",
  "lifecycle.QueryInstalledChaincodeResult.hash: 1 bytes / -",
  "lifecycle.QueryInstalledChaincodeResult.label: - / 2 string",
  "lifecycle.QueryInstalledChaincodeResult.package_id: - / 1 string",
  "lifecycle.QueryInstalledChaincodeResult.references: - / 3 map<string> lifecycle.QueryInstalledChaincodeResult.References",
  "orderer.ConsensusRequest.metadata: - / 3 bytes",
  "protos.ChaincodeAction.token_expectation: 5 protos.TokenExpectation / -",
  "protos.ChaincodeDeploymentSpec.exec_env: 4 protos.ChaincodeDeploymentSpec.ExecutionEnvironment / -",
  "protos.ChaincodeHeaderExtension.payload_visibility: 1 bytes / -",
  "protos.ChaincodeInput.is_init: - / 3 bool",
  "protos.DeliverResponse.block_and_private_data: - / 4 protos.BlockAndPrivateData Type",
  "transientstore.TxPvtReadWriteSetWithConfigInfo.collection_configs: 3 map<string> common.CollectionConfigPackage / 3 map<string> protos.CollectionConfigPackage"
]

const meantOfEnums = [
  "common.HeaderType.TOKEN_TRANSACTION: 9 / -",
  "protos.MetaDataKeys.VALIDATION_PARAMETER_V2: - / 1",
  "protos.TxValidationCode.INVALID_CHAINCODE: - / 25"
]
/** Enums that went away as a whole. */
const only14Enums = [
  "protos.ChaincodeDeploymentSpec.ExecutionEnvironment",
  "protos.ConfidentialityLevel",
  "protos.ServerStatus.StatusCode"
]

const found = <T>(kind: abstract new (...args: never) => T, name: string): T | undefined => {
  try {
    const item = root.lookup(name)
    return item !== null && item instanceof kind && item.fullName === `.${name}` ? item : undefined
  } catch {
    return undefined
  }
}

const isEnum = (value: unknown): value is EnumInfo =>
  typeof value === "object" && value !== null && "nameOf" in value && "typeName" in value
const allEnums = Object.values(wire)
  .filter((module) => typeof module === "object")
  .flatMap((module) => Object.values<unknown>({ ...module }).filter(isEnum))

const describeField = (field: wire.FieldInfo): string =>
  [
    field.number,
    field.mapKey === undefined ? "" : `map<${field.mapKey}>`,
    field.repeated ? "repeated" : "",
    field.message?.().typeName ?? field.enum?.().typeName ?? field.kind,
    field.oneof ?? ""
  ]
    .filter((part) => part !== "")
    .join(" ")

const describeTheirs = (field: protobuf.Field): string =>
  [
    field.id,
    field instanceof protobuf.MapField ? `map<${field.keyType}>` : "",
    field.repeated && !field.map ? "repeated" : "",
    field.resolvedType?.fullName.slice(1) ?? field.type,
    field.partOf?.name ?? ""
  ]
    .filter((part) => part !== "")
    .join(" ")

describe("our messages", () => {
  it("have Fabric's names, numbers and types, but for what 2.x changed", () => {
    const missing: Array<string> = []
    const differences: Array<string> = []
    for (const message of allMessages) {
      const type = found(protobuf.Type, message.typeName)
      if (type === undefined) {
        missing.push(message.typeName)
        continue
      }
      const ours = new Map(message.fields.map((field) => [field.name, describeField(field)]))
      const theirs = new Map(type.fieldsArray.map((field) => [field.name, describeTheirs(field.resolve())]))
      for (const name of new Set([...ours.keys(), ...theirs.keys()]))
        if (ours.get(name) !== theirs.get(name))
          differences.push(`${message.typeName}.${name}: ${ours.get(name) ?? "-"} / ${theirs.get(name) ?? "-"}`)
    }
    assert.deepEqual(missing.sort(), only14)
    assert.deepEqual(differences.sort(), meant)
    assert.isAbove(allMessages.length, 190)
  })
})

describe("our enums", () => {
  it("have Fabric's names and numbers, but for what 2.x changed", () => {
    const differences: Array<string> = []
    const missing: Array<string> = []
    for (const info of allEnums) {
      const type = found(protobuf.Enum, info.typeName)
      if (type === undefined) {
        missing.push(info.typeName)
        continue
      }
      const theirs: Record<string, number> = type.values
      for (const name of new Set([...Object.keys(info.values), ...Object.keys(theirs)]))
        if (info.values[name] !== theirs[name])
          differences.push(`${info.typeName}.${name}: ${info.values[name] ?? "-"} / ${theirs[name] ?? "-"}`)
    }
    assert.deepEqual(missing.sort(), only14Enums)
    assert.deepEqual(differences.sort(), meantOfEnums)
    assert.isAbove(allEnums.length, 20)
  })
})

describe("our services", () => {
  it("have Fabric's methods", () => {
    for (const service of Object.values(services)) {
      const theirs = found(protobuf.Service, service.name)
      if (theirs === undefined) {
        assert.equal(service.name, "protos.Admin") // gone in 2.x; all its calls are unary
        for (const method of Object.values(service.methods))
          assert.isFalse(method.requestStream || method.responseStream)
        continue
      }
      assert.hasAllKeys(
        service.methods,
        Object.keys(theirs.methods).filter((name) => name !== "DeliverWithPrivateData")
      )
      for (const [name, method] of Object.entries(service.methods)) {
        const other = theirs.methods[name]
        assert.equal(method.path, `/${service.name}/${name}`)
        assert.equal(method.requestStream, other?.requestStream === true, method.path)
        assert.equal(method.responseStream, other?.responseStream === true, method.path)
      }
    }
    assert.equal(Object.keys(services).length, 8)
  })
})
