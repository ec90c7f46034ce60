/** Unmodified shims in processes of their own, against the real server: every message of the protocol, TLS and not. */
import { createHash } from "node:crypto"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { common } from "../../../src/wire/index.js"
import { chaincodeFolder, type ShimVersion } from "./chaincodes.js"
import { deserializerOf } from "./identity.js"
import { type Ran, type RunOptions, TestPeer, utf8 } from "./TestPeer.js"

const COMBINATIONS: ReadonlyArray<readonly [shim: ShimVersion, tls: boolean]> = [
  ["2.5.8", true],
  ["2.2.3", false]
]
const OTHERS: ReadonlyArray<readonly [shim: ShimVersion, tls: boolean]> = [
  ["2.5.8", false],
  ["2.2.3", true]
]

const collection = (name: string, memberOnlyRead: boolean) => ({
  staticCollectionConfig: {
    name,
    memberOnlyRead,
    memberOrgsPolicy: {
      signaturePolicy: { rule: { signedBy: 0 }, identities: [{ principal: utf8("Org1MSP") }] }
    }
  }
})
const collections = common.CollectionConfigPackage.create({
  config: [collection("open", false), collection("members", true)]
})

describe.each(COMBINATIONS)("fabric-shim %s, TLS %s", (shim, tlsEnabled) => {
  let peer: TestPeer
  let member = true

  beforeAll(async () => {
    const application = { keyLevelEndorsement: true, deserializer: deserializerOf(() => member) }
    peer = await TestPeer.start({
      settings: { tlsEnabled },
      application: (channelId) => (channelId === "unknown" ? undefined : application)
    })
    const probe = await peer.install(chaincodeFolder({ shim }), "probe")
    peer.instantiate(probe, "mychannel", collections)
    peer.instantiate(probe, "other")
    const second = await peer.install(chaincodeFolder({ shim }), "second")
    peer.instantiate(second)
    peer.instantiate(second, "other")
  })
  afterAll(() => peer.stop())

  /** Older shims send ERROR where newer ones answer with status 500. */
  const invoke = (args: ReadonlyArray<string>, options?: RunOptions): Promise<Ran> =>
    peer.invoke("probe", args, options).catch((error: Error): Ran => {
      const failure = "transaction returned with failure: "
      if (shim !== "2.2.3" || !error.message.startsWith(failure)) throw error
      const message = error.message.slice(failure.length)
      return { status: 500, message, payload: "", event: undefined, results: { public: utf8(""), private: undefined } }
    })
  const answer = async (args: ReadonlyArray<string>, options?: RunOptions): Promise<string> => {
    const ran = await invoke(args, options)
    expect(ran.message).toBe("")
    expect(ran.status).toBe(200)
    return ran.payload
  }

  it("runs Init, writes, reads and deletes", async () => {
    expect(await answer(["put", "a", "1", "b", "2"])).toBe("2")
    expect(await answer(["get", "a"])).toBe("1")
    await answer(["del", "a"])
    expect(await answer(["get", "a"])).toBe("")
    expect(peer.channel().value("probe", "b")).toBe("2")
  })

  it("knows its transaction", async () => {
    expect(await answer(["who"], { txId: "tx-of-mine" })).toBe('["tx-of-mine","mychannel","Org1MSP"]')
  })

  it("scans ranges, pages and composite keys", async () => {
    await answer(["fill", "250"])
    expect(await answer(["count", "k", "l"])).toBe("250")
    expect(await answer(["count", "k00100", "k00200"])).toBe("100")
    expect(await answer(["count", "k00100", "k00201"])).toBe("101")
    expect(await answer(["count", "x", "y"])).toBe("0")
    const page = JSON.parse(await answer(["page", "k", "l", "150"]))
    expect(page).toMatchObject({ fetched: 150, bookmark: "k00150" })
    expect(page.rows).toHaveLength(150)
    expect(JSON.parse(await answer(["page", "k", "l", "150", page.bookmark]))).toMatchObject({
      fetched: 100,
      bookmark: ""
    })
    await answer(["put2", "color", "v", "red", "car"])
    await answer(["put2", "color", "v", "red", "bike"])
    await answer(["put2", "color", "v", "blue", "car"])
    expect(await answer(["range2", "color", "red"])).toBe('[["red","bike"],["red","car"]]')
  })

  it("reads the history of a key", async () => {
    await answer(["put", "h", "1"], { txId: "first" })
    await answer(["put", "h", "2"], { txId: "second" })
    await answer(["del", "h"], { txId: "third" })
    expect(await answer(["history", "h"])).toBe('[["first","1",false],["second","2",false],["third","",true]]')
  })

  it("keeps private data, for members where the collection says so", async () => {
    const transient = new Map([["v", utf8("secret")]])
    await answer(["ppriv", "open", "p"], { transient })
    await answer(["ppriv", "members", "p"], { transient })
    const hash = createHash("sha256").update("secret").digest("hex")
    expect(await answer(["gpriv", "open", "p"])).toBe("secret")
    expect(await answer(["hpriv", "open", "p"])).toBe(hash)
    expect(await answer(["gpriv", "members", "p"])).toBe("secret")
    expect(await answer(["prange", "members", "a", "z"])).toBe('[["p","secret"]]')
    member = false
    const denied =
      "tx creator does not have read access permission on privatedata in chaincodeName:probe collectionName: members"
    expect((await invoke(["gpriv", "members", "p"])).message).toContain(denied)
    expect((await invoke(["prange", "members", "a", "z"])).message).toContain(denied)
    expect(await answer(["gpriv", "open", "p"])).toBe("secret")
    expect(await answer(["hpriv", "members", "p"])).toBe(hash)
    await answer(["ppriv", "members", "q"], { transient })
    member = true
    await answer(["dpriv", "members", "p"])
    expect(await answer(["gpriv", "members", "p"])).toBe("")
    expect((await invoke(["gpriv", "nowhere", "p"])).message).toMatch(
      /GET_STATE failed: transaction ID: \w+: collection mychannel\/probe\/nowhere could not be found/
    )
    expect((await invoke(["ppriv", "nowhere", "p"], { transient })).message).toContain(
      "collection [nowhere] not defined in the collection config for chaincode [probe]"
    )
  })

  it("sets and reads key-level policies", async () => {
    await answer(["put", "s", "v"])
    await answer(["sbe", "s", "policy bytes"])
    expect(await answer(["gsbe", "s"])).toBe("policy bytes")
    await answer(["ppriv", "open", "s"], { transient: new Map([["v", utf8("x")]]) })
    await answer(["psbe", "open", "s", "private policy"])
    expect(await answer(["gpsbe", "open", "s"])).toBe("private policy")
  })

  it("sends events; the peer names chaincode and transaction", async () => {
    const { event } = await invoke(["event", "happened", "details"], { txId: "tx-event" })
    expect(event).toMatchObject({ eventName: "happened", chaincodeId: "probe", txId: "tx-event" })
    expect(Buffer.from(event?.payload ?? []).toString()).toBe("details")
  })

  it("brings failures with their texts", async () => {
    expect(await invoke(["fail", "went wrong"])).toMatchObject({ status: 500, message: "went wrong" })
    expect(await invoke(["status", "404"])).toMatchObject({ status: 404, message: "as asked" })
    expect((await invoke(["query", "{}"])).message).toMatch(
      /GET_QUERY_RESULT failed: transaction ID: \w+: ExecuteQuery not supported for leveldb/
    )
    expect(await invoke(["nothing"])).toMatchObject({ status: 500, message: "no function nothing" })
  })

  it("calls other chaincode on its channel: one read-write set", async () => {
    const ran = await invoke(["call", "second", "mychannel", "put", "from", "probe"])
    expect(ran.payload).toBe('[200,"","1"]')
    expect(peer.channel().value("second", "from")).toBe("probe")
    expect(Buffer.from(ran.results.public).includes("second")).toBe(true)
    expect(await answer(["call", "second:9.9", "", "get", "from"])).toBe('[200,"","probe"]')
  })

  it("calls other chaincode on another channel: reads stay, writes are lost", async () => {
    peer.channel("other").put("second", "here", "there")
    expect(await answer(["call", "second", "other", "get", "here"])).toBe('[200,"","there"]')
    const ran = await invoke(["call", "second", "other", "put", "lost", "1"])
    expect(ran.payload).toBe('[200,"","1"]')
    expect(peer.channel("other").value("second", "lost")).toBeUndefined()
    expect(Buffer.from(ran.results.public).includes("lost")).toBe(false)
    expect(peer.channel("other").open).toBe(0)
  })

  it("hears why a call failed", async () => {
    const failing = async (...args: ReadonlyArray<string>) =>
      (await invoke(["call", ...args], { txId: "tx-call" })).message
    const prefix = "INVOKE_CHAINCODE failed: transaction ID: tx-call:"
    expect(await failing("probe", "mychannel", "noop")).toContain(
      `${prefix} execute failed: error sending: txid: tx-call(mychannel) exists`
    )
    expect(await failing("absent", "mychannel", "noop")).toContain(`${prefix} chaincode absent not found`)
    expect(await failing("cscc", "mychannel", "noop")).toContain(
      `${prefix} system chaincode cscc cannot be invoked with a cc2cc invocation`
    )
    expect(await failing("second", "unknown", "noop")).toContain(
      `${prefix} access denied for [peer/ChaincodeToChaincode][unknown]`
    )
    // the callee's own failure comes as its response
    const inner = (await invoke(["call", "second", "mychannel", "fail", "inner"])).payload
    if (shim === "2.5.8") expect(inner).toBe('[500,"inner",""]')
  })

  it("serves many transactions at once", async () => {
    const all = await Promise.all(
      Array.from({ length: 40 }, (_, i) => invoke(["call", "second", "", "who"], { txId: `p${i}` }))
    )
    expect(all.map(({ payload }) => JSON.parse(JSON.parse(payload)[2])[0])).toEqual(
      Array.from({ length: 40 }, (_, i) => `p${i}`)
    )
  })

  it("opens thousands of iterators; none stays open", async () => {
    expect(await answer(["open", "1000"])).toBe("1000")
    expect(peer.channel().open).toBe(0)
  })

  it("runs Init: private data is refused there, and what Init answers counts only as an error message", async () => {
    const found = await peer.install(chaincodeFolder({ shim }), "fresh")
    expect(await peer.init(found, [])).toMatchObject({ status: 200 })
    const tx = { transient: new Map([["v", utf8("x")]]) }
    const text = "private data APIs are not allowed in chaincode Init()"
    if (shim === "2.5.8") {
      // this shim answers COMPLETED with status 500: the reference instantiates (T1)
      expect(await peer.init(found, ["ppriv", "open", "p"], tx)).toMatchObject({ status: 500 })
      expect((await peer.init(found, ["ppriv", "open", "p"], tx)).message).toContain(text)
    } else {
      await expect(peer.init(found, ["ppriv", "open", "p"], tx)).rejects.toThrow(
        new RegExp(`^transaction returned with failure: .*${text.replaceAll(/[()]/g, "\\$&")}`)
      )
    }
  })
})

describe.each(OTHERS)("fabric-shim %s, TLS %s", (shim, tlsEnabled) => {
  it("starts, writes and reads", async () => {
    const peer = await TestPeer.start({ settings: { tlsEnabled } })
    try {
      peer.instantiate(await peer.install(chaincodeFolder({ shim }), "probe"))
      expect(await peer.invoke("probe", ["put", "a", "1"])).toMatchObject({ status: 200, payload: "1" })
      expect(await peer.invoke("probe", ["get", "a"])).toMatchObject({ status: 200, payload: "1" })
    } finally {
      await peer.stop()
    }
  })
})
