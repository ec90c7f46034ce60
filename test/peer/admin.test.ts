import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { beforeAll, describe, expect, test } from "vitest"
import { signedEnvelope } from "../../src/client/index.js"
import type { Signer } from "../../src/msp/index.js"
import { adminHandlers, adminPolicy } from "../../src/peer/services/admin.js"
import type { Policy } from "../../src/policy/index.js"
import { make, type NodeLog } from "../../src/runtime/Log.js"
import { type CallInfo, GrpcFailure } from "../../src/transport/index.js"
import { common, protos } from "../../src/wire/index.js"
import { mspOf, nodeFolder, person } from "./support.js"

let policy: Policy
let admin: Signer
let user: Signer
let log: NodeLog
let nonce = 0

beforeAll(async () => {
  const { msp } = await mspOf("Org1MSP", `${nodeFolder("Org1MSP", "peer0")}/msp`)
  policy = Either.getOrThrow(adminPolicy(msp))
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
})

const call: CallInfo = {
  path: "",
  peer: "127.0.0.1:1",
  clientCertificateDer: undefined,
  metadata: () => undefined,
  deadline: undefined,
  cancelled: false
}

const request = (
  operation: Parameters<typeof protos.AdminOperation.encode>[0],
  { signer = admin, age = 0, type }: { readonly signer?: Signer; readonly age?: number; readonly type?: number } = {}
): Uint8Array =>
  signedEnvelope({
    type: type ?? common.HeaderType.PEER_ADMIN_OPERATION,
    channelId: "",
    data: protos.AdminOperation.encode(operation),
    signer,
    now: Date.now() - age,
    nonce: Buffer.from(`n${nonce++}`)
  })

type Method = keyof ReturnType<typeof adminHandlers>

const node = () => {
  log = Either.getOrThrow(make({ spec: "info", format: "", write: () => {} }))
  const handlers = adminHandlers(policy, log)
  return async (method: Method, bytes: Uint8Array): Promise<Uint8Array | string> => {
    const handler = handlers[method]
    if (typeof handler !== "function") return expect.fail(`no handler of ${method}`)
    const answered = await Effect.runPromise(Effect.either(handler(bytes, call)))
    if (Either.isRight(answered)) return answered.right
    const { left } = answered
    return left instanceof GrpcFailure ? `${left.code} ${left.details}` : String(left instanceof Error && left.message)
  }
}

const bytes = (answer: Uint8Array | string): Uint8Array => (typeof answer === "string" ? expect.fail(answer) : answer)

describe("who is served", () => {
  test("admins of the peer's organization", async () => {
    const ask = node()
    for (const method of ["GetStatus", "StartServer"] as const)
      expect(protos.ServerStatus.decode(bytes(await ask(method, request({})))).status).toBe(
        protos.ServerStatus_StatusCode.STARTED
      )
    expect(await ask("GetStatus", request({}, { signer: user }))).toBe("access denied")
    expect(await ask("GetStatus", request({}, { signer: await person("Org2MSP", "Admin") }))).toBe("access denied")
  })
  test.each([
    "GetStatus",
    "StartServer",
    "GetModuleLogLevel",
    "SetModuleLogLevel",
    "RevertLogLevels",
    "GetLogSpec",
    "SetLogSpec"
  ] as const)("%s: nobody else, however well the request is made, and nothing changes", async (method) => {
    const ask = node()
    const operation = method.includes("Module")
      ? { logReq: { logModule: "gossip", logLevel: "debug" } }
      : { logSpecReq: { logSpec: "debug" } }
    const others = [user, await person("Org2MSP", "Admin"), await person("OrdererMSP", "Admin")]
    for (const signer of others) expect(await ask(method, request(operation, { signer }))).toBe("access denied")
    expect(await ask(method, request(operation, { age: 16 * 60_000 }))).toBe("access denied")
    expect(await ask(method, request(operation, { type: common.HeaderType.MESSAGE }))).toBe(
      "bad request: invalid type MESSAGE, expected PEER_ADMIN_OPERATION"
    )
    expect(log.specText).toBe("info")
    expect(typeof (await ask(method, request(operation)))).not.toBe("string")
  })
  test("within 15 minutes either way", async () => {
    const ask = node()
    for (const age of [16, -16].map((minutes) => minutes * 60_000))
      expect(await ask("GetStatus", request({}, { age }))).toBe("access denied")
    for (const age of [14, -14].map((minutes) => minutes * 60_000))
      expect(typeof (await ask("GetStatus", request({}, { age })))).not.toBe("string")
  })
  test("with a signature of their own", async () => {
    const envelope = common.Envelope.decode(request({}))
    const forged = common.Envelope.encode({ ...envelope, signature: common.Envelope.decode(request({})).signature })
    expect(await node()("GetStatus", forged)).toBe("access denied")
  })
})

