import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Either from "effect/Either"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { Bundle } from "../../../src/channelconfig/index.js"
import { sha256 } from "../../../src/crypto/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { AclChecker } from "../../../src/peer/acl/AclChecker.js"
import { PolicyChecker } from "../../../src/peer/acl/PolicyChecker.js"
import { inputText } from "../../../src/peer/scc/lscc/inputText.js"
import { makeLscc } from "../../../src/peer/scc/lscc/Lscc.js"
import { isSystem } from "../../../src/peer/scc/names.js"
import type { SystemChaincodeCode } from "../../../src/peer/scc/stub.js"
import { signedByAnyAdmin, signedByAnyMember, signedByMspAdmin, signedByMspMember } from "../../../src/policy/index.js"
import { ccprovider, common, protos } from "../../../src/wire/index.js"
import { utf8 } from "../../../src/wire/protoutil.js"
import { firstBundle, mspOf, nodeFolder, person } from "../support.js"
import { call, deploymentSpec, openStore, textOf } from "./support.js"

let bundle = firstBundle()
const bundleOf = (channel: string) => (channel === "mychannel" ? bundle : undefined)
let lscc: SystemChaincodeCode
let opened: Awaited<ReturnType<typeof openStore>>
let admin: Signer
let user: Signer
let stranger: Signer
let state: Map<string, Uint8Array>

beforeAll(async () => {
  const { msp } = await mspOf("Org1MSP", `${nodeFolder("Org1MSP", "peer0")}/msp`)
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
  stranger = await person("OrdererMSP", "Admin")
  opened = await openStore()
  const acl = new AclChecker(bundleOf, new PolicyChecker(bundleOf, msp))
  lscc = makeLscc({
    acl,
    packages: opened.store,
    hash: sha256,
    bundleOf,
    isSystem,
    installing: opened.events.installing
  })
  for (const version of ["1.0", "2.0"])
    expect(
      (
        await call(lscc, ["install", deploymentSpec({ name: "cc", version, input: ["init", 'a"b'] })], {
          signer: admin,
          channelId: ""
        })
      ).refused
    ).toBeUndefined()
})
afterAll(() => opened.close())
beforeEach(() => {
  state = new Map()
  bundle = firstBundle()
})

/** The channel with other application capabilities than it was recorded with. */
const withCapabilities = (...names: ReadonlyArray<string>): Bundle => {
  const config = firstBundle().config
  const root = config.channelGroup ?? expect.fail("no group")
  const application = root.groups.get("Application") ?? expect.fail("no application")
  const value = application.values.get("Capabilities") ?? expect.fail("no capabilities")
  const capabilities = common.Capabilities.encode({ capabilities: new Map(names.map((name) => [name, {}])) })
  const values = new Map([...application.values, ["Capabilities", { ...value, value: capabilities }] as const])
  const groups = new Map([...root.groups, ["Application", { ...application, values }] as const])
  return Either.getOrThrow(Bundle.fromConfig("mychannel", { ...config, channelGroup: { ...root, groups } }))
}

const deploy = (spec: Uint8Array, ...rest: ReadonlyArray<string | Uint8Array>) =>
  call(lscc, ["deploy", "mychannel", spec, ...rest], { signer: admin, state })
const upgrade = (spec: Uint8Array, ...rest: ReadonlyArray<string | Uint8Array>) =>
  call(lscc, ["upgrade", "mychannel", spec, ...rest], { signer: admin, state })
const specOf = (version: string, name = "cc") => deploymentSpec({ name, version })

describe("dispatch", () => {
  test.each([
    [[], "invalid number of arguments to lscc: 0"],
    [["nonsense"], "invalid function to lscc: nonsense"],
    [["install"], "invalid number of arguments to lscc: 1"],
    [["deploy", "mychannel"], "invalid number of arguments to lscc: 2"],
    [["getid", "mychannel"], "invalid number of arguments to lscc: 2"],
    [["getccdata", "mychannel", "cc", "more"], "invalid number of arguments to lscc: 4"],
    [["getchaincodes", "mychannel"], "invalid number of arguments to lscc: 2"],
    [["GetInstalledChaincodes", "x"], "invalid number of arguments to lscc: 2"],
    [["getcollectionsconfig"], "invalid number of arguments to lscc: 1"]
  ])("%j", async (args, refused) => {
    expect((await call(lscc, args, { signer: admin, state })).refused).toBe(refused)
  })
  test("counts arguments before it looks at rights", async () => {
    expect((await call(lscc, ["getid", "x"], { signer: stranger, state })).refused).toBe(
      "invalid number of arguments to lscc: 2"
    )
  })
  test.each([
    [["install", "x"], "access denied for [install]: Failed verifying"],
    [["getinstalledchaincodes"], "access denied for [getinstalledchaincodes]: Failed verifying"]
  ])("%j is for admins of the peer's organization", async (args, refused) => {
    expect((await call(lscc, args, { signer: user, channelId: "" })).refused).toMatch(refused)
  })
  test.each([
    [["getid", "mychannel", "cc"], "access denied for [getid][mychannel]: Failed evaluating policy"],
    [["GetChaincodeData", "other", "cc"], "access denied for [GetChaincodeData][other]: Failed to get policy manager"],
    [["getchaincodes"], "access denied for [getchaincodes][mychannel]: Failed evaluating policy"],
    [["getcollectionsconfig", "cc"], "access denied for [getcollectionsconfig]: Failed evaluating policy"]
  ])("%j is for readers", async (args, refused) => {
    expect((await call(lscc, args, { signer: stranger, state })).refused).toContain(refused)
  })
})

