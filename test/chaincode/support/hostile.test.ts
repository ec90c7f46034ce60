/** Chaincode that means harm, over real connections: its transactions fail, others go on, memory comes back. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { MessageType } from "../../../src/chaincode/shim/messages.js"
import { type ClientStream, connect } from "../../../src/transport/index.js"
import { protos } from "../../../src/wire/index.js"
import * as services from "../../../src/wire/services.js"
import { chaincodeFolder } from "./chaincodes.js"
import { message } from "./FakeStream.js"
import { run, TestPeer } from "./TestPeer.js"

const T = MessageType

let peer: TestPeer
let scope: Scope.CloseableScope

/** `executeTimeout` in milliseconds. */
const begin = async (executeTimeout: number) => {
  // dev mode: the hostile ones come by themselves, the good one is launched
  peer = await TestPeer.start({ settings: { devMode: true, executeTimeout } })
  scope = await Effect.runPromise(Scope.make())
  const found = await peer.install(chaincodeFolder(), "good")
  peer.instantiate(found)
  const evil = await peer.install(chaincodeFolder(), "evil")
  peer.instantiate(evil)
  await peer.invoke("good", ["noop"])
}
afterEach(async () => {
  await Effect.runPromise(Scope.close(scope, Exit.void))
  await peer.stop()
})

/** A registered stream under the name evil:1.0. */
const register = async (): Promise<ClientStream> => {
  const stream = await run(
    Scope.extend(
      Effect.gen(function* () {
        const channel = yield* connect(peer.server.endpoint.address, {})
        return yield* channel.bidi(services.ChaincodeSupport.methods.Register)
      }),
      scope
    )
  )
  await run(stream.send(message(T.register, { payload: protos.ChaincodeID.encode({ name: "evil:1.0" }) })))
  expect(await next(stream)).toMatchObject({ type: T.registered })
  expect(await next(stream)).toMatchObject({ type: T.ready })
  return stream
}

const next = async (stream: ClientStream): Promise<protos.ChaincodeMessage> => {
  const bytes = await run(stream.next)
  if (bytes === undefined) throw new Error("the stream ended")
  return protos.ChaincodeMessage.decode(bytes)
}

const goodGoesOn = async () => {
  const { payload } = await peer.invoke("good", ["noop"])
  expect(payload).toBe("ok")
}
const invokeEvil = (txId = "tx") =>
  peer.invoke("evil", ["noop"], { txId }).then(
    (ran) => `ran ${ran.status}`,
    (error: Error) => error.message
  )

const completed = (txid: string, status = 200) =>
  message(T.completed, { txid, channelId: "mychannel", payload: protos.Response.encode({ status }) })

const getState = (txid: string, key = "a") =>
  message(T.getState, { txid, channelId: "mychannel", payload: protos.GetState.encode({ key }) })

