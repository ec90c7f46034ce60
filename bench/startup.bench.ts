/**
 * From the moment of start: an orderer's and a peer's first answered RPC (fresh, and again on their ledgers), `up` to its
 * first committed transaction, networks inside this process. Run: npm run bench -- startup
 *
 * Programs of another kind are measured by BENCH_ORDERER_COMMAND and BENCH_PEER_COMMAND (with BENCH_CONFIG, the folder
 * of their orderer.yaml and core.yaml): they get the same environment variables. BENCH_ROUNDS sets how often.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { fetchBlock, query, system } from "../src/client/index.js"
import { loadLocalMsp, type Signer } from "../src/msp/index.js"
import { startNetwork } from "../src/network/api.js"
import { ordererEnvironment, peerEnvironment } from "../src/network/environment.js"
import * as layout from "../src/network/layout.js"
import { makeMaterial } from "../src/network/material.js"
import { anyPorts } from "../src/network/ports.js"
import { networkSpec } from "../src/network/spec.js"
import { type Channel, connect } from "../src/transport/index.js"
import { quantile, Report, rounded, usageOf } from "./support/report.js"
import { amount, root, temporaryFolder } from "./support/target.js"

const report = new Report()
const rounds = amount("BENCH_ROUNDS", 7)
const { env } = process
const configDir = env.BENCH_CONFIG ?? path.join(root, "config")
const command = (given: string | undefined, ...own: ReadonlyArray<string>): ReadonlyArray<string> =>
  given === undefined ? [process.execPath, ...own] : given.split(" ")
const ordererCommand = command(env.BENCH_ORDERER_COMMAND, path.join(root, "orderer.mjs"), "start")
const peerCommand = command(env.BENCH_PEER_COMMAND, path.join(root, "peer.mjs"), "node", "start")

const add = (name: string, milliseconds: ReadonlyArray<number>, more: Record<string, number> = {}): void =>
  report.add({
    name,
    unit: "ms",
    value: Math.round(quantile(milliseconds, 0.5)),
    leastMs: Math.round(Math.min(...milliseconds)),
    mostMs: Math.round(Math.max(...milliseconds)),
    ...more
  })

// ---- A node as a process -------------------------------------------------------------------------------------------

interface Start {
  readonly milliseconds: number
  readonly cpuMs: number
  readonly rss: number
}

const stop = (child: ChildProcess): Effect.Effect<void> =>
  Effect.promise(
    () =>
      new Promise<void>((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve()
        child.once("exit", () => resolve())
        child.kill("SIGTERM")
      })
  )

/** Starts a node, waits until `ask` is answered, stops it. */
const startOnce = <E>(
  [program = "", ...args]: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>,
  port: number,
  ask: (channel: Channel) => Effect.Effect<unknown, E>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const started = performance.now()
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(program, args, {
            env: { PATH: env.PATH, HOME: env.HOME, FABRIC_LOGGING_SPEC: "warning", ...environment },
            stdio: "ignore"
          })
        ),
        stop
      )
      const channel = yield* connect(`127.0.0.1:${port}`, {
        connectTimeout: "30 seconds",
        patient: true,
        reconnect: { initial: "10 millis", max: "10 millis" }
      })
      yield* ask(channel)
      const milliseconds = performance.now() - started
      const { cpu, rss } = usageOf(child.pid)
      return { milliseconds, cpuMs: cpu * 1000, rss }
    })
  )

const addStarts = (name: string, starts: ReadonlyArray<Start>): void =>
  add(
    name,
    starts.map(({ milliseconds }) => milliseconds),
    {
      cpuMs: Math.round(
        quantile(
          starts.map(({ cpuMs }) => cpuMs),
          0.5
        )
      ),
      rssMiB: quantile(
        starts.map(({ rss }) => rss),
        0.5
      )
    }
  )