describe("install", () => {
  const install = (bytes: Uint8Array) => call(lscc, ["install", bytes], { signer: admin, channelId: "" })
  test("a package that is there already", async () => {
    expect((await install(specOf("1.0"))).refused).toBe(
      `error installing chaincode code cc:1.0(chaincode ${opened.folder}/cc.1.0 exists)`
    )
  })
  test.each([["-a"], ["a_"], ["a--b"], ["a.b"]])("the name %s", async (name) => {
    expect((await install(specOf("1", name))).refused).toBe(
      `invalid chaincode name '${name}'. Names must start with an alphanumeric character and can only consist of alphanumerics, '_', and '-'`
    )
  })
  test.each([[""], ["a b"]])("the version '%s'", async (version) => {
    expect((await install(specOf(version, "ok"))).refused).toBe(
      `invalid chaincode version '${version}'. Versions must not be empty and can only consist of alphanumerics, '_',  '-', '+', and '.'`
    )
  })
  test.each([["lscc"], ["escc"], ["vscc"], ["qscc"]])("the system name %s", async (name) => {
    expect((await install(specOf("1", name))).refused).toBe(`cannot install: ${name} is the name of a system chaincode`)
  })
  test("garbage", async () => {
    expect((await install(Uint8Array.of(1, 2, 3))).refused).toBe(
      "could not unmarshal chaincode package to CDS or SignedCDS"
    )
  })
  test("a bad index definition", async () => {
    const files = [
      { name: "src/package.json", content: utf8("{}") },
      { name: "META-INF/statedb/couchdb/indexes/x.json", content: utf8("[") }
    ]
    expect((await install(deploymentSpec({ name: "indexed", version: "1", files }))).refused).toMatch(
      "invalid state database artifact: Index metadata file [META-INF/statedb/couchdb/indexes/x.json] is not a valid JSON"
    )
  })
  test("the list", async () => {
    writeFileSync(join(opened.folder, "broken.1"), "x")
    const { payload } = await call(lscc, ["getinstalledchaincodes"], { signer: admin, channelId: "" })
    const { chaincodes } = protos.ChaincodeQueryResponse.decode(payload ?? new Uint8Array())
    expect(chaincodes.map(({ escc, input, name, path, version }) => [name, version, path, input, escc])).toEqual([
      ["cc", "1.0", "/somewhere", "", ""],
      ["cc", "2.0", "/somewhere", "", ""]
    ])
    expect(chaincodes.every(({ id }) => id.length === 32)).toBe(true)
  })
})