describe("chaincode", () => {
  beforeEach(() => begin(1_500))

  it("that dies in mid-transaction takes its own transactions along and no other", async () => {
    const stream = await register()
    const done = ["a", "b"].map(invokeEvil)
    for (const _ of done) expect(await next(stream)).toMatchObject({ type: T.transaction })
    const slow = peer.invoke("good", ["slow", "200"], { txId: "a" })
    await Effect.runPromise(Scope.close(scope, Exit.void)) // its connection breaks
    scope = await Effect.runPromise(Scope.make())
    expect(await Promise.all(done)).toEqual(
      ["a", "b"].map((txId) => `failed to execute transaction ${txId}: error sending: chaincode stream terminated`)
    )
    expect((await slow).payload).toBe("awake")
    expect(peer.channel().open).toBe(0)
    // it may come back
    const again = await register()
    const better = invokeEvil("c")
    await next(again)
    await run(again.send(completed("c")))
    expect(await better).toBe("ran 200")
  })

  it("that answers twice is heard once; what it says next belongs to the next", async () => {
    const stream = await register()
    const first = invokeEvil("one")
    await next(stream)
    await run(stream.send(completed("one")))
    await run(stream.send(message(T.error, { txid: "one", channelId: "mychannel", payload: Buffer.from("no, this") })))
    await run(stream.send(completed("two"))) // before it was asked
    await run(stream.send(getState("nobody")))
    expect(await next(stream)).toMatchObject({ type: T.error, txid: "nobody" }) // all of it has been heard
    expect(await first).toBe("ran 200")
    const second = invokeEvil("two")
    expect(await next(stream)).toMatchObject({ type: T.transaction, txid: "two" })
    await run(stream.send(completed("two", 404)))
    expect(await second).toBe("ran 404")
    await goodGoesOn()
  })

  it("that says nonsense loses its stream and its transaction", async () => {
    const stream = await register()
    const done = invokeEvil()
    expect(await next(stream)).toMatchObject({ type: T.transaction })
    await run(stream.send(Uint8Array.of(0xff, 0xff, 0xff)))
    expect(await done).toBe("failed to execute transaction tx: error sending: chaincode stream terminated")
    await expect(run(stream.next)).rejects.toThrow("receive failed")
    await goodGoesOn()
  })

  it("that answers what is no response fails its transaction alone", async () => {
    const stream = await register()
    const done = invokeEvil()
    await next(stream)
    await run(stream.send(message(T.completed, { txid: "tx", channelId: "mychannel", payload: Uint8Array.of(0xff) })))
    expect(await done).toContain("failed to unmarshal response for transaction tx")
    await goodGoesOn()
  })

  it("that hangs runs into the timeout, again and again", async () => {
    const stream = await register()
    const all = await Promise.all(["a", "b", "c"].map(invokeEvil))
    expect(all.every((text) => text.endsWith("timeout expired while executing transaction"))).toBe(true)
    for (const txid of ["a", "b", "c"]) {
      await run(stream.send(message(T.completed, { txid, channelId: "mychannel" }))) // too late: ignored
    }
    await goodGoesOn()
    expect(peer.channel().open).toBe(0)
  })

  it("that answers for others cannot: transactions are its stream's own", async () => {
    const stream = await register()
    const slow = peer.invoke("good", ["slow", "300"], { txId: "theirs" })
    await run(stream.send(message(T.completed, { txid: "theirs", channelId: "mychannel" })))
    await run(stream.send(getState("theirs")))
    expect(Buffer.from((await next(stream)).payload).toString()).toBe(
      "GET_STATE failed: transaction ID: theirs: no ledger context"
    )
    expect((await slow).payload).toBe("awake")
  })

  it("that floods and never reads is held back; memory stays", async () => {
    peer.channel().put("evil", "large", Buffer.alloc(1 << 20, 0x61))
    const stream = await register()
    const ids = Array.from({ length: 40 }, (_, i) => `tx${i}`)
    const done = Promise.all(ids.map(invokeEvil))
    for (const _ of ids) expect(await next(stream)).toMatchObject({ type: T.transaction })
    const before = process.memoryUsage().rss
    // each answer is a megabyte that nobody reads: taken without end they would fill gigabytes
    let sent = 0
    const flood = Effect.gen(function* () {
      for (;;) {
        for (const txid of ids) yield* stream.send(getState(txid, "large"))
        sent += ids.length
        yield* Effect.sleep("1 millis") // not all in one burst, where doubles are dropped
      }
    })
    await Effect.runPromise(Effect.timeoutOption(flood, "1 second"))
    const grown = (process.memoryUsage().rss - before) / 2 ** 20
    expect(sent).toBeGreaterThan(200)
    expect(grown).toBeLessThan(230)
    await goodGoesOn()
    for (const text of await done) expect(text).toContain("timeout expired while executing transaction")
  })

  it("that opens iterators without end gives them all back with its transaction", async () => {
    for (let i = 0; i < 200; i++) peer.channel().put("evil", `k${String(i).padStart(3, "0")}`, "v")
    const stream = await register()
    const done = invokeEvil()
    await next(stream)
    const range = protos.GetStateByRange.encode({ startKey: "k", endKey: "l" })
    // as many as fit into the short execute timeout of these tests on a busy machine
    for (let i = 0; i < 60; i++) {
      await run(stream.send(message(T.getStateByRange, { txid: "tx", channelId: "mychannel", payload: range })))
      expect(await next(stream)).toMatchObject({ type: T.response })
    }
    await run(
      stream.send(
        message(T.completed, { txid: "tx", channelId: "mychannel", payload: protos.Response.encode({ status: 200 }) })
      )
    )
    expect(await done).toBe("ran 200")
    expect(peer.channel().open).toBe(0)
    await goodGoesOn()
  })

  it("that sends the largest message and one byte more", async () => {
    const stream = await register()
    const done = invokeEvil()
    await next(stream)
    await run(
      stream.send(message(T.error, { txid: "tx", channelId: "mychannel", payload: Buffer.alloc(101 * 1024 * 1024) }))
    ).catch(() => {})
    expect(await done).toMatch(/chaincode stream terminated|timeout expired/)
    await goodGoesOn()
  })
})

describe("chaincode with all the time it wants", () => {
  beforeEach(() => begin(120_000))

  it("that opens 10,000 iterators gives them all back, and the memory", async () => {
    for (let i = 0; i < 102; i++) peer.channel().put("evil", `k${String(i).padStart(3, "0")}`, "")
    const stream = await register()
    const txs = Array.from({ length: 20 }, (_, i) => `tx${i}`)
    const done = Promise.all(txs.map(invokeEvil))
    for (const _ of txs) expect(await next(stream)).toMatchObject({ type: T.transaction })
    const payload = protos.GetStateByRange.encode({ startKey: "k", endKey: "l" })
    const ids = new Set<string>()
    const before = process.memoryUsage().rss
    for (let i = 0; i < 500; i++) {
      for (const txid of txs)
        await run(stream.send(message(T.getStateByRange, { txid, channelId: "mychannel", payload })))
      for (const _ of txs) {
        const answer = protos.QueryResponse.decode((await next(stream)).payload)
        expect(answer.hasMore).toBe(true)
        ids.add(answer.id)
      }
    }
    expect(ids.size).toBe(10_000)
    // an iterator costs a few kilobytes while it is open
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(400)
    await goodGoesOn()
    for (const txid of txs) await run(stream.send(completed(txid)))
    expect(await done).toEqual(txs.map(() => "ran 200"))
    expect(peer.channel().open).toBe(0)
    const late = invokeEvil("next")
    await next(stream)
    const [id = ""] = ids
    const more = protos.QueryStateNext.encode({ id })
    await run(stream.send(message(T.queryStateNext, { txid: "next", channelId: "mychannel", payload: more })))
    expect(Buffer.from((await next(stream)).payload).toString()).toBe(
      "QUERY_STATE_NEXT failed: transaction ID: next: query iterator not found"
    )
    await run(stream.send(completed("next")))
    expect(await late).toBe("ran 200")
  }, 120_000)
})
