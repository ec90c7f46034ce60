/** System chaincodes called directly: what their callers see is what a stream would have shown. */
import * as Effect from "effect/Effect"
import { afterEach, describe, expect, it } from "vitest"
import type { ChaincodeStub, SystemChaincode } from "../../../src/chaincode/support/SystemChaincode.js"
import { failure, success } from "../../../src/chaincode/support/SystemChaincode.js"
import { protos, queryresult } from "../../../src/wire/index.js"
import { looseText } from "../../../src/wire/looseText.js"
import { chaincodeFolder } from "./chaincodes.js"
import { run, SYSTEM_VERSION, TestPeer, utf8 } from "./TestPeer.js"

const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString("utf8")

const act = (stub: ChaincodeStub): Effect.Effect<protos.Response> => {
  const [name = "", key = "", value = ""] = stub.args.map(text)
  switch (name) {
    case "put":
      stub.putState(key, utf8(value))
      return Effect.succeed(success())
    case "get":
      return Effect.succeed(success(stub.getState(key) ?? utf8("<nil>")))
    case "range": {
      const keys = [...stub.stateByRange(key, value)].map((bytes) => queryresult.KV.decode(bytes).key)
      return Effect.succeed(success(utf8(`${keys.length} ${keys[0]} ${keys.at(-1)}`)))
    }
    case "event":
      stub.setEvent("upgrade", utf8("payload"))
      return Effect.succeed(success())
    case "slow":
      return Effect.as(Effect.sleep("300 millis"), success(utf8("slept")))
    case "break":
      return Effect.die(new Error("broke"))
    case "refuse":
      return Effect.succeed(failure(`no ${looseText(stub.args[1] ?? new Uint8Array())}`))
    case "caught":
      try {
        stub.getState(looseText(stub.args[1] ?? utf8("x")))
        return Effect.succeed(success())
      } catch (error) {
        return Effect.succeed(failure(String(error instanceof Error ? error.message : error)))
      }
    default:
      return Effect.succeed(failure(`no function ${name}`))
  }
}

const inits: Array<string> = []
const lscc: SystemChaincode = {
  name: "lscc",
  init: (stub) =>
    Effect.sync(() => {
      inits.push(`${stub.channelId}/${stub.args.length}`)
      return stub.channelId === "other" ? failure("not here") : success()
    }),
  invoke: act
}

let peer: TestPeer
afterEach(() => peer.stop())
const start = async (executeTimeout = 5_000) => {
  const lines: Array<string> = []
  peer = await TestPeer.start({ system: [lscc], settings: { executeTimeout }, log: (line) => lines.push(line) })
  return lines
}
const invoke = (args: ReadonlyArray<string>, options = {}) => peer.invoke("lscc", args, options, SYSTEM_VERSION)

describe("a system chaincode", () => {
  it("works on state under its own name", async () => {
    await start()
    await invoke(["put", "a", "1"])
    expect(peer.channel().value("lscc", "a")).toBe("1")
    expect((await invoke(["get", "a"])).payload).toBe("1")
    expect((await invoke(["get", "b"])).payload).toBe("<nil>")
    for (let i = 0; i < 250; i++) peer.channel().put("lscc", `k${String(i).padStart(3, "0")}`, "v")
    expect((await invoke(["range", "k", "l"])).payload).toBe("250 k000 k249")
    expect((await invoke(["range", "", ""])).payload).toBe("251 a k249")
  })

  it("sends events under its name and answers with its status", async () => {
    await start()
    expect((await invoke(["event"], { txId: "t" })).event).toMatchObject({
      eventName: "upgrade",
      chaincodeId: "lscc",
      txId: "t"
    })
    expect(await invoke(["nothing"])).toMatchObject({ status: 500, message: "no function nothing" })
  })

  it("without a simulator gets the text of a failed request", async () => {
    await start()
    const params = peer.params("lscc", undefined, { txId: "t" })
    const input = protos.ChaincodeInput.create({ args: [utf8("caught")] })
    const { response } = await run(peer.support.execute(params, { name: "lscc", version: SYSTEM_VERSION }, input))
    expect(response).toMatchObject({ status: 500, message: "GET_STATE failed: transaction ID: t: no ledger context" })
  })

  it("cannot send or ask for what is no UTF-8", async () => {
    await start()
    const call = (name: string) =>
      run(
        peer.support.execute(
          peer.params("lscc", peer.channel().simulator("t"), { txId: "t" }),
          { name: "lscc", version: SYSTEM_VERSION },
          protos.ChaincodeInput.create({ args: [utf8(name), Uint8Array.of(0x61, 0xff)] })
        )
      )
    await expect(call("refuse")).rejects.toThrow(
      'transaction returned with failure: proto: field "protos.Response.Message" contains invalid UTF-8'
    )
    expect((await call("caught")).response.message).toBe(
      'GET_STATE failed: transaction ID: t: unmarshal failed: proto: field "protos.GetState.key" contains invalid UTF-8'
    )
  })

  it("runs out of time, runs once per transaction, and does not take the peer down", async () => {
    await start(150)
    const both = await Promise.all(
      [1, 2].map(() => invoke(["slow"], { txId: "same" }).catch((error: Error) => error.message))
    )
    expect([...both].sort()).toEqual([
      "failed to execute transaction same: error sending: timeout expired while executing transaction",
      "failed to execute transaction same: error sending: txid: same(mychannel) exists"
    ])
    expect(await invoke(["break"])).toMatchObject({ status: 500, message: "broke" })
    expect((await invoke(["get", "a"])).status).toBe(200)
    const page = await Effect.runPromise(peer.metrics.exposition)
    expect(page?.body).toContain('chaincode_execute_timeouts{chaincode="lscc:1.4.12"} 1')
  })

  it("is called by user chaincode without an access check", async () => {
    await start()
    await invoke(["put", "a", "1"])
    peer.instantiate(await peer.install(chaincodeFolder(), "probe"))
    expect((await peer.invoke("probe", ["call", "lscc", "", "get", "a"])).payload).toBe('[200,"","1"]')
    expect((await peer.invoke("probe", ["call", "qscc", "", "get", "a"])).message).toContain(
      "failed to get chaincode container info for qscc:1.4.12: chaincode qscc not found"
    )
  })

  it("is initialised with each channel; a failure is logged, not thrown", async () => {
    const lines = await start()
    inits.length = 0
    for (const channelId of ["", "mychannel", "other"]) {
      await peer.run(peer.support.deploySystemChaincodes(channelId, undefined))
    }
    expect(inits).toEqual(["/0", "mychannel/0", "other/0"])
    const logged = (what: string) => lines.some((line) => line.includes(what))
    expect(logged("Successfully deployed system chaincode lscc:1.4.12 on channel [mychannel]")).toBe(true)
    expect(logged("Error deploying chaincode spec: lscc:1.4.12")).toBe(true)
  })
})