const nodes = Effect.gen(function* () {
  const dir = path.join(yield* temporaryFolder, "network")
  const spec = Either.getOrThrow(networkSpec({ dir }, "/"))
  const ports = yield* anyPorts(layout.peersOf(spec))
  yield* makeMaterial(spec, ports)
  const [org] = spec.orgs
  const [place] = layout.peersOf(spec)
  if (org === undefined || place === undefined) return yield* Effect.die(new Error("no peer"))
  const signerOf = (folder: string, mspId: string): Effect.Effect<Signer, unknown> =>
    Effect.map(loadLocalMsp({ dir: path.join(folder, "msp"), mspId }), ({ signer }) => signer)
  const ordererSigner = yield* signerOf(layout.ordererMaterial(dir), layout.ORDERER_MSP_ID)
  const admin = yield* signerOf(layout.userMaterial(dir, org, "Admin"), org.mspId)
  const seek = { channelId: layout.SYSTEM_CHANNEL, signer: ordererSigner, seek: { start: 0n, stop: 0n } }

  const several = (
    fresh: boolean,
    folder: string,
    one: Effect.Effect<Start, unknown>
  ): Effect.Effect<ReadonlyArray<Start>, unknown> =>
    Effect.forEach(Array.from({ length: rounds }), () => {
      if (fresh) fs.rmSync(folder, { recursive: true, force: true })
      return one
    })
  const orderer = startOnce(ordererCommand, ordererEnvironment(spec, ports, configDir), ports.orderer, (channel) =>
    fetchBlock(channel, seek)
  )
  const peer = startOnce(
    peerCommand,
    peerEnvironment(spec, ports, place, configDir),
    ports.peers[place.host]?.peer ?? 0,
    (channel) => query(channel, { channelId: "", signer: admin, ...system.getChannels })
  )
  const ordererFolder = layout.ordererLedger(dir)
  addStarts("orderer, fresh, to its first block", yield* several(true, ordererFolder, orderer))
  addStarts("orderer, again", yield* several(false, ordererFolder, orderer))
  addStarts("peer, fresh, to its first answer", yield* several(true, place.ledger, peer))
  addStarts("peer, again", yield* several(false, place.ledger, peer))
})

// ---- Whole networks ------------------------------------------------------------------------------------------------

/** `network.mjs up` to its first committed transaction, as a user waits for it. */
const upOnce = (dir: string, report_: (step: string, milliseconds: number) => void) =>
  Effect.async<number, Error>((resume) => {
    const started = performance.now()
    const child = spawn(
      process.execPath,
      [path.join(root, "network.mjs"), "up", "--json", "--free-ports", "--dir", dir],
      {
        stdio: ["ignore", "pipe", "inherit"]
      }
    )
    let text = ""
    let up: number | undefined
    child.stdout.setEncoding("utf8").on("data", (data: string) => {
      text += data
      const lines = text.split("\n")
      text = lines.pop() ?? ""
      for (const event of lines.map((line): Record<string, unknown> => JSON.parse(line))) {
        if (event.event === "step")
          report_(String(event.step).replace(/[0-9a-f]{12}.*| on 127.*/, ""), Number(event.milliseconds))
        if (event.event !== "up") continue
        up = performance.now() - started
        child.kill("SIGINT")
      }
    })
    child.on("exit", () => resume(up === undefined ? Effect.fail(new Error("up ended")) : Effect.succeed(up)))
  })

const ups = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const steps = new Map<string, number>()
  const times: Array<number> = []
  for (let i = 0; i < 3; i++) {
    times.push(yield* upOnce(path.join(folder, String(i)), (step, milliseconds) => steps.set(step, milliseconds)))
  }
  add("up to the first committed transaction", times)
  console.log(JSON.stringify({ name: "steps of up", unit: "ms", ...Object.fromEntries(steps) }))
  add("up again on its ledger", [yield* upOnce(path.join(folder, "0"), () => {})])
})

const timed = async <A>(work: () => Promise<A>): Promise<readonly [A, number]> => {
  const started = performance.now()
  const result = await work()
  return [result, performance.now() - started]
}

const embedded = async (): Promise<void> => {
  const alone: Array<number> = []
  for (let i = 0; i < rounds; i++) {
    const [network, took] = await timed(() => startNetwork())
    alone.push(took)
    await network.stop()
  }
  add("startNetwork without chaincode, the first of a process", alone.slice(0, 1))
  add("startNetwork without chaincode", alone.slice(1))
  const [networks, took] = await timed(() => Promise.all([startNetwork(), startNetwork(), startNetwork()]))
  add("three networks at the same time, all of them", [took])
  const stopping: Array<number> = []
  for (const network of networks) stopping.push((await timed(() => network.stop()))[1])
  add("stop of a network", stopping, { rssMiB: rounded(usageOf(process.pid).rss) })
}

await Effect.runPromise(Effect.scoped(nodes))
if (env.BENCH_ORDERER_COMMAND === undefined) {
  await Effect.runPromise(Effect.scoped(ups))
  await embedded()
}
report.table()
