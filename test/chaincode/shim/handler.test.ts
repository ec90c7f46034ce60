/** The peer's side of a stream against a chaincode that does what it likes. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { MessageType } from "../../../src/chaincode/shim/messages.js"
import * as Metrics from "../../../src/runtime/Metrics.js"
import { protos } from "../../../src/wire/index.js"
import {
  executing,
  type FakePeerOptions,
  type FakeStream,
  fakePeer,
  message,
  nextTurn,
  params
} from "../support/FakeStream.js"
import { MemoryChannel } from "../support/MemoryChannel.js"

const T = MessageType
const utf8 = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8")
const register = (name: string) => message(T.register, { payload: protos.ChaincodeID.encode({ name }) })
const types = (stream: FakeStream) => stream.sent.map(({ type }) => type)

/** A registered chaincode in dev mode. */
const ready = (options: FakePeerOptions = {}) => {
  const peer = fakePeer({ devMode: true, ...options })
  const { handler, stream } = peer.connect()
  stream.say(register("cc:1"))
  stream.sent.length = 0
  return { ...peer, handler, stream }
}

const request = (type: number, payload: Uint8Array, txid = "tx", channelId = "ch") =>
  message(type, { payload, txid, channelId })
const getState = (key: string, txid?: string) => request(T.getState, protos.GetState.encode({ key }), txid)

describe("registration", () => {
  it("is answered by REGISTERED and READY, nothing else in them", () => {
    const { connect, registry } = fakePeer({ devMode: true })
    const { handler, stream } = connect()
    stream.say(register("cc:1"))
    expect(stream.sent.map((sent) => Buffer.from(protos.ChaincodeMessage.encode(sent)).toString("hex"))).toEqual([
      "0802",
      "0804"
    ])
    expect(registry.handler("cc:1")).toBe(handler)
    expect(handler.currentState).toBe("ready")
  })

  it("of a duplicate gets no answer, and the original stays when it leaves", () => {
    const { connect, log, registry } = fakePeer({ devMode: true })
    const first = connect()
    first.stream.say(register("cc:1"))
    const second = connect()
    second.stream.say(register("cc:1"))
    expect(second.stream.sent).toEqual([])
    expect(second.stream.failures).toEqual([])
    expect(log.at(-1)).toContain("duplicate chaincodeID: cc:1")
    second.stream.close()
    expect(registry.handler("cc:1")).toBe(first.handler)
    first.stream.close()
    expect(registry.handler("cc:1")).toBeUndefined()
  })

  it("of a process that nobody launched is refused silently outside dev mode", () => {
    const { connect, log } = fakePeer()
    const { handler, stream } = connect()
    stream.say(register("cc:1"))
    expect(stream.sent).toEqual([])
    expect(stream.failures).toEqual([])
    expect(handler.currentState).toBe("created")
    expect(log.at(-1)).toContain("peer will not accept external chaincode connection cc:1 (except in dev mode)")
  })

  it("fails the launch that it was refused in", async () => {
    const { connect, registry } = fakePeer()
    registry.launching("cc:1")
    const { stream } = connect()
    stream.say(register("cc:1"))
    const { state } = registry.launching("cc:1")
    connect().stream.say(register("cc:1"))
    await expect(Effect.runPromise(state.result)).resolves.toBeUndefined() // the first one counts
  })

  it("survives a payload that is none, and may be tried again", () => {
    const { connect } = fakePeer({ devMode: true })
    const { handler, stream } = connect()
    stream.say(message(T.register, { payload: Uint8Array.of(0xff, 0xff) }))
    expect(stream.failures).toEqual([])
    expect(handler.currentState).toBe("created")
    stream.say(register("cc:1"))
    expect(types(stream)).toEqual([T.registered, T.ready])
  })
})

