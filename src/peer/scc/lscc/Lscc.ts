/**
 * lscc: which chaincode is installed here and instantiated on a channel, and how it gets there.
 * Source: chaincode.md R80-R89; core/scc/lscc/lscc.go.
 */
import * as Effect from "effect/Effect"
import { ccprovider, protos } from "../../../wire/index.js"
import { looseText } from "../../../wire/looseText.js"
import { utf8 } from "../../../wire/protoutil.js"
import { localAdmins } from "../../acl/PolicyChecker.js"
import { checkAcl, checkLocal } from "../access.js"
import { fail, type SystemCallFailed, type SystemChaincodeCode, type SystemStub } from "../stub.js"
import { deployOrUpgrade } from "./deploy.js"
import { inputText } from "./inputText.js"
import { install } from "./install.js"
import { codeOf, decodeRecord, type LsccSupport, recordOf } from "./support.js"
import * as text from "./texts.js"

type Call = Effect.Effect<Uint8Array, SystemCallFailed>
type Handler = (support: LsccSupport, stub: SystemStub, name: string) => Call

const wrongCount = (stub: SystemStub): SystemCallFailed => fail(text.invalidArguments(stub.args.length))

const OK = utf8("OK")

const installHandler: Handler = (support, stub, name) =>
  Effect.gen(function* () {
    const [, bytes] = stub.args
    if (bytes === undefined) return yield* wrongCount(stub)
    yield* checkLocal(support.acl, localAdmins, stub, (reason) => `access denied for [${name}]: ${reason}`)
    yield* install(support, bytes)
    return OK
  })

const deployHandler =
  (action: "deploy" | "upgrade"): Handler =>
  (support, stub) =>
    stub.args.length < 3 ? wrongCount(stub) : deployOrUpgrade(support, action, stub)

/** The three getters read the record on the proposal's channel, whatever channel their argument names (R82). */
const getter =
  (resource: string, answer: (support: LsccSupport, chaincode: string, record: Uint8Array) => Call): Handler =>
  (support, stub, name) =>
    Effect.gen(function* () {
      const [, channelArg, chaincodeArg] = stub.args
      if (stub.args.length !== 3 || channelArg === undefined || chaincodeArg === undefined)
        return yield* wrongCount(stub)
      const channel = looseText(channelArg)
      const chaincode = looseText(chaincodeArg)
      yield* checkAcl(
        support.acl,
        resource,
        channel,
        stub,
        (reason) => `access denied for [${name}][${channel}]: ${reason}`
      )
      return yield* answer(support, chaincode, yield* recordOf(stub, chaincode))
    })

const exists = getter("lscc/ChaincodeExists", (_, chaincode, record) =>
  Effect.map(decodeRecord(chaincode, record), (data) => utf8(data.name))
)
const deploymentSpec = getter("lscc/GetDeploymentSpec", (support, chaincode, record) =>
  Effect.map(codeOf(support.packages, chaincode, record), ({ specBytes }) => specBytes)
)
const chaincodeData = getter("lscc/GetChaincodeData", (_, __, record) => Effect.succeed(record))

const instantiated: Handler = (support, stub, name) =>
  Effect.gen(function* () {
    if (stub.args.length !== 1) return yield* wrongCount(stub)
    const { channelId } = stub
    yield* checkAcl(
      support.acl,
      "lscc/GetInstantiatedChaincodes",
      channelId,
      stub,
      (reason) => `access denied for [${name}][${channelId}]: ${reason}`
    )
    const chaincodes: Array<protos.ChaincodeInfo> = []
    for (const { key, value } of yield* stub.allState) {
      if (text.isCollectionKey(key)) continue
      const record = yield* Effect.try({
        try: () => ccprovider.ChaincodeData.decode(value),
        catch: (error) => fail(error instanceof Error ? error.message : String(error))
      })
      // without the package here there is nothing to say but name and version
      const found = yield* Effect.option(support.packages.get(record.name, record.version))
      const local =
        found._tag === "Some" ? { path: found.value.path, input: inputText(found.value.spec.chaincodeSpec?.input) } : {}
      const { escc, version, vscc } = record
      chaincodes.push(protos.ChaincodeInfo.create({ name: record.name, version, escc, vscc, ...local }))
    }
    return protos.ChaincodeQueryResponse.encode({ chaincodes })
  })

const installed: Handler = (support, stub, name) =>
  Effect.gen(function* () {
    if (stub.args.length !== 1) return yield* wrongCount(stub)
    yield* checkLocal(support.acl, localAdmins, stub, (reason) => `access denied for [${name}]: ${reason}`)
    const list = yield* Effect.mapError(support.packages.list, (error) => fail(error.message))
    const chaincodes = list.map(({ id, name: chaincode, path, version }) =>
      protos.ChaincodeInfo.create({ name: chaincode, version, path, id })
    )
    return protos.ChaincodeQueryResponse.encode({ chaincodes })
  })

const collections: Handler = (support, stub, name) =>
  Effect.gen(function* () {
    const [, chaincodeArg] = stub.args
    if (stub.args.length !== 2 || chaincodeArg === undefined) return yield* wrongCount(stub)
    const chaincode = looseText(chaincodeArg)
    yield* checkAcl(
      support.acl,
      "lscc/GetCollectionsConfig",
      stub.channelId,
      stub,
      (reason) => `access denied for [${name}]: ${reason}`
    )
    const bytes = yield* stub.getState(text.collectionKey(chaincode))
    return bytes === undefined || bytes.length === 0 ? yield* fail(text.noCollections(chaincode)) : bytes
  })

/** Functions with their aliases (R81). */
const handlers: ReadonlyMap<string, Handler> = new Map([
  ["install", installHandler],
  ["deploy", deployHandler("deploy")],
  ["upgrade", deployHandler("upgrade")],
  ["getid", exists],
  ["ChaincodeExists", exists],
  ["getdepspec", deploymentSpec],
  ["GetDeploymentSpec", deploymentSpec],
  ["getccdata", chaincodeData],
  ["GetChaincodeData", chaincodeData],
  ["getchaincodes", instantiated],
  ["GetChaincodes", instantiated],
  ["getinstalledchaincodes", installed],
  ["GetInstalledChaincodes", installed],
  ["getcollectionsconfig", collections],
  ["GetCollectionsConfig", collections]
])

export const makeLscc = (support: LsccSupport): SystemChaincodeCode => ({
  name: "lscc",
  invokableExternal: true,
  invokableCC2CC: true,
  invoke: (stub) => {
    const [first] = stub.args
    if (first === undefined) return wrongCount(stub)
    const name = looseText(first)
    const handler = handlers.get(name)
    return handler === undefined ? fail(text.invalidFunction(name)) : handler(support, stub, name)
  }
})
