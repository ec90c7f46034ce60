/** `ledger compare`: two peers by their Deliver services, over real gRPC, as they go on; and folders. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import { AccessDenied, blockResponse, declareDeliverMetrics, makeDeliverHandler } from "../../../src/deliver/index.js"
import { makeMemory, parseBlock } from "../../../src/ledger/index.js"
import * as Metrics from "../../../src/runtime/Metrics.js"
import { cryptogen } from "../../../src/tools/cryptogen/index.js"
import { blockDifferences } from "../../../src/tools/ledger/compare.js"
import { ledgerTool } from "../../../src/tools/ledger/index.js"
import { makeGrpcServer, type ServerOptions } from "../../../src/transport/index.js"
import { common } from "../../../src/wire/index.js"
import { PeerDeliver } from "../../../src/wire/services.js"
import { folders, goOrderer, goPeer, lines, ourPeer, peerBlocks, run } from "./support.js"

const fresh = folders("compare")
const material = path.join(import.meta.dirname, "..", "..", "vectors", "chain-a", "crypto-config")
const msp = path.join(material, "peerOrganizations/org1.example.com/users/User1@org1.example.com/msp")
const asking = ["--channel", "mychannel", "--msp", msp, "--msp-id", "Org1MSP"]

/** A peer's Deliver service over a growing chain; `port` to come back where it was. */
const servePeer = (
  blocks: ReadonlyArray<Uint8Array>,
  options: Partial<ServerOptions> & { readonly denied?: boolean } = {}
) =>
  Effect.gen(function* () {
    const { denied, ...server } = options
    const store = makeMemory("mychannel")
    for (const block of blocks) yield* store.append(block)
    const grpc = yield* makeGrpcServer({ address: "127.0.0.1:0", stopGrace: "10 millis", ...server })
    const handler = makeDeliverHandler({
      channel: (id) =>
        id === "mychannel"
          ? {
              sequence: () => 0n,
              height: store.height,
              blocks: store.iterator,
              errored: () => undefined,
              checkAccess: () => (denied === true ? Effect.fail(new AccessDenied({ detail: "no" })) : Effect.void)
            }
          : undefined,
      blockMessage: blockResponse,
      filtered: false,
      timeWindow: 900_000,
      mutualTls: grpc.mutualTls,
      checkExpiration: false,
      metrics: declareDeliverMetrics(Metrics.disabled)
    })
    yield* grpc.addService(PeerDeliver, { Deliver: handler, DeliverFiltered: handler })
    yield* grpc.serve
    return { address: grpc.address, append: store.append }
  }).pipe(Effect.provide(Metrics.layerDisabled))

const scoped = <A, E>(program: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.scoped(program))
const compare = (...argv: ReadonlyArray<string>) => Effect.promise(() => run(["compare", ...argv]))

/** The recorded chain with another commit hash in one block. */
const otherHash = (number: number): ReadonlyArray<Uint8Array> =>
  peerBlocks.map((bytes, i) => {
    if (i !== number) return bytes
    const block = common.Block.decode(bytes)
    const metadata = (block.metadata?.metadata ?? []).map((slot, at) =>
      at === 4 ? common.Metadata.encode({ value: Buffer.alloc(32, 9) }) : slot
    )
    return common.Block.encode({ ...block, metadata: { metadata } })
  })