describe("execution", () => {
  it("brings the answer of the chaincode and leaves nothing behind", async () => {
    const { handler, stream } = ready()
    const done = executing(handler, params())
    expect(stream.last).toMatchObject({ type: T.transaction, txid: "tx", channelId: "ch", proposal: undefined })
    stream.say(message(T.completed, { txid: "tx", channelId: "ch", payload: utf8("answer") }))
    expect(await done).toMatchObject({ type: T.completed, payload: utf8("answer") })
    expect(handler.transactions).toBe(0)
  })

  it("carries the signed proposal when there is a proposal", async () => {
    const { handler, stream } = ready()
    const signedProposal = protos.SignedProposal.create({ proposalBytes: utf8("p"), signature: utf8("s") })
    void executing(handler, params({ signedProposal, proposal: protos.Proposal.create() }))
    expect(stream.last.proposal).toMatchObject({ proposalBytes: utf8("p"), signature: utf8("s") })
    expect(await executing(handler, params({ txId: "b", proposal: protos.Proposal.create() }))).toBe(
      "failed getting proposal context. Signed proposal is nil"
    )
  })

  it("of a transaction that runs already is refused; on another channel it is not", async () => {
    const { handler, stream } = ready()
    const first = executing(handler, params())
    expect(await executing(handler, params())).toBe("txid: tx(ch) exists")
    const second = executing(handler, params({ channelId: "ch2" }))
    stream.say(message(T.completed, { txid: "tx", channelId: "ch2" }))
    stream.say(message(T.completed, { txid: "tx", channelId: "ch" }))
    expect(await second).toMatchObject({ channelId: "ch2" })
    expect(await first).toMatchObject({ channelId: "ch" })
  })

  it("runs out of time: counted, its context gone, its late end ignored", async () => {
    const metrics = Metrics.prometheus()
    const { advance, handler, stream } = ready({ metrics })
    const done = executing(handler, params(), 500)
    advance(499)
    expect(handler.transactions).toBe(1)
    advance(1)
    expect(await done).toBe("timeout expired while executing transaction")
    stream.sent.length = 0
    stream.say(getState("a"))
    await nextTurn()
    expect(text(stream.last.payload)).toBe("GET_STATE failed: transaction ID: tx: no ledger context")
    stream.say(message(T.completed, { txid: "tx", channelId: "ch" }))
    expect(stream.failures).toEqual([])
    const page = await Effect.runPromise(metrics.exposition)
    expect(page?.body).toContain('chaincode_execute_timeouts{chaincode="cc:1"} 1')
  })

  it("ends when the stream ends, for all that wait", async () => {
    const { handler, registry, stream } = ready()
    const waiting = ["a", "b", "c"].map((txId) => executing(handler, params({ txId })))
    stream.close()
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 3 }, () => "chaincode stream terminated"))
    expect(registry.handler("cc:1")).toBeUndefined()
    expect(await executing(handler, params())).toBe("chaincode stream terminated")
  })

  it("takes the first of two ends", async () => {
    const { handler, stream } = ready()
    const done = executing(handler, params())
    stream.say(message(T.completed, { txid: "tx", channelId: "ch", payload: utf8("one") }))
    stream.say(message(T.error, { txid: "tx", channelId: "ch", payload: utf8("two") }))
    expect(await done).toMatchObject({ payload: utf8("one") })
    expect(stream.failures).toEqual([])
  })

  it("that is interrupted lets go of the transaction", async () => {
    const { handler } = ready()
    const fiber = Effect.runFork(handler.execute(params(), { type: 5, payload: new Uint8Array(0) }, 1_000))
    await nextTurn()
    expect(handler.transactions).toBe(1)
    await Effect.runPromise(Effect.asVoid(Effect.exit(fiber.interruptAsFork(fiber.id()))))
    await nextTurn()
    expect(handler.transactions).toBe(0)
  })
})

