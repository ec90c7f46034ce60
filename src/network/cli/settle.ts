/** What a start of `up` is about: its options, and what an earlier start on the same folder has fixed. */
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import { NetworkRefused } from "../errors.js"
import type { NetworkPorts } from "../layout.js"
import * as layout from "../layout.js"
import { anyPorts, usualPorts } from "../ports.js"
import { type ChaincodeSpec, type NetworkSpec, networkSpec } from "../spec.js"
import { type NetworkState, readState } from "../state.js"
import { runningNodes } from "./commands.js"
import { networkOptions, type UpOptions } from "./options.js"

export interface Settled {
  readonly spec: NetworkSpec
  readonly ports: NetworkPorts
  /** Whether the sample runs because nobody named a chaincode. */
  readonly sample: boolean
}

/** Name and path of the chaincode that runs when none is named. */
export const sampleFolder = (home: string): string => join(home, "samples", "chaincode", "asset-transfer")

/** Options that ask for something else than the folder was made with; each as `--flag was VALUE`. */
const contradictions = (options: UpOptions, state: NetworkState): ReadonlyArray<string> => {
  const asked = networkOptions(options, "")
  const [firstOrg] = state.orgs
  const facts: ReadonlyArray<readonly [given: unknown, flag: string, asked: unknown, made: unknown]> = [
    [options.channel, "--channel", asked.channel, state.channel],
    [options.tls, "--tls", asked.tls === true ? "on" : "off", state.tls ? "on" : "off"],
    [options.orgs, "--orgs", options.orgs, state.orgs.length],
    [options.peers, "--peers", options.peers, firstOrg?.peers],
    [options.batchTimeout, "--batch-timeout", asked.batchTimeout, state.batchTimeoutMs],
    [options.maxMessages, "--max-messages", asked.maxMessageCount, state.maxMessageCount],
    [options.basePort, "--base-port", options.basePort, state.ports.orderer]
  ]
  return facts.flatMap(([given, flag, wanted, made]) =>
    given === undefined || wanted === made ? [] : [`${flag} was ${made}`]
  )
}

/** Chaincodes of the earlier start whose code is still there. */
const earlierChaincodes = ({ chaincodes }: NetworkState): ReadonlyArray<ChaincodeSpec> =>
  chaincodes.filter(({ path }) => existsSync(path))

/** In: the working folder and ours. A folder that was used before keeps its channel, organisations, TLS and ports. */
export const settle = (
  options: UpOptions,
  { cwd, home }: { readonly cwd: string; readonly home: string }
): Effect.Effect<Settled, NetworkRefused> =>
  Effect.gen(function* () {
    const sample = options.chaincode === undefined
    const asked = yield* networkSpec(networkOptions(options, sampleFolder(home)), cwd)
    const state = yield* readState(asked.dir)
    if (state === undefined) {
      const peers = layout.peersOf(asked)
      const ports = options.freePorts === true ? yield* anyPorts(peers) : usualPorts(peers, options.basePort)
      return { spec: asked, ports, sample }
    }
    const running = runningNodes(state)
    if (running.length > 0)
      return yield* new NetworkRefused({
        reason: `the network in ${asked.dir} is up (${running.map(([name]) => name).join(", ")})`,
        remedy: "stop it with `down`, or choose another folder with --dir"
      })
    const differing = contradictions(options, state)
    if (differing.length > 0)
      return yield* new NetworkRefused({
        reason: `the network in ${asked.dir} was made otherwise: ${differing.join(", ")}`,
        remedy: "leave these options away, choose another folder with --dir, or start anew after `clean`"
      })
    const { batchTimeoutMs, channel, maxMessageCount, orgs, ports, tls } = state
    const chaincodes = sample && state.chaincodes.length > 0 ? earlierChaincodes(state) : asked.chaincodes
    return {
      spec: { ...asked, batchTimeoutMs, channel, chaincodes, maxMessageCount, orgs, tls },
      ports,
      sample: sample && chaincodes.some(({ path }) => path === resolve(sampleFolder(home)))
    }
  })
