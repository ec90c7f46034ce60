/** The commands on a network that is there: `down`, `clean`, `status`, `invoke`, `query`. */
import { rmSync } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { connect } from "../../transport/index.js"
import { toText } from "../../wire/protoutil.js"
import { NetworkRefused, type StepFailed } from "../errors.js"
import { connectionOptions } from "../gateway/connections.js"
import { type Gateway, makeGateways } from "../gateway/Gateway.js"
import * as layout from "../layout.js"
import { isOurs, terminate } from "../processes.js"
import { runningNodes } from "../resume.js"
import type { NetworkSpec } from "../spec.js"
import { type NetworkState, readState, writeState } from "../state.js"
import { type Output, say } from "./output.js"

export interface Place {
  readonly cwd: string
  readonly dir: string | undefined
}

export const folderOf = ({ cwd, dir }: Place): string => resolve(cwd, dir ?? "network")

export const requireState = (dir: string): Effect.Effect<NetworkState, NetworkRefused> =>
  Effect.flatMap(readState(dir), (state) =>
    state === undefined
      ? new NetworkRefused({ reason: `there is no network in ${dir}`, remedy: "make one with `up`" })
      : Effect.succeed(state)
  )

export const specOf = (dir: string, state: NetworkState): NetworkSpec => ({ ...state, dir, chaincodes: [] })

// ---- down, clean, status -------------------------------------------------------------------------------------------

/** Stops a network: through the `up` that runs it, or node by node, peers before the orderer. */
export const downCommand = (place: Place, output: Output): Effect.Effect<void, NetworkRefused> =>
  Effect.gen(function* () {
    const dir = folderOf(place)
    const state = yield* requireState(dir)
    const running = runningNodes(state)
    const { supervisor, ...rest } = state
    if (supervisor !== undefined && isOurs(supervisor)) yield* terminate(supervisor)
    for (const [name, pid] of [...running].reverse()) {
      if (isOurs(pid)) yield* terminate(pid)
      yield* say(output, `stopped ${name}`, { event: "stopped", node: name })
    }
    yield* writeState(dir, { ...rest, pids: {} })
    if (running.length === 0) yield* say(output, "nothing was running", { event: "down", running: 0 })
  })

/** Removes the folder of a network that is down. */
export const cleanCommand = (place: Place, output: Output): Effect.Effect<void, NetworkRefused> =>
  Effect.gen(function* () {
    const dir = folderOf(place)
    const state = yield* requireState(dir)
    if (runningNodes(state).length > 0)
      return yield* new NetworkRefused({ reason: `the network in ${dir} is up`, remedy: "stop it with `down` first" })
    yield* Effect.try({
      try: () => rmSync(dir, { recursive: true }),
      catch: (error) =>
        new NetworkRefused({ reason: `${dir} cannot be removed: ${error}`, remedy: "remove it by hand" })
    })
    yield* say(output, `removed ${dir}`, { event: "clean", dir })
  })

/** Every node with its address, its process and the CA of its TLS certificate. */
const nodesOf = (spec: NetworkSpec, { pids, ports }: NetworkState) =>
  [
    { name: spec.orderer.host, port: ports.orderer, caFile: layout.ordererTlsCa(spec.dir, spec.orderer) },
    ...layout.peersOf(spec).map(({ host: name, org }) => ({
      name,
      port: ports.peers[name]?.peer ?? 0,
      caFile: layout.orgTlsCa(spec.dir, org)
    }))
  ].map((node) => ({ ...node, pid: pids[node.name] }))

