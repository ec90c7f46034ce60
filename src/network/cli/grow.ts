/**
 * `peer add`, `channel create`, `chaincode deploy`: changes of a network that runs, from another command than the one
 * that brought it up. A peer added here is a process of its own; `down`, or the end of the `up` in front, stops it too.
 */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { toolEnvironment } from "../environment.js"
import { NetworkRefused, type NodeFailed, type StepFailed } from "../errors.js"
import { makeGateways } from "../gateway/Gateway.js"
import { addPeer, createChannel, deployChaincode, type Growing } from "../grow.js"
import * as layout from "../layout.js"
import * as ProcessNodes from "../nodes/ProcessNodes.js"
import { isOurs } from "../processes.js"
import { runningNodes } from "../resume.js"
import { stateOf, updateState, withoutPid, withPid } from "../state.js"
import { folderOf, requireState } from "./commands.js"
import type { ChaincodeDeployOptions, ChannelCreateOptions, PeerAddOptions } from "./options.js"
import { type Output, reporterOf, say } from "./output.js"
import { inherited, type World } from "./world.js"

type Failure = NetworkRefused | NodeFailed | StepFailed

const holder = (file: string): number => {
  try {
    return Number(readFileSync(file, "utf8"))
  } catch {
    return 0
  }
}

/** One command at a time changes a network. What a command that was killed left is taken over. */
const lock = (dir: string): Effect.Effect<void, NetworkRefused, Scope.Scope> => {
  const file = join(dir, "network.lock")
  const take = Effect.try({
    try: () => {
      const held = holder(file)
      if (held !== 0 && !isOurs(held)) rmSync(file, { force: true })
      const made = openSync(file, "wx")
      writeSync(made, String(process.pid))
      closeSync(made)
    },
    catch: () =>
      new NetworkRefused({
        reason: `another command is changing the network in ${dir}`,
        remedy: `wait for it; if none is, remove ${file}`
      })
  })
  return Effect.asVoid(Effect.acquireRelease(take, () => Effect.sync(() => rmSync(file, { force: true }))))
}

/** The network in the folder, if all of it runs. */
const growing = (
  dir: string,
  world: World,
  output: Output
): Effect.Effect<Growing, NetworkRefused | StepFailed, Scope.Scope> =>
  Effect.gen(function* () {
    yield* lock(dir)
    const state = yield* requireState(dir)
    const running = new Set(runningNodes(state).map(([name]) => name))
    const { chaincodes, ports } = state
    let current: layout.Shape = { spec: { ...state, dir, chaincodes }, ports }
    const away = [current.spec.orderer.host, ...layout.peersOf(current.spec).map(({ host }) => host)].filter(
      (name) => !running.has(name)
    )
    if (away.length > 0)
      return yield* new NetworkRefused({
        reason: `${away.join(", ")} ${away.length === 1 ? "is" : "are"} not running`,
        remedy: "bring the network up first"
      })
    const shape = () => current
    return {
      shape,
      reshape: (next) => {
        current = next
      },
      gateways: yield* makeGateways(shape),
      environment: { configDir: join(world.home, "config"), toolEnvironment: toolEnvironment(world.environment) },
      reporter: reporterOf(output),
      // processes are noted by those who start and stop them
      remember: Effect.suspend(() =>
        updateState(dir, ({ pids, supervisor }) => ({
          ...stateOf(current.spec, current.ports),
          pids,
          ...(supervisor === undefined ? {} : { supervisor })
        }))
      )
    }
  })

export const peerAddCommand = (options: PeerAddOptions, world: World, output: Output): Effect.Effect<void, Failure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const dir = folderOf({ cwd: world.cwd, dir: options.dir })
      const network = yield* growing(dir, world, output)
      const nodes = ProcessNodes.layer({
        home: world.home,
        inherited: inherited(world),
        detach: true,
        observer: {
          started: (name, pid) => Effect.ignore(updateState(dir, withPid(name, pid))),
          stopped: (name) => Effect.ignore(updateState(dir, withoutPid(name)))
        }
      })
      const { host, port } = yield* Effect.provide(addPeer(network, options.org), nodes)
      const address = `127.0.0.1:${port}`
      yield* say(output, `${host} is up on ${address}`, { event: "peer", host, address })
    })
  )

export const channelCreateCommand = (
  name: string,
  options: ChannelCreateOptions,
  world: World,
  output: Output
): Effect.Effect<void, Failure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const network = yield* growing(folderOf({ cwd: world.cwd, dir: options.dir }), world, output)
      yield* createChannel(network, name)
      yield* say(output, `channel ${name} is there`, { event: "channel", channel: name })
    })
  )

export const chaincodeDeployCommand = (
  path: string,
  { channel, dir, init, name, policy, version }: ChaincodeDeployOptions,
  world: World,
  output: Output
): Effect.Effect<void, Failure> =>
  Effect.scoped(
    Effect.gen(function* () {
      const network = yield* growing(folderOf({ cwd: world.cwd, dir }), world, output)
      const chaincode = {
        path,
        ...(channel === undefined ? {} : { channel }),
        ...(name === undefined ? {} : { name }),
        ...(version === undefined ? {} : { version }),
        ...(init === undefined ? {} : { initArgs: init }),
        ...(policy === undefined ? {} : { policy })
      }
      yield* deployChaincode(network, chaincode, world.cwd)
      const one = network.shape().spec.chaincodes.at(-1)
      const on = one?.channel ?? network.shape().spec.channel
      yield* say(output, `chaincode ${one?.name} ${one?.version} runs on ${on}`, {
        event: "chaincode",
        name: one?.name,
        version: one?.version,
        channel: on
      })
    })
  )
