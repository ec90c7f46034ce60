/** Every function of the shared `sink` chaincode, as recorded networks run it. Skipped where the shared folder is not. */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { common } from "../../../src/wire/index.js"
import { chaincodeFolder, type ShimVersion } from "./chaincodes.js"
import { type RunOptions, repository, TestPeer, utf8 } from "./TestPeer.js"

const source = path.join(repository, "..", "shared", "chaincode", "sink")
const present = fs.existsSync(source)
if (!present) console.log("skipped: ../shared/chaincode/sink is not here")

const collection = (name: string) => ({
  staticCollectionConfig: {
    name,
    memberOnlyRead: true,
    memberOrgsPolicy: { signaturePolicy: { rule: { signedBy: 0 }, identities: [{ principal: utf8("x") }] } }
  }
})

describe.skipIf(!present).each<ShimVersion>(["2.5.8", "2.2.3"])("sink on fabric-shim %s", (shim) => {
  let peer: TestPeer
  beforeAll(async () => {
    peer = await TestPeer.start({ settings: { tlsEnabled: shim === "2.2.3" } })
    const config = common.CollectionConfigPackage.create({ config: [collection("collA"), collection("collB")] })
    for (const name of ["sink", "other"]) {
      const found = await peer.install(chaincodeFolder({ shim, source }), name)
      peer.instantiate(found, "mychannel", config)
      peer.instantiate(found, "other", config)
    }
  })
  afterAll(() => peer?.stop())

  const ask = async (args: ReadonlyArray<string>, options?: RunOptions): Promise<string> => {
    const { message, payload, status } = await peer.invoke("sink", args, options)
    return status === 200 ? payload : `${status} ${message}`
  }
  const v = (value: string): RunOptions => ({ transient: new Map([["v", utf8(value)]]) })

  it("answers every function", async () => {
    expect(await ask(["init"])).toBe("")
    expect(await ask(["noop"])).toBe("ok")
    expect(await ask(["put", "a", "1"])).toBe("a")
    expect(await ask(["mput", "b", "2", "c", "3"])).toBe("2")
    expect(await ask(["get", "b"])).toBe("2")
    expect(await ask(["rmw", "a", "5"])).toBe("6")
    expect(await ask(["range", "a", "c"])).toBe('[["a","6"],["b","2"]]')
    expect(await ask(["rangePut", "a", "d", "e", "x"])).toBe("3")
    expect(await ask(["del", "c"])).toBe("c")
    expect(JSON.parse(await ask(["page", "a", "z", "2"]))).toEqual({
      rows: [
        ["a", "6"],
        ["b", "2"]
      ],
      n: 2,
      bookmark: "e"
    })
    expect(JSON.parse(await ask(["hist", "a"])).map((change: ReadonlyArray<unknown>) => change.slice(1))).toEqual([
      ["1", false],
      ["6", false]
    ])
    expect(await ask(["ckput", "t", "v1", "x", "y"])).toBe("")
    expect(await ask(["ckput", "t", "v2", "x", "z"])).toBe("")
    expect(await ask(["ckrange", "t", "x"])).toBe('[[["x","y"],"v1"],[["x","z"],"v2"]]')
    expect(await ask(["ppriv", "collA", "p"], v("secret"))).toBe("p")
    expect(await ask(["gpriv", "collA", "p"])).toBe("secret")
    expect(await ask(["hpriv", "collA", "p"])).toBe(createHash("sha256").update("secret").digest("hex"))
    expect(await ask(["prmw", "collA", "p"])).toBe("ok")
    expect(await ask(["gpriv", "collA", "p"])).toBe("secret+")
    // sink takes the result for an iterator, which it is in neither shim: the call's own failure
    const scanned = await ask(["prange", "collA", "a", "z"]).catch((error: Error) => error.message)
    expect(scanned).toContain("it.next is not a function")
    expect(await ask(["dpriv", "collA", "p"])).toBe("p")
    expect(await ask(["gpriv", "collA", "p"])).toBe("")
    expect(await ask(["sbe", "a", "Org1MSP"])).toBe("a")
    expect(await ask(["gsbe", "a"])).toMatch(/^[0-9a-f]{20,}$/)
    await ask(["ppriv", "collB", "q"], v("x"))
    expect(await ask(["psbe", "collB", "q", "Org1MSP", "Org2MSP"])).toBe("q")
    expect((await peer.invoke("sink", ["ev", "name", "payload", "k"])).event).toMatchObject({
      eventName: "name",
      chaincodeId: "sink"
    })
    expect(await ask(["call", "other", "", "put", "far", "1"])).toBe("far")
    expect(await ask(["call", "other", "mychannel", "get", "far"])).toBe("1")
    expect(await ask(["call", "other", "other", "get", "far"])).toBe("")
    expect(JSON.parse(await ask(["who"], { txId: "tx-who" }))).toEqual({
      msp: "Org1MSP",
      tx: "tx-who",
      ch: "mychannel",
      ts: "1600000000"
    })
    expect(await ask(["slow", "50"])).toBe("awake")
    expect(await ask(["big", "large", "3000000"])).toBe("3000000")
    expect((await ask(["get", "large"])).length).toBe(3_000_000)
  })

  it("fails as its shim fails", async () => {
    const failed = (args: ReadonlyArray<string>) => ask(args).catch((error: Error) => error.message)
    const texts = await Promise.all([
      failed(["fail", "on purpose"]),
      failed(["absent"]),
      failed(["gpriv", "nowhere", "x"])
    ])
    expect(texts[0]).toContain("on purpose")
    expect(texts[1]).toContain("no function absent")
    expect(texts[2]).toContain("collection mychannel/sink/nowhere could not be found")
    for (const text of texts) expect(text).toMatch(shim === "2.5.8" ? /^500 / : /^transaction returned with failure: /)
  })
})
