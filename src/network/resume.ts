/**
 * A folder that was used before: it keeps its channel, organisations, TLS, limits and ports. Another state database may
 * be named: peers build their state anew; and other files for Kafka's brokers.
 */
import { existsSync } from "node:fs"
import * as Effect from "effect/Effect"
import { NetworkRefused } from "./errors.js"
import { existingMaterial, existingSpec, namesExisting } from "./existing.js"
import type { NetworkPorts } from "./layout.js"
import { isOurs } from "./processes.js"
import { type NetworkOptions, type NetworkSpec, networkSpec, type OrgSpec } from "./spec.js"
import { type NetworkState, readState } from "./state.js"

/** What runs of a network: its nodes, the orderer first. */
export const runningNodes = ({
  pids
}: Pick<NetworkState, "pids">): ReadonlyArray<readonly [name: string, pid: number]> =>
  Object.entries(pids).filter(([, pid]) => isOurs(pid))

const orgsText = (orgs: ReadonlyArray<OrgSpec>): string =>
  orgs.map(({ name, peers }) => `${name} with ${peers} peer${peers === 1 ? "" : "s"}`).join(", ")

const consensusText = (brokers: ReadonlyArray<string>): string =>
  brokers.length === 0 ? "solo" : `kafka on ${brokers.join(",")}`

/** Options that ask for something else than the folder was made with. */
const contradictions = (options: NetworkOptions, asked: NetworkSpec, made: NetworkState): ReadonlyArray<string> => {
  const facts: ReadonlyArray<readonly [given: unknown, what: string, asked: string, made: string]> = [
    [options.channel, "its channel is", asked.channel, made.channel],
    [options.tls, "TLS is", asked.tls ? "on" : "off", made.tls ? "on" : "off"],
    [options.orgs, "it has", orgsText(asked.orgs), orgsText(made.orgs)],
    [options.consensus, "its consensus is", consensusText(asked.brokers), consensusText(made.brokers)],
    [options.batchTimeout, "its batch timeout is", `${asked.batchTimeoutMs} ms`, `${made.batchTimeoutMs} ms`],
    [
      options.maxMessageCount,
      "its blocks hold",
      `${asked.maxMessageCount} transactions`,
      `${made.maxMessageCount} transactions`
    ]
  ]
  return facts.flatMap(([given, what, wanted, is]) => (given === undefined || wanted === is ? [] : [`${what} ${is}`]))
}

export interface Resumed {
  readonly spec: NetworkSpec
  /** Those of the earlier start; undefined in a fresh folder. */
  readonly ports: NetworkPorts | undefined
}

/**
 * The spec of a start on the folder named. Where no chaincode is named, those of the earlier start whose code is still
 * there are carried on with.
 */
export const resume = (options: NetworkOptions, cwd: string): Effect.Effect<Resumed, NetworkRefused> =>
  Effect.gen(function* () {
    const asked = yield* networkSpec(options, cwd)
    const state = yield* readState(asked.dir)
    if (state === undefined) {
      const spec = namesExisting(options) ? yield* existingSpec(options, asked, cwd) : asked
      if (spec.brokerAccess !== undefined && spec.brokers.length === 0)
        return yield* new NetworkRefused({
          reason: "certificates and names for brokers are Kafka's",
          remedy: "choose --consensus kafka, or leave them away"
        })
      return { spec, ports: undefined }
    }
    const running = runningNodes(state)
    if (running.length > 0)
      return yield* new NetworkRefused({
        reason: `the network in ${asked.dir} is up (${running.map(([name]) => name).join(", ")})`,
        remedy: "stop it with `down`, or choose another folder"
      })
    const differing = contradictions(options, asked, state)
    if (differing.length > 0)
      return yield* new NetworkRefused({
        reason: `the network in ${asked.dir} was made otherwise: ${differing.join("; ")}`,
        remedy: "leave these options away, choose another folder, or start anew after `clean`"
      })
    if (namesExisting(options)) {
      const named = yield* existingMaterial(options, cwd)
      if (named.cryptoConfig !== state.existing?.cryptoConfig || named.configtx !== state.existing.configtx)
        return yield* new NetworkRefused({
          reason: `the network in ${asked.dir} was made of other material`,
          remedy: "leave these options away, choose another folder, or start anew after `clean`"
        })
    }
    const { batchTimeoutMs, brokers, channel, existing, maxMessageCount, orderer, orgs, ports, tls } = state
    const furtherChannels = [...new Set([...state.furtherChannels, ...asked.furtherChannels])].filter(
      (one) => one !== channel
    )
    const chaincodes =
      options.chaincodes === undefined ? state.chaincodes.filter(({ path }) => existsSync(path)) : asked.chaincodes
    const stateDatabase = asked.stateDatabase ?? state.stateDatabase
    const brokerAccess = asked.brokerAccess ?? state.brokerAccess
    const chosen = {
      ...(stateDatabase === undefined ? {} : { stateDatabase }),
      ...(brokerAccess === undefined ? {} : { brokerAccess })
    }
    const { dir } = asked
    const made = existing === undefined ? {} : { existing }
    const limits = { batchTimeoutMs, maxMessageCount }
    return {
      spec: { dir, ...limits, channel, furtherChannels, chaincodes, orgs, orderer, tls, brokers, ...chosen, ...made },
      ports
    }
  })
