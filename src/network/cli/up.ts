/** `up`: everything from nothing to a first transaction, then blocks as they come. */
import { basename, join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { toText } from "../../wire/protoutil.js"
import { type DeskOptions, inspectPort, toolEnvironment } from "../environment.js"
import type { NetworkRefused, NodeFailed, StepFailed } from "../errors.js"
import * as layout from "../layout.js"
import { firstFailure, type RunningNetwork, up } from "../Network.js"
import * as ProcessNodes from "../nodes/ProcessNodes.js"
import { portList, requireFree } from "../ports.js"
import { terminate } from "../processes.js"
import { runningNodes } from "../resume.js"
import type { NetworkSpec } from "../spec.js"
import { readState, stateOf, updateState, withoutPid, withPid, writeState } from "../state.js"
import type { UpOptions } from "./options.js"
import { type Output, reporterOf, say, showBlock } from "./output.js"
import { sampleFolder, settle } from "./settle.js"
import { inherited, type World } from "./world.js"

type Failure = NetworkRefused | NodeFailed | StepFailed

/** The sample's transaction: shows that the network works. */
const firstTransaction = (network: RunningNetwork, home: string, output: Output): Effect.Effect<void, StepFailed> =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    const chaincode = basename(sampleFolder(home))
    const id = `asset-${started}`
    const args = ["CreateAsset", id, "blue", "5", "Tomoko", "300"]
    const { block, code, txId } = yield* network.gateway.submit({ chaincode, args })
    const answer = toText(yield* network.gateway.evaluate({ chaincode, args: ["ReadAsset", id] }))
    yield* reporterOf(output).step(
      `transaction ${txId.slice(0, 12)} ${code} in block ${block}; query: ${answer}`,
      (yield* Clock.currentTimeMillis) - started
    )
  })

/** Blocks as they come, until a node ends. */
const follow = (network: RunningNetwork, output: Output): Effect.Effect<never, NodeFailed | StepFailed> =>
  Effect.raceFirst(
    firstFailure(network),
    // a node that ends breaks the stream too, a moment before its end is known
    Effect.catchAll(network.gateway.blocks(showBlock(output)), (error) => Effect.delay(Effect.fail(error), "2 seconds"))
  )

/** Where Node's own debugger listens. */
const INSPECT_PORT = 9229

/** How chaincode can be worked on, in words. */
const deskLines = (spec: NetworkSpec, { inspect, watch }: DeskOptions): ReadonlyArray<string> => [
  ...(watch ? [`  watched             ${spec.chaincodes.map(({ path }) => path).join(", ")}`] : []),
  ...(inspect === undefined || inspect === 0
    ? inspect === 0
      ? ["  debuggers           see the peers' logs for the ports"]
      : []
    : layout
        .peersOf(spec)
        .map(({ host }, i) => `  debugger            127.0.0.1:${inspectPort(inspect, i, spec)} (${host})`))
]

const summary = ({ ports, spec }: RunningNetwork, milliseconds: number, detach: boolean, desk: DeskOptions): string =>
  [
    `network is up after ${milliseconds} ms: orderer 127.0.0.1:${ports.orderer}, ${Object.entries(ports.peers)
      .map(([host, { peer }]) => `${host} 127.0.0.1:${peer}`)
      .join(", ")}`,
    `  connection profile  ${spec.orgs.map((org) => layout.profileFile(spec.dir, org)).join(", ")}`,
    `  wallet              ${layout.walletFolder(spec.dir)}`,
    `  logs                ${join(spec.dir, "logs")}`,
    ...deskLines(spec, desk),
    detach ? "It runs until `down`." : "Blocks are shown as they come; Ctrl-C stops the network."
  ].join("\n")

/** Peers that `peer add` started end before those that we started, even when we end without our releases. */
const endAdded = (dir: string, { nodes }: RunningNetwork, output: Output): Effect.Effect<void, never, Scope.Scope> => {
  const own = new Set(nodes.map(({ name }) => name))
  const added = Effect.map(Effect.option(readState(dir)), (state) =>
    runningNodes(Option.getOrUndefined(state) ?? { pids: {} }).filter(([name]) => !own.has(name))
  )
  const kill = () => {
    for (const [, pid] of Effect.runSync(added)) process.kill(pid, "SIGKILL")
  }
  const end = Effect.flatMap(added, (all) =>
    Effect.forEach(
      all,
      ([name, pid]) =>
        Effect.zipRight(
          Effect.zipRight(terminate(pid), Effect.ignore(updateState(dir, withoutPid(name)))),
          say(output, `stopped ${name}`, { event: "stopped", node: name })
        ),
      { discard: true }
    )
  )
  return Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => process.once("exit", kill)),
      () =>
        Effect.zipLeft(
          end,
          Effect.sync(() => process.off("exit", kill))
        )
    )
  )
}

export const upCommand = (options: UpOptions, world: World, output: Output): Effect.Effect<void, Failure> =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    const { ports, sample, spec } = yield* settle(options, world)
    for (const [port, what] of portList(ports)) yield* requireFree(port, what)
    const detach = options.detach === true
    yield* writeState(spec.dir, { ...stateOf(spec, ports), ...(detach ? {} : { supervisor: process.pid }) })
    const environment = {
      configDir: join(world.home, "config"),
      toolEnvironment: toolEnvironment(world.environment),
      desk: { watch: options.watch === true, inspect: options.inspect === true ? INSPECT_PORT : options.inspect }
    }
    const nodes = ProcessNodes.layer({
      home: world.home,
      inherited: inherited(world),
      detach,
      observer: {
        started: (name, pid) => Effect.ignore(updateState(spec.dir, withPid(name, pid))),
        stopped: (name) =>
          Effect.zipRight(
            Effect.ignore(updateState(spec.dir, withoutPid(name))),
            say(output, `stopped ${name}`, { event: "stopped", node: name })
          )
      }
    })

    const body: Effect.Effect<void, Failure, Scope.Scope> = Effect.gen(function* () {
      const network = yield* up(spec, ports, environment, reporterOf(output)).pipe(Effect.provide(nodes))
      if (!detach) yield* endAdded(spec.dir, network, output)
      if (sample) yield* firstTransaction(network, world.home, output)
      const total = (yield* Clock.currentTimeMillis) - started
      yield* say(output, summary(network, total, detach, environment.desk), {
        event: "up",
        milliseconds: total,
        dir: spec.dir,
        channel: spec.channel,
        ports
      })
      if (!detach) yield* follow(network, output)
    })
    yield* Effect.scoped(body)
  })