describe("two peers", () => {
  it("that agree are the same up to the lower height", () =>
    scoped(
      Effect.gen(function* () {
        const a = yield* servePeer(peerBlocks)
        const b = yield* servePeer(peerBlocks.slice(0, 20))
        expect(yield* compare(a.address, b.address, "--once", ...asking)).toEqual({
          code: 0,
          out: "20 blocks are the same\n",
          err: "A has 29 block(s), B has 20: the first 20 are compared\n"
        })
        expect(yield* compare(a.address, b.address, "--from", "5", "--to", "9", "--json", ...asking)).toMatchObject({
          code: 0,
          out: '{"blocks":5,"difference":null}\n'
        })
        const env = { CORE_PEER_MSPCONFIGPATH: msp, CORE_PEER_LOCALMSPID: "Org1MSP" }
        const byEnvironment = yield* Effect.promise(() =>
          run(["compare", a.address, b.address, "--once", "--channel", "mychannel"], { env })
        )
        expect(byEnvironment.code).toBe(0)
      })
    ))

  it("that do not are told apart at the first commit hash that differs", () =>
    scoped(
      Effect.gen(function* () {
        const a = yield* servePeer(peerBlocks)
        const b = yield* servePeer(otherHash(12))
        const { code, out } = yield* compare(a.address, b.address, ...asking)
        expect(code).toBe(1)
        expect(out).toMatch(
          /^block \[12\] is the first that differs, 12 before it are the same\n {2}commit hash: A has [0-9a-f]{64}, B has (09){32}\n$/
        )
        const json = yield* compare(a.address, b.address, "--json", ...asking)
        expect(lines(json.out)).toMatchObject([{ blocks: 12, difference: { block: 12 } }])
      })
    ))

  it("are followed: new blocks are compared as they come, and a peer that restarts is waited for", () =>
    scoped(
      Effect.gen(function* () {
        const a = yield* servePeer(peerBlocks.slice(0, 3))
        const scope = yield* Scope.make()
        const first = yield* Scope.extend(servePeer(peerBlocks.slice(0, 3)), scope)
        let told = ""
        const following = yield* Effect.fork(
          Effect.promise(() =>
            run(["compare", a.address, first.address, ...asking], {
              stderr: (text) => {
                told += text
              },
              terminal: { columns: 100 }
            })
          )
        )
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => told.includes("3/3") })
        yield* Scope.close(scope, Exit.void)
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => told.includes("trying again") })
        yield* servePeer(otherHash(5), { address: first.address })
        for (const block of peerBlocks.slice(3, 10)) yield* a.append(block)
        const { code, out } = yield* Fiber.join(following)
        expect(code).toBe(1)
        expect(out).toContain("block [5] is the first that differs, 5 before it are the same")
        expect(told.match(/trying again/g)).toHaveLength(1)
      })
    ))

  it("that agree are followed until somebody interrupts, who is told how far it went", () =>
    scoped(
      Effect.gen(function* () {
        const a = yield* servePeer(peerBlocks.slice(0, 4))
        let told = ""
        const following = yield* Effect.fork(
          ledgerTool(["compare", a.address, a.address, ...asking], {
            cwd: "/",
            env: {},
            stdin: () => Promise.resolve(new Uint8Array(0)),
            stdout: () => {},
            stderr: (text) => {
              told += text
            },
            terminal: { columns: 80 }
          })
        )
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => told.includes("4/4") })
        yield* Fiber.interrupt(following)
        expect(told.endsWith("4 blocks were the same so far\n")).toBe(true)
      })
    ))

  it("are asked over TLS", () =>
    scoped(
      Effect.gen(function* () {
        const dir = fresh()
        fs.writeFileSync(
          path.join(dir, "crypto.yaml"),
          'PeerOrgs: [{ Name: Org, Domain: org.test, Template: { Count: 1, SANS: ["127.0.0.1"] }, Users: { Count: 1 } }]\n'
        )
        const made = yield* cryptogen(["generate", "--config", "crypto.yaml", "--output", "out"], {
          cwd: dir,
          env: {},
          stdin: () => Promise.resolve(new Uint8Array(0)),
          stdout: () => {},
          stderr: () => {}
        })
        expect(made).toBe(0)
        const tls = path.join(dir, "out/peerOrganizations/org.test/peers/peer0.org.test/tls")
        const user = path.join(dir, "out/peerOrganizations/org.test/users/User1@org.test/tls")
        const file = (name: string) => fs.readFileSync(path.join(tls, name))
        const a = yield* servePeer(peerBlocks.slice(0, 4), {
          tls: { certificate: file("server.crt"), key: file("server.key"), requireClientCert: false, clientRootCAs: [] }
        })
        const ca = ["--tls-ca", path.join(tls, "ca.crt")]
        const client = ["--tls-cert", path.join(user, "client.crt"), "--tls-key", path.join(user, "client.key")]
        expect(yield* compare(a.address, a.address, "--once", ...asking, ...ca, ...client)).toMatchObject({ code: 0 })
        const half = yield* compare(a.address, a.address, ...asking, ...ca, ...client.slice(0, 2))
        expect(half.err).toContain("--tls-cert and --tls-key go together")
        const plain = yield* compare(a.address, a.address, "--once", ...asking)
        expect(plain.code).toBe(1)
      })
    ))

  it("that cannot be asked are named with the reason", () =>
    scoped(
      Effect.gen(function* () {
        const a = yield* servePeer(peerBlocks.slice(0, 2))
        const closed = yield* servePeer(peerBlocks.slice(0, 2), { denied: true })
        const error = (...argv: ReadonlyArray<string>) =>
          Effect.map(compare(...argv), ({ code, err }) => {
            expect(code).toBe(1)
            return err
          })
        expect(yield* error(a.address, "127.0.0.1:1", ...asking)).toContain("Error: 127.0.0.1:1: ")
        expect(yield* error(a.address, closed.address, ...asking)).toContain(
          `${closed.address}: can't read the block: FORBIDDEN`
        )
        const other = ["--channel", "other", ...asking.slice(2)]
        expect(yield* error(a.address, a.address, ...other)).toContain("NOT_FOUND")
        expect(yield* error(a.address, a.address)).toContain("--channel is needed")
        expect(yield* error(a.address, a.address, "--channel", "mychannel")).toContain("give --msp")
        expect(yield* error(a.address, a.address, ...asking, "--to", "x")).toContain("--to must be a block number")
      })
    ))
})