/** Asks every node for a connection. */
export const statusCommand = (place: Place, output: Output): Effect.Effect<void, NetworkRefused> =>
  Effect.gen(function* () {
    const dir = folderOf(place)
    const state = yield* requireState(dir)
    const nodes = nodesOf(specOf(dir, state), state)
    const shown = yield* Effect.forEach(nodes, ({ caFile, name, pid, port }) =>
      Effect.gen(function* () {
        const address = `127.0.0.1:${port}`
        const answer = Effect.try(() => connectionOptions(state.tls, name, caFile)).pipe(
          Effect.flatMap((options) => connect(address, { ...options, connectTimeout: "2 seconds" })),
          Effect.scoped
        )
        const status = Either.isRight(yield* Effect.either(answer)) ? "up" : "down"
        return { name, address, status, pid: pid !== undefined && isOurs(pid) ? pid : null }
      })
    )
    yield* say(
      output,
      [
        `network in ${dir}, channel ${layout.channelsOf(specOf(dir, state)).join(", ")}, TLS ${state.tls ? "on" : "off"}`,
        ...shown.map(({ address, name, status }) => `  ${status.padEnd(5)} ${name} ${address}`),
        ...state.chaincodes.map(
          ({ channel, name, version }) =>
            `  chaincode ${name} ${version}${channel === undefined ? "" : ` on ${channel}`}`
        )
      ].join("\n"),
      {
        event: "status",
        dir,
        channel: state.channel,
        channels: layout.channelsOf(specOf(dir, state)),
        tls: state.tls,
        nodes: shown,
        chaincodes: state.chaincodes
      }
    )
  })

// ---- invoke, query -------------------------------------------------------------------------------------------------

const withGateway = <A>(
  place: Place,
  channel: string | undefined,
  use: (gateway: Gateway, state: NetworkState) => Effect.Effect<A, StepFailed | NetworkRefused>
): Effect.Effect<A, StepFailed | NetworkRefused> =>
  Effect.gen(function* () {
    const dir = folderOf(place)
    const state = yield* requireState(dir)
    return yield* Effect.scoped(
      Effect.flatMap(
        makeGateways(() => ({ spec: specOf(dir, state), ports: state.ports })),
        (gateways) => use(gateways(channel), state)
      )
    )
  })

/** The chaincode named, or the only one that the channel has. */
const chaincodeOf = (
  state: NetworkState,
  named: string | undefined,
  channel = state.channel
): Effect.Effect<string, NetworkRefused> => {
  const there = state.chaincodes.filter((one) => (one.channel ?? state.channel) === channel)
  const [only] = there
  if (named !== undefined) return Effect.succeed(named)
  if (only !== undefined && there.length === 1) return Effect.succeed(only.name)
  return new NetworkRefused({
    reason: there.length === 0 ? "the network runs no chaincode" : "the network runs several chaincodes",
    remedy: "name one with --name"
  })
}

export interface CallOptions {
  /** The chaincode; the only one unless said otherwise. */
  readonly name?: string | undefined
  /** Label of the wallet's identity that calls. */
  readonly identity?: string | undefined
  /** The channel; the network's first unless said otherwise. */
  readonly channel?: string | undefined
}

const requestOf = (state: NetworkState, { channel, identity, name }: CallOptions, args: ReadonlyArray<string>) =>
  Effect.map(chaincodeOf(state, name, channel), (chaincode) => ({
    chaincode,
    args,
    ...(identity === undefined ? {} : { identity })
  }))

/** Submits a transaction; one that was invalidated is a failure. */
export const invokeCommand = (
  place: Place,
  options: CallOptions,
  args: ReadonlyArray<string>,
  output: Output
): Effect.Effect<void, StepFailed | NetworkRefused> =>
  withGateway(place, options.channel, (gateway, state) =>
    Effect.gen(function* () {
      const { block, code, payload, txId } = yield* gateway.submit(yield* requestOf(state, options, args))
      const text = toText(payload)
      yield* say(output, `${code} in block ${block}, transaction ${txId}${text === "" ? "" : `\n${text}`}`, {
        event: "invoke",
        txId,
        payload: text,
        block: String(block),
        code
      })
      if (code !== "VALID")
        return yield* new NetworkRefused({
          reason: `the transaction was invalidated: ${code}`,
          remedy: "send it again"
        })
    })
  )

export const queryCommand = (
  place: Place,
  options: CallOptions,
  args: ReadonlyArray<string>,
  output: Output
): Effect.Effect<void, StepFailed | NetworkRefused> =>
  withGateway(place, options.channel, (gateway, state) =>
    Effect.gen(function* () {
      const payload = toText(yield* gateway.evaluate(yield* requestOf(state, options, args)))
      yield* say(output, payload, { event: "query", payload })
    })
  )