describe("deploy", () => {
  test("writes the record from the local package, with the defaults of the channel", async () => {
    const { payload, events } = await deploy(specOf("1.0"))
    expect(events).toEqual([])
    expect([...state.keys()]).toEqual(["cc"])
    expect(Buffer.from(payload ?? []).equals(state.get("cc") ?? new Uint8Array())).toBe(true)
    const record = ccprovider.ChaincodeData.decode(payload ?? new Uint8Array())
    const orgs = ["Org1MSP", "Org2MSP"]
    expect([record.name, record.version, record.escc, record.vscc]).toEqual(["cc", "1.0", "escc", "vscc"])
    expect(Buffer.from(record.policy)).toEqual(
      Buffer.from(common.SignaturePolicyEnvelope.encode(signedByAnyMember(orgs)))
    )
    expect(Buffer.from(record.instantiationPolicy)).toEqual(
      Buffer.from(common.SignaturePolicyEnvelope.encode(signedByAnyAdmin(orgs)))
    )
  })
  test("takes policy and plugins from the request", async () => {
    const policy = common.SignaturePolicyEnvelope.encode(signedByMspMember("Org2MSP"))
    const { payload } = await deploy(specOf("1.0"), policy, "myescc", "myvscc")
    const record = ccprovider.ChaincodeData.decode(payload ?? new Uint8Array())
    expect([record.escc, record.vscc, Buffer.from(record.policy).equals(policy)]).toEqual(["myescc", "myvscc", true])
  })
  test("refuses what is there, what is not installed, and whom the instantiation policy does not name", async () => {
    await deploy(specOf("1.0"))
    expect((await deploy(specOf("2.0"))).refused).toBe("chaincode with name 'cc' already exists")
    expect((await deploy(specOf("9"))).refused).toBe("cannot get package for chaincode (cc:9)")
    state.clear()
    expect((await call(lscc, ["deploy", "mychannel", specOf("1.0")], { signer: user, state })).refused).toBe(
      "instantiation policy violation: signature set did not satisfy policy"
    )
    expect(state.size).toBe(0)
  })
  test("refuses bad arguments", async () => {
    expect((await call(lscc, ["deploy", "", specOf("1.0")], { signer: admin, state })).refused).toBe(
      "invalid channel name: "
    )
    expect((await call(lscc, ["deploy", "other", specOf("1.0")], { signer: admin, state })).refused).toBe(
      "programming error, non-existent appplication config for channel 'other'"
    )
    expect((await deploy(Uint8Array.of(0xff))).refused).toMatch(/^error unmarshaling ChaincodeDeploymentSpec: /)
    expect((await deploy(new Uint8Array())).refused).toBe("invalid deployment spec: chaincode id is missing")
    expect((await deploy(specOf("1.0"), "", "", "", "", "more")).refused).toBe("invalid number of arguments to lscc: 8")
  })
  test("without a simulator", async () => {
    expect((await call(lscc, ["deploy", "mychannel", specOf("1.0")], { signer: admin })).refused).toMatch(
      /^PUT_STATE failed: transaction ID: 1+: no ledger context$/
    )
  })
})

const collection = (name: string, policy: common.SignaturePolicyEnvelope | undefined) =>
  common.CollectionConfigPackage.encode({
    config: [
      {
        staticCollectionConfig: {
          name,
          ...(policy === undefined ? {} : { memberOrgsPolicy: { signaturePolicy: policy } }),
          requiredPeerCount: 0,
          maximumPeerCount: 1
        }
      }
    ]
  })

describe("collections", () => {
  test("are stored as they came", async () => {
    const bytes = collection("collA", signedByMspMember("Org1MSP"))
    await deploy(specOf("1.0"), "", "", "", bytes)
    expect([...state.keys()]).toEqual(["cc", "cc~collection"])
    expect(Buffer.from(state.get("cc~collection") ?? []).equals(bytes)).toBe(true)
    const answer = await call(lscc, ["GetCollectionsConfig", "cc"], { signer: user, state })
    expect(Buffer.from(answer.payload ?? []).equals(bytes)).toBe(true)
    expect((await call(lscc, ["getcollectionsconfig", "none"], { signer: user, state })).refused).toBe(
      "collections config not defined for chaincode none"
    )
  })
  test("of a stranger's organization are let pass with a warning", async () => {
    expect(
      (await deploy(specOf("1.0"), "", "", "", collection("c", signedByMspMember("Nobody")))).refused
    ).toBeUndefined()
  })
  test.each([
    [Uint8Array.of(0xff), "invalid collection configuration supplied for chaincode cc:1.0"],
    [collection("c", undefined), "collection member policy check failed: collection member policy is not set"],
    [
      collection("c", common.SignaturePolicyEnvelope.create({ rule: { signedBy: 3 } })),
      "collection member policy check failed: invalid member org policy for collection 'c': identity index out of range, requested 3, but identities length is 0"
    ]
  ])("refusal %#", async (bytes, refused) => {
    expect((await deploy(specOf("1.0"), "", "", "", bytes)).refused).toBe(refused)
  })
  test("need the capability", async () => {
    bundle = withCapabilities("V1_1")
    expect((await deploy(specOf("1.0"), "", "", "", "x")).refused).toBe(
      "as V1_2 or later capability is not enabled, private channel collections and data are not available"
    )
  })
  test("change on upgrade from V1_2 on only", async () => {
    bundle = withCapabilities("V1_1", "V1_1_PVTDATA_EXPERIMENTAL")
    await deploy(specOf("1.0"))
    expect((await upgrade(specOf("2.0"), "", "", "", new Uint8Array())).refused).toBe(
      "as V1_2 capability is not enabled, collection upgrades are not allowed"
    )
    bundle = firstBundle()
    state.clear() // what a refused call wrote goes with its simulator
    await deploy(specOf("1.0"))
    expect((await upgrade(specOf("2.0"), "", "", "", new Uint8Array())).refused).toBeUndefined()
    expect(state.has("cc~collection")).toBe(false)
  })
})

