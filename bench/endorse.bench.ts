/**
 * ProcessProposal: answers a second, latency, CPU and memory of the peer, for a system chaincode, a read and a write. Run:
 *
 *     npx vite-node bench/endorse.bench.ts
 *
 * Builds our peer from the sources, starts it as a process on the recorded genesis block, with a chaincode of
 * test/chaincode/fixtures as its child process, and an orderer beside the client; or measures any that is running:
 * BENCH_PEER=host:port, BENCH_CRYPTO=crypto-config folder, BENCH_CHANNEL, BENCH_CHAINCODE (with functions `get` and
 * `put`), BENCH_PID (for CPU and memory). One JSON line per case, then a table. BENCH_SECONDS and BENCH_CALLERS change the
 * load. Chaincode's CPU is its own process's: it is not counted.
 */
import { randomBytes } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import {
  broadcast,
  endorse,
  fetchBlock,
  makeProposal,
  ordererBlocks,
  type ProposalParts,
  query,
  system
} from "../src/client/index.js"
import { loadLocalMsp, type Signer } from "../src/msp/index.js"
import { type Channel, connect } from "../src/transport/index.js"
import { protos } from "../src/wire/index.js"
import { Endorser } from "../src/wire/services.js"
import { chaincodeFolder } from "../test/chaincode/support/chaincodes.js"
import { createMychannel, startNode } from "../test/orderer/support/node.js"
import { packageOf } from "../test/peer/node/chaincodes.js"
import { buildProgram, freePort, launch, prepare, removeProgram } from "../test/peer/node/process.js"

const { env } = process
const numbers = (text: string | undefined, otherwise: string) => (text ?? otherwise).split(",").map(Number)

const crypto = env.BENCH_CRYPTO ?? fileURLToPath(new URL("../test/vectors/chain-a/crypto-config", import.meta.url))
const channelId = env.BENCH_CHANNEL ?? "mychannel"
const chaincode = env.BENCH_CHAINCODE ?? "probe"
const callers = numbers(env.BENCH_CALLERS, "1,16,64")
const [seconds = 5] = numbers(env.BENCH_SECONDS, "5")

const signer = (who: string): Effect.Effect<Signer, unknown> =>
  Effect.map(
    loadLocalMsp({
      dir: join(crypto, "peerOrganizations/org1.example.com/users", `${who}@org1.example.com`, "msp"),
      mspId: "Org1MSP"
    }),
    (msp) => msp.signer
  )

/** CPU seconds so far, and resident MiB now and at most, of a process on Linux. */
const usage = (pid: number | undefined) => {
  if (pid === undefined) return { cpu: Number.NaN, rss: Number.NaN, peak: Number.NaN }
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  const mebibytes = (key: string) => Math.round(Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024)
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, rss: mebibytes("VmRSS"), peak: mebibytes("VmHWM") }
}

// ---- The process under test ----------------------------------------------------------------------------------------

/** Our peer, joined, with the chaincode instantiated and run. */
const startOurs = (folder: string) =>
  Effect.gen(function* () {
    const admin = yield* signer("Admin")
    const orderer = yield* startNode({ folder: join(folder, "orderer") })
    yield* createMychannel(orderer)
    const port = yield* freePort
    const peer = yield* launch(["node", "start"], prepare(join(folder, "peer"), { port, orderer: orderer.address }))
    yield* peer.says("Started peer with ID=")
    const client = yield* connect(`127.0.0.1:${port}`)
    const seek = { channelId, signer: admin, seek: { start: "oldest", stop: "oldest" } } as const
    const genesis = yield* fetchBlock(orderer.client, seek, ordererBlocks)
    yield* query(client, { channelId: "", signer: admin, ...system.joinChannel(genesis) })
    const spec = packageOf(chaincode, "1.0", chaincodeFolder(), ["init"])
    yield* query(client, { channelId: "", signer: admin, ...system.install(spec) })
    const submit = (call: system.SystemCall) =>
      Effect.flatMap(endorse([client], { channelId, signer: admin, ...call }), ({ envelope }) =>
        broadcast(orderer.client, envelope)
      )
    yield* submit(system.deploy("deploy", { channelId, spec }))
    yield* peer.says("Committed block [1]")
    yield* submit({ chaincode, args: ["put", "k", "v"] })
    yield* peer.says("Committed block [2]")
    return { client, pid: peer.child.pid }
  })