describe("malformed requests", () => {
  test.each([
    ["no envelope", Uint8Array.of(0xff), /^13 grpc: error unmarshalling request: /],
    ["an empty one", new Uint8Array(), /^bad request: envelope must have a Header$/],
    [
      "no payload",
      common.Envelope.encode({ payload: Uint8Array.of(0xff) }),
      /^bad request: error unmarshaling Payload: /
    ],
    [
      "no time",
      common.Envelope.encode({
        payload: common.Payload.encode({
          header: { channelHeader: common.ChannelHeader.encode({ type: common.HeaderType.PEER_ADMIN_OPERATION }) }
        })
      }),
      /^empty timestamp$/
    ]
  ])("%s", async (_, message, refused) => {
    expect(await node()("GetStatus", message)).toMatch(refused)
  })
  test("another type", async () => {
    expect(await node()("GetStatus", request({}, { type: common.HeaderType.CONFIG }))).toBe(
      "bad request: invalid type CONFIG, expected PEER_ADMIN_OPERATION"
    )
  })
  test.each(["GetModuleLogLevel", "SetModuleLogLevel", "SetLogSpec"] as const)(
    "%s without its content",
    async (method) => {
      expect(await node()(method, request({}))).toBe("request is nil")
    }
  )
})

describe("log levels", () => {
  const level = (answer: Uint8Array | string) => protos.LogLevelResponse.decode(bytes(answer)).logLevel
  const spec = (answer: Uint8Array | string) => protos.LogSpecResponse.decode(bytes(answer))
  test("set, read and reverted", async () => {
    const ask = node()
    const of = (logLevel: string) => request({ logReq: { logModule: "gossip", logLevel } })
    expect(level(await ask("GetModuleLogLevel", of("")))).toBe("INFO")
    expect(level(await ask("SetModuleLogLevel", of("debug")))).toBe("DEBUG")
    expect(log.specText).toBe("gossip=debug:info")
    expect(level(await ask("GetModuleLogLevel", of("")))).toBe("DEBUG")
    expect(await ask("RevertLogLevels", request({}))).toEqual(new Uint8Array())
    expect(spec(await ask("GetLogSpec", request({}))).logSpec).toBe("info")
  })
  test("a level that is none", async () => {
    expect(await node()("SetModuleLogLevel", request({ logReq: { logModule: "gossip", logLevel: "borken" } }))).toBe(
      "3 error setting log spec to 'info:gossip=borken': invalid logging specification 'info:gossip=borken': bad segment 'gossip=borken'"
    )
  })
  test("a whole spec; a bad one comes back inside the answer", async () => {
    const ask = node()
    expect(spec(await ask("SetLogSpec", request({ logSpecReq: { logSpec: "a=error:warn" } }))).error).toBe("")
    expect(log.specText).toBe("a=error:warn")
    const bad = spec(await ask("SetLogSpec", request({ logSpecReq: { logSpec: "a=b=c" } })))
    expect([bad.logSpec, bad.error]).toEqual(["a=b=c", "invalid logging specification 'a=b=c': bad segment 'a=b=c'"])
    expect(log.specText).toBe("a=error:warn")
  })
})