describe("requests", () => {
  const running = (options: FakePeerOptions = {}) => {
    const made = ready(options)
    const channel = new MemoryChannel("ch")
    channel.put("cc", "a", "1")
    const simulator = channel.simulator("tx")
    const done = executing(made.handler, params({ simulator, history: channel.history }))
    made.stream.sent.length = 0
    return { ...made, channel, simulator, done }
  }

  it("echo both ids, an empty channel too", async () => {
    const { handler, stream } = ready()
    void executing(handler, params({ channelId: "" }))
    stream.sent.length = 0
    stream.say(request(T.getState, protos.GetState.encode({ key: "a" }), "tx", ""))
    await nextTurn()
    expect(stream.last).toMatchObject({ type: T.error, txid: "tx", channelId: "" })
    expect(text(stream.last.payload)).toBe("GET_STATE failed: transaction ID: tx: no ledger context")
  })

  it("read and write under the registered name", async () => {
    const { simulator, stream } = running()
    stream.say(getState("a"))
    await stream.until(1)
    expect(stream.last).toMatchObject({ type: T.response, payload: utf8("1"), txid: "tx", channelId: "ch" })
    stream.say(getState("absent"))
    await stream.until(2)
    expect(stream.last.payload).toHaveLength(0)
    stream.say(request(T.putState, protos.PutState.encode({ key: "b", value: utf8("2") })))
    await stream.until(3)
    expect(stream.last).toMatchObject({ type: T.response })
    expect(stream.last.payload).toHaveLength(0)
    stream.say(request(T.delState, protos.DelState.encode({ key: "a" })))
    await stream.until(4)
    expect(Buffer.from(simulator.getTxSimulationResults().public).toString("latin1")).toContain("cc")
  })

  it("twice at once for one transaction get one answer", async () => {
    const { log, stream } = running()
    stream.say(getState("a"))
    stream.say(getState("a"))
    await nextTurn()
    await nextTurn()
    expect(stream.sent).toHaveLength(1)
    expect(
      log.some((line) => line.includes("Another request pending for this CC: cc:1, Txid: tx, ChannelID: ch."))
    ).toBe(true)
    stream.say(getState("a"))
    await nextTurn()
    expect(stream.sent).toHaveLength(2)
  })

  it("that do not decode are answered, not fatal", async () => {
    const { stream } = running()
    for (const type of [8, 9, 10, 11, 14, 15, 16, 17, 19, 22]) {
      stream.sent.length = 0
      stream.say(request(type, Uint8Array.of(0x0a, 0xff)))
      await stream.until(1)
      expect(stream.last.type).toBe(T.error)
    }
    expect(stream.failures).toEqual([])
  })

  it("in front of an end of the transaction are answered first", async () => {
    const { done, simulator, stream } = running()
    stream.say(request(T.putState, protos.PutState.encode({ key: "b", value: utf8("2") })))
    stream.say(message(T.completed, { txid: "tx", channelId: "ch" }))
    expect(await done).toMatchObject({ type: T.completed })
    expect(types(stream)).toEqual([T.response])
    expect(Buffer.from(simulator.getTxSimulationResults().public).includes("b")).toBe(true)
  })

  it("count under the name with the colon of the reference", async () => {
    const metrics = Metrics.prometheus()
    const { stream } = running({ metrics })
    stream.say(getState("a"))
    await stream.until(1)
    stream.say(getState("a", "unknown"))
    await stream.until(2)
    const page = (await Effect.runPromise(metrics.exposition))?.body ?? ""
    const labels = 'type="GET_STATE",channel="ch",chaincode="cc:1:"'
    expect(page).toContain(`chaincode_shim_requests_received{${labels}} 2`)
    expect(page).toContain(`chaincode_shim_requests_completed{${labels},success="true"} 1`)
    expect(page).toContain(`chaincode_shim_requests_completed{${labels},success="false"} 1`)
    expect(page).toContain(`chaincode_shim_request_duration_count{${labels},success="true"} 1`)
  })

  it("to other chaincode stay in progress until answered", async () => {
    const gate = Effect.runSync(Deferred.make<Uint8Array>())
    const { stream } = running({ invoke: () => Deferred.await(gate) })
    stream.say(request(T.invokeChaincode, protos.ChaincodeSpec.encode({ chaincodeId: { name: "other" } })))
    await nextTurn()
    stream.say(getState("a"))
    await nextTurn()
    await nextTurn()
    expect(stream.sent).toEqual([]) // dropped: one request of a transaction at a time
    Effect.runSync(Deferred.succeed(gate, utf8("inner")))
    await stream.until(1)
    expect(stream.last).toMatchObject({ type: T.response, payload: utf8("inner") })
    stream.say(getState("a"))
    await stream.until(2)
  })

  it("to other chaincode need a transaction, or a system chaincode and no channel", async () => {
    const { handler, stream } = ready({ invoke: () => Effect.succeed(utf8("inner")) })
    const call = (name: string, channelId: string) =>
      request(T.invokeChaincode, protos.ChaincodeSpec.encode({ chaincodeId: { name } }), "tx", channelId)
    const answers: Array<string> = []
    const ask = async (bytes: Uint8Array) => {
      stream.sent.length = 0
      stream.say(bytes)
      await stream.until(1)
      answers.push(text(stream.last.payload))
    }
    await ask(call("other", "ch"))
    await ask(call("other", ""))
    await ask(call("qscc", ""))
    void executing(handler, params({ channelId: "" }))
    await ask(call("qscc", ""))
    await ask(call("other", ""))
    expect(answers).toEqual([
      "INVOKE_CHAINCODE failed: transaction ID: tx: could not get valid transaction",
      "INVOKE_CHAINCODE failed: transaction ID: tx: could not get valid transaction",
      "INVOKE_CHAINCODE failed: transaction ID: tx: failed to get transaction context",
      "inner",
      "INVOKE_CHAINCODE failed: transaction ID: tx: could not get valid transaction"
    ])
  })

  it("close their queries with the transaction", async () => {
    const { channel, done, stream } = running()
    for (let i = 0; i < 150; i++) channel.put("cc", `k${i}`, "v")
    const range = protos.GetStateByRange.encode({ startKey: "k", endKey: "l" })
    stream.say(request(T.getStateByRange, range))
    await stream.until(1)
    const { id } = protos.QueryResponse.decode(stream.last.payload)
    stream.say(message(T.completed, { txid: "tx", channelId: "ch" }))
    await done
    stream.say(request(T.queryStateNext, protos.QueryStateNext.encode({ id })))
    await stream.until(2)
    expect(text(stream.last.payload)).toContain("no ledger context")
  })
})

