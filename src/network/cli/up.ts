/** `up`: everything from nothing to a first transaction, then blocks as they come. */
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Environment } from "../environment.js"
import { NetworkRefused, type NodeFailed, type StepFailed } from "../errors.js"
import * as layout from "../layout.js"
import { type RunningNetwork, up } from "../Network.js"
import * as ProcessNodes from "../nodes/ProcessNodes.js"
import { anyPorts, portList, requireFree, usualPorts } from "../ports.js"
import { type NetworkSpec, networkSpec } from "../spec.js"
import { isAlive, type NetworkState, readState, writeState } from "../state.js"
import { networkOptions, type UpOptions } from "./options.js"
import { type Output, reporterOf, say, showBlock } from "./output.js"

export interface World {
  readonly cwd: string
  /** Folder of the launchers, `config` and `samples`. */
  readonly home: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** What builds and runs chaincode may inherit. */
const toolEnvironment = ({ environment }: World): Environment =>
  Object.fromEntries(
    ["PATH", "HOME", "GOPATH", "GOROOT", "GOCACHE", "GOMODCACHE", "JAVA_HOME", "TMPDIR"].flatMap((name) => {
      const value = environment[name]
      return value === undefined ? [] : [[name, value]]
    })
  )

/** Nodes must not be configured by what happens to be set around us: only their own variables and the log's count. */
const inherited = ({ environment }: World): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !/^(CORE|ORDERER)_/.test(name)))

const stateOf = (spec: NetworkSpec, ports: NetworkState["ports"], pids: NetworkState["pids"]): NetworkState => ({
  format: 1,
  channel: spec.channel,
  orgs: spec.orgs,
  tls: spec.tls,
  batchTimeoutMs: spec.batchTimeoutMs,
  maxMessageCount: spec.maxMessageCount,
  ports,
  chaincodes: spec.chaincodes.map(({ name, version }) => ({ name, version })),
  pids
})

/** The spec of this start: a folder that was used before keeps its channel, organisations, TLS and ports. */
const settle = (options: UpOptions, world: World) =>
  Effect.gen(function* () {
    const sample = join(world.home, "samples", "chaincode", "assets")
    const asked = yield* networkSpec(networkOptions(options, sample), world.cwd)
    const state = yield* readState(asked.dir)
    if (state === undefined) {
      const peers = layout.peersOf(asked)
      const ports = options.freePorts === true ? yield* anyPorts(peers) : usualPorts(peers, options.basePort)
      return { spec: asked, ports }
    }
    const running = Object.entries(state.pids).filter(([, pid]) => isAlive(pid))
    if (running.length > 0)
      return yield* new NetworkRefused({
        reason: `the network in ${asked.dir} is up (${running.map(([name]) => name).join(", ")})`,
        remedy: "stop it with `down`, or choose another folder with --dir"
      })
    const { batchTimeoutMs, channel, maxMessageCount, orgs, ports, tls } = state
    return { spec: { ...asked, batchTimeoutMs, channel, maxMessageCount, orgs, tls }, ports }
  })

/** The sample's transaction: shows that the network works. */
const firstTransaction = (network: RunningNetwork, output: Output): Effect.Effect<void, StepFailed> =>
  Effect.gen(function* () {
    const sample = network.spec.chaincodes.find(({ name }) => name === "assets")
    if (sample === undefined) return
    const started = yield* Clock.currentTimeMillis
    const id = `asset-${started}`
    const { block, code, txId } = yield* network.gateway.submit(sample.name, ["create", id, "blue", "Tomoko", "300"])
    const answer = yield* network.gateway.evaluate(sample.name, ["read", id])
    yield* reporterOf(output).step(
      `transaction ${txId.slice(0, 12)} ${code} in block ${block}; query: ${answer}`,
      (yield* Clock.currentTimeMillis) - started
    )
  })

const follow = (network: RunningNetwork, output: Output): Effect.Effect<never, NodeFailed | StepFailed> =>
  Effect.raceFirst(
    network.gateway.blocks(showBlock(output)),
    Effect.raceAll(network.nodes.map(({ failure }) => failure))
  )

export const upCommand = (
  options: UpOptions,
  world: World,
  output: Output
): Effect.Effect<void, NetworkRefused | NodeFailed | StepFailed> =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    const { ports, spec } = yield* settle(options, world)
    for (const [port, what] of portList(ports)) yield* requireFree(port, what)
    yield* writeState(spec.dir, stateOf(spec, ports, {}))
    const detach = options.detach === true
    const environment = { configDir: join(world.home, "config"), toolEnvironment: toolEnvironment(world) }
    const nodes = ProcessNodes.layer({ home: world.home, inherited: inherited(world), detach })

    const body: Effect.Effect<void, NetworkRefused | NodeFailed | StepFailed, Scope.Scope> = Effect.gen(function* () {
      const network = yield* up(spec, ports, environment, reporterOf(output)).pipe(Effect.provide(nodes))
      const pids = Object.fromEntries(network.nodes.map(({ name, pid }) => [name, pid]))
      yield* writeState(spec.dir, stateOf(spec, ports, pids))
      if (!detach) yield* Effect.addFinalizer(() => Effect.ignore(writeState(spec.dir, stateOf(spec, ports, {}))))
      yield* firstTransaction(network, output)
      const total = (yield* Clock.currentTimeMillis) - started
      yield* say(
        output,
        [
          `network is up after ${total} ms: orderer 127.0.0.1:${ports.orderer}, ${Object.entries(ports.peers)
            .map(([host, { peer }]) => `${host} 127.0.0.1:${peer}`)
            .join(", ")}`,
          `  connection profile  ${spec.orgs.map((org) => layout.profileFile(spec.dir, org)).join(", ")}`,
          `  wallet              ${layout.walletFolder(spec.dir)}`,
          `  logs                ${join(spec.dir, "logs")}`
        ].join("\n"),
        { event: "up", milliseconds: total, dir: spec.dir, channel: spec.channel, ports }
      )
      if (!detach) yield* follow(network, output)
    })
    yield* Effect.scoped(body)
  })
