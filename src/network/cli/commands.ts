/** The commands on a network that is there: `down`, `clean`, `status`, `invoke`, `query`. */
import { rmSync } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import { connect } from "../../transport/index.js"
import { NetworkRefused, type StepFailed } from "../errors.js"
import { type Gateway, makeGateway } from "../Gateway.js"
import type { NetworkSpec } from "../spec.js"
import { isAlive, type NetworkState, readState, writeState } from "../state.js"
import { type Output, say } from "./output.js"

export interface Place {
  readonly cwd: string
  readonly dir: string | undefined
}

const folderOf = ({ cwd, dir }: Place): string => resolve(cwd, dir ?? "network")

const requireState = (dir: string): Effect.Effect<NetworkState, NetworkRefused> =>
  Effect.flatMap(readState(dir), (state) =>
    state === undefined
      ? new NetworkRefused({ reason: `there is no network in ${dir}`, remedy: "make one with `up`" })
      : Effect.succeed(state)
  )

const specOf = (dir: string, state: NetworkState): NetworkSpec => ({ ...state, dir, chaincodes: [] })

// ---- down, clean, status -------------------------------------------------------------------------------------------

const kill = (pid: number, signal: NodeJS.Signals): Effect.Effect<void> =>
  Effect.ignore(Effect.try(() => process.kill(pid, signal)))

const gone = (pid: number): Effect.Effect<boolean> =>
  Effect.sync(() => !isAlive(pid)).pipe(
    Effect.repeat({
      until: (over) => over,
      schedule: Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(200))
    }),
    Effect.map(() => !isAlive(pid))
  )

/** Stops detached nodes, peers before the orderer. */
export const downCommand = (place: Place, output: Output): Effect.Effect<void, NetworkRefused> =>
  Effect.gen(function* () {
    const dir = folderOf(place)
    const state = yield* requireState(dir)
    const running = Object.entries(state.pids)
      .filter(([, pid]) => isAlive(pid))
      .reverse()
    for (const [name, pid] of running) {
      yield* kill(pid, "SIGTERM")
      if (!(yield* gone(pid))) yield* kill(pid, "SIGKILL")
      yield* say(output, `stopped ${name}`, { event: "stopped", node: name })
    }
    yield* writeState(dir, { ...state, pids: {} })
    if (running.length === 0) yield* say(output, "nothing was running", { event: "down", running: 0 })
  })

/** Removes the folder of a network that is down. */
export const cleanCommand = (place: Place, output: Output): Effect.Effect<void, NetworkRefused> =>
  Effect.gen(function* () {
    const dir = folderOf(place)
    const state = yield* requireState(dir)
    if (Object.values(state.pids).some(isAlive))
      return yield* new NetworkRefused({ reason: `the network in ${dir} is up`, remedy: "stop it with `down` first" })
    yield* Effect.try({
      try: () => rmSync(dir, { recursive: true }),
      catch: (error) =>
        new NetworkRefused({ reason: `${dir} cannot be removed: ${error}`, remedy: "remove it by hand" })
    })
    yield* say(output, `removed ${dir}`, { event: "clean", dir })
  })

export const statusCommand = (place: Place, output: Output): Effect.Effect<void, NetworkRefused> =>
  Effect.gen(function* () {
    const dir = folderOf(place)
    const state = yield* requireState(dir)
    const nodes = [
      { name: "orderer", port: state.ports.orderer, pid: state.pids[Object.keys(state.pids)[0] ?? ""] },
      ...Object.entries(state.ports.peers).map(([name, { peer }]) => ({ name, port: peer, pid: state.pids[name] }))
    ]
    const shown = yield* Effect.forEach(nodes, ({ name, pid, port }) =>
      Effect.gen(function* () {
        const answers = state.tls
          ? pid !== undefined && isAlive(pid)
          : Either.isRight(
              yield* Effect.either(Effect.scoped(connect(`127.0.0.1:${port}`, { connectTimeout: "1 second" })))
            )
        return { name, address: `127.0.0.1:${port}`, status: answers ? "up" : "down", pid: pid ?? null }
      })
    )
    yield* say(
      output,
      [
        `network in ${dir}, channel ${state.channel}, TLS ${state.tls ? "on" : "off"}`,
        ...shown.map(({ address, name, status }) => `  ${status.padEnd(5)} ${name} ${address}`)
      ].join("\n"),
      { event: "status", dir, channel: state.channel, tls: state.tls, nodes: shown, chaincodes: state.chaincodes }
    )
  })

// ---- invoke, query -------------------------------------------------------------------------------------------------

const withGateway = <A>(
  place: Place,
  use: (gateway: Gateway, state: NetworkState) => Effect.Effect<A, StepFailed | NetworkRefused>
): Effect.Effect<A, StepFailed | NetworkRefused> =>
  Effect.gen(function* () {
    const dir = folderOf(place)
    const state = yield* requireState(dir)
    return yield* Effect.scoped(
      Effect.flatMap(makeGateway(specOf(dir, state), state.ports), (gateway) => use(gateway, state))
    )
  })

/** The chaincode named, or the only one there is. */
const chaincodeOf = (state: NetworkState, named: string | undefined): Effect.Effect<string, NetworkRefused> => {
  const [only] = state.chaincodes
  if (named !== undefined) return Effect.succeed(named)
  if (only !== undefined && state.chaincodes.length === 1) return Effect.succeed(only.name)
  return new NetworkRefused({
    reason: state.chaincodes.length === 0 ? "the network runs no chaincode" : "the network runs several chaincodes",
    remedy: "name one with --name"
  })
}

export const invokeCommand = (
  place: Place,
  name: string | undefined,
  args: ReadonlyArray<string>,
  output: Output
): Effect.Effect<void, StepFailed | NetworkRefused> =>
  withGateway(place, (gateway, state) =>
    Effect.gen(function* () {
      const result = yield* gateway.submit(yield* chaincodeOf(state, name), args)
      yield* say(
        output,
        `${result.code} in block ${result.block}, transaction ${result.txId}${result.payload === "" ? "" : `\n${result.payload}`}`,
        { event: "invoke", ...result }
      )
      if (result.code !== "VALID")
        return yield* new NetworkRefused({
          reason: `the transaction was invalidated: ${result.code}`,
          remedy: "send it again"
        })
    })
  )

export const queryCommand = (
  place: Place,
  name: string | undefined,
  args: ReadonlyArray<string>,
  output: Output
): Effect.Effect<void, StepFailed | NetworkRefused> =>
  withGateway(place, (gateway, state) =>
    Effect.gen(function* () {
      const payload = yield* gateway.evaluate(yield* chaincodeOf(state, name), args)
      yield* say(output, payload, { event: "query", payload })
    })
  )