describe("folders", () => {
  it("are compared with each other and with a peer", () =>
    scoped(
      Effect.gen(function* () {
        const ours = yield* Effect.promise(() => ourPeer(fresh()))
        expect(yield* compare(goPeer(fresh()), ours)).toMatchObject({ code: 0, out: "29 blocks are the same\n" })
        const changed = goPeer(fresh(), { mychannel: otherHash(28) })
        expect((yield* compare(changed, ours)).out).toContain("block [28] is the first that differs")
        const peer = yield* servePeer(peerBlocks)
        expect(yield* compare(ours, peer.address, ...asking)).toMatchObject({
          code: 0,
          out: "29 blocks are the same\n"
        })
        const orderer = yield* compare(goOrderer(fresh()), ours, "--channel", "mychannel")
        expect(orderer).toMatchObject({ code: 1, err: expect.stringContaining("compare peers") })
      })
    ))
})

describe("two blocks", () => {
  it("differ in each of their parts", () => {
    const block = parseBlock(peerBlocks[6] ?? new Uint8Array(0))
    expect(blockDifferences(block, block)).toEqual([])
    const slots = (at: number, bytes: Uint8Array) => block.metadata.map((slot, i) => (i === at ? bytes : slot))
    expect(blockDifferences(block, { ...block, metadata: slots(2, Uint8Array.of(0, 0)) })).toEqual([
      "flag of transaction [1]: A has MVCC_READ_CONFLICT, B has VALID"
    ])
    expect(blockDifferences({ ...block, metadata: slots(4, new Uint8Array(0)) }, block)[0]).toMatch(
      /^commit hash: A has none, B has [0-9a-f]{64}$/
    )
    expect(blockDifferences(block, { ...block, envelopes: block.envelopes.slice(1) })).toEqual(
      [
        "data: the transactions are not the same bytes",
        "flag of transaction [1]: A has MVCC_READ_CONFLICT, B has MVCC_READ_CONFLICT"
      ].slice(0, 1)
    )
    expect(
      blockDifferences(block, { ...block, number: 7n, previousHash: Uint8Array.of(1), dataHash: Uint8Array.of(2) })
    ).toHaveLength(3)
  })
})