describe("a stream", () => {
  it("ends on a message that its state does not allow, with the reference's text", () => {
    const { stream } = ready()
    stream.say(message(T.register, { txid: "tx" }))
    expect(stream.failures).toEqual([
      "error handling message, ending stream: [tx] Fabric side handler cannot handle message (REGISTER) while in ready state"
    ])
    stream.say(getState("a"))
    expect(stream.sent).toEqual([])
  })

  it("is slowed down by a chaincode that does not read, and goes on when it does", async () => {
    const { stream } = ready()
    const before = stream.reads
    stream.fast = false
    stream.say(getState("a", "t1"))
    await stream.until(1)
    const asked = stream.reads
    for (let i = 0; i < 10; i++) stream.say(getState("a", `u${i}`))
    await nextTurn()
    expect(asked - before).toBe(1)
    expect(stream.reads).toBe(asked)
    stream.fast = true
    stream.drained()
    expect(stream.reads).toBe(asked + 10)
  })

  it("gets KEEPALIVE each interval and only then", () => {
    const { advance, stream } = ready({ keepalive: 1_000 })
    advance(3_500)
    expect(types(stream)).toEqual([T.keepalive, T.keepalive, T.keepalive])
    stream.say(message(T.keepalive))
    stream.close()
    advance(5_000)
    expect(stream.sent).toHaveLength(3)
    const quiet = ready()
    quiet.advance(10_000_000)
    expect(quiet.stream.sent).toEqual([])
  })

  it("ends with EOF when the chaincode has said all", () => {
    const { registry, stream } = ready()
    stream.halfClose()
    expect(stream.failures).toEqual(["EOF"])
    expect(registry.handler("cc:1")).toBeUndefined()
  })

  it("takes any bytes without harm to others", async () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .record({
          type: fc.integer({ min: -1, max: 30 }),
          payload: fc.uint8Array({ maxLength: 60 }),
          txid: fc.constantFrom("tx", "other", ""),
          channelId: fc.constantFrom("ch", "", "x")
        })
        .map((fields) => protos.ChaincodeMessage.encode(fields))
    )
    await fc.assert(
      fc.asyncProperty(fc.array(noise, { maxLength: 30 }), fc.boolean(), async (messages, registered) => {
        const peer = fakePeer({ devMode: true, applications: { of: () => undefined } })
        const other = peer.connect()
        other.stream.say(register("good:1"))
        const { handler, stream } = peer.connect()
        if (registered) stream.say(register("cc:1"))
        const simulator = new MemoryChannel("ch").simulator("tx")
        const done = executing(handler, params({ simulator }))
        for (const bytes of messages) stream.say(bytes)
        await nextTurn()
        stream.close()
        const end = await done
        if (typeof end === "string") expect(["chaincode stream terminated"]).toContain(end)
        else expect([T.completed, T.error]).toContain(end.type)
        expect(peer.registry.handler("cc:1")).toBeUndefined()
        expect(peer.registry.handler("good:1")).toBe(other.handler)
        expect(handler.transactions).toBe(0)
      }),
      { numRuns: 300 }
    )
  })
})