describe("upgrade", () => {
  test("replaces the record and sets the event", async () => {
    await deploy(specOf("1.0"))
    const { payload, events } = await upgrade(specOf("2.0"))
    expect(ccprovider.ChaincodeData.decode(payload ?? new Uint8Array()).version).toBe("2.0")
    expect(events).toEqual(["upgrade"])
  })
  test("refusals", async () => {
    expect((await upgrade(specOf("2.0"))).refused).toBe("could not find chaincode with name 'cc'")
    await deploy(specOf("1.0"))
    expect((await upgrade(specOf("1.0"))).refused).toBe("version already exists for chaincode with name 'cc'")
    const record = ccprovider.ChaincodeData.decode(state.get("cc") ?? new Uint8Array())
    state.set("cc", ccprovider.ChaincodeData.encode({ ...record, instantiationPolicy: new Uint8Array() }))
    expect((await upgrade(specOf("2.0"))).refused).toBe("instantiation policy missing")
    const others = common.SignaturePolicyEnvelope.encode(signedByMspAdmin("Org2MSP"))
    state.set("cc", ccprovider.ChaincodeData.encode({ ...record, instantiationPolicy: others }))
    expect((await upgrade(specOf("2.0"))).refused).toBe(
      "instantiation policy violation: signature set did not satisfy policy"
    )
    state.set("cc", ccprovider.ChaincodeData.encode({ ...record, name: "dd" }))
    expect((await upgrade(specOf("2.0"))).refused).toBe("chaincode name mismatch: cc!=dd")
  })
})

describe("getters", () => {
  const get = (name: string, chaincode = "cc") => call(lscc, [name, "mychannel", chaincode], { signer: user, state })
  test("of what is deployed", async () => {
    await deploy(specOf("1.0"))
    expect(textOf((await get("getid")).payload)).toBe("cc")
    expect(textOf((await get("ChaincodeExists")).payload)).toBe("cc")
    const record = state.get("cc") ?? new Uint8Array()
    expect(Buffer.from((await get("getccdata")).payload ?? []).equals(record)).toBe(true)
    const spec = protos.ChaincodeDeploymentSpec.decode((await get("getdepspec")).payload ?? new Uint8Array())
    expect(spec.chaincodeSpec?.chaincodeId?.version).toBe("1.0")
  })
  test("of what is not", async () => {
    expect((await get("getid", "none")).refused).toBe("could not find chaincode with name 'none'")
    expect((await call(lscc, ["getid", "mychannel", "cc"], { signer: user, channelId: "" })).refused).toMatch(
      /^transaction not found: GET_STATE failed: transaction ID: 1+: no ledger context$/
    )
    state.set("cc", ccprovider.ChaincodeData.encode({ name: "cc", version: "7" }))
    expect((await get("GetDeploymentSpec")).refused).toMatch(/^invalid deployment spec: open .*cc\.7: no such file/)
    state.set("cc", ccprovider.ChaincodeData.encode({ name: "cc", version: "1.0" }))
    expect((await get("GetDeploymentSpec")).refused).toBe("chaincode fingerprint mismatch: data mismatch")
    state.set("cc", Uint8Array.of(0xff))
    expect((await get("getid")).refused).toBe("error while marshalling: cc")
  })
  test("the list of instantiated chaincodes", async () => {
    await deploy(specOf("1.0"), "", "", "", collection("collA", signedByMspMember("Org1MSP")))
    state.set("far", ccprovider.ChaincodeData.encode({ name: "far", version: "3", escc: "e", vscc: "v" }))
    const { payload } = await call(lscc, ["GetChaincodes"], { signer: user, state })
    const { chaincodes } = protos.ChaincodeQueryResponse.decode(payload ?? new Uint8Array())
    expect(
      chaincodes.map(({ escc, id, input, name, path, version, vscc }) => [
        name,
        version,
        path,
        input,
        escc,
        vscc,
        id.length
      ])
    ).toEqual([
      ["cc", "1.0", "/somewhere", 'args:"init" args:"a\\"b" ', "escc", "vscc", 0],
      ["far", "3", "", "", "e", "v", 0]
    ])
  })
  test("input as text", () => {
    expect(inputText(undefined)).toBe("<nil>")
    expect(inputText(protos.ChaincodeInput.create({}))).toBe("")
    expect(inputText(protos.ChaincodeInput.create({ args: [Uint8Array.of(0, 10, 0x5c, 0xff), utf8("é")] }))).toBe(
      'args:"\\000\\n\\\\\\377" args:"\\303\\251" '
    )
  })
})