const startGiven = (address: string) =>
  Effect.map(connect(address), (client) => ({
    client,
    pid: env.BENCH_PID === undefined ? undefined : Number(env.BENCH_PID)
  }))

// ---- The load ------------------------------------------------------------------------------------------------------

/** Proposals signed before the clock runs; a peer does not mind to be asked twice before a transaction is committed. */
const PREPARED = 2000

const cases: ReadonlyArray<readonly [name: string, call: Pick<ProposalParts, "chaincode" | "args">]> = [
  ["system chaincode", system.getChainInfo(channelId)],
  ["one read", { chaincode, args: ["get", "k"] }],
  ["one write", { chaincode, args: ["put", "k2", "v"] }]
]

const round = (value: number, digits: number): number => Number(value.toFixed(digits))

const ask = (client: Channel, proposal: Uint8Array) =>
  Effect.flatMap(client.unary(Endorser.methods.ProcessProposal, proposal), (bytes) => {
    const { response } = protos.ProposalResponse.decode(bytes)
    return response?.status === 200 ? Effect.void : Effect.fail(new Error(`${response?.status} ${response?.message}`))
  })

const measure = (
  client: Channel,
  pid: number | undefined,
  name: string,
  proposals: ReadonlyArray<Uint8Array>,
  width: number
) =>
  Effect.gen(function* () {
    const latencies: Array<number> = []
    let next = 0
    const caller = (until: number, keep: boolean) =>
      Effect.gen(function* () {
        while (performance.now() < until) {
          const proposal = proposals[next++ % proposals.length]
          if (proposal === undefined) return
          const since = performance.now()
          yield* ask(client, proposal)
          if (keep) latencies.push(performance.now() - since)
        }
      })
    const run = (forSeconds: number, keep: boolean) =>
      Effect.suspend(() => {
        const until = performance.now() + forSeconds * 1000
        const all = Array.from({ length: width }, () => caller(until, keep))
        return Effect.all(all, { concurrency: "unbounded", discard: true })
      })
    yield* run(Math.min(2, seconds / 2), false)
    const before = usage(pid)
    const started = performance.now()
    yield* run(seconds, true)
    const took = (performance.now() - started) / 1000
    const after = usage(pid)
    latencies.sort((a, b) => a - b)
    const quantile = (q: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? 0
    return {
      name: `endorse ${name}, ${width} callers`,
      unit: "proposals/s",
      value: Math.round(latencies.length / took),
      p50Ms: round(quantile(0.5), 2),
      p99Ms: round(quantile(0.99), 2),
      cpuUsPerProposal: Math.round(((after.cpu - before.cpu) * 1e6) / latencies.length),
      rssMiB: after.rss,
      peakMiB: after.peak
    }
  })

const program = (folder: string) =>
  Effect.gen(function* () {
    const { client, pid } = yield* env.BENCH_PEER === undefined ? startOurs(folder) : startGiven(env.BENCH_PEER)
    const user = yield* signer("User1")
    // the chaincode may still be starting
    const first = query(client, { channelId, signer: user, chaincode, args: ["get", "k"] })
    yield* Effect.retry(first, Schedule.intersect(Schedule.spaced("100 millis"), Schedule.recurs(100)))
    const rows: Array<Record<string, number | string>> = []
    for (const [name, call] of cases) {
      const proposals = Array.from(
        { length: PREPARED },
        () => makeProposal({ channelId, signer: user, ...call, now: Date.now(), nonce: randomBytes(24) }).signed
      )
      for (const width of callers) {
        const row = yield* measure(client, pid, name, proposals, width)
        console.log(JSON.stringify(row))
        rows.push(row)
      }
    }
    console.table(rows)
  })

const folder = mkdtempSync(join(tmpdir(), "bench-endorse-"))
try {
  if (env.BENCH_PEER === undefined) await buildProgram()
  await Effect.runPromise(Effect.scoped(program(folder)))
} finally {
  removeProgram()
  rmSync(folder, { recursive: true, force: true })
}
