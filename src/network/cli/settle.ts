/** What a start of `up` is about: its options, and what an earlier start on the same folder has fixed. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { NetworkRefused } from "../errors.js"
import type { NetworkPorts } from "../layout.js"
import * as layout from "../layout.js"
import { anyPorts, usualPorts } from "../ports.js"
import { resume } from "../resume.js"
import type { NetworkSpec } from "../spec.js"
import { networkOptions, type UpOptions } from "./options.js"

export interface Settled {
  readonly spec: NetworkSpec
  readonly ports: NetworkPorts
  /** Whether the sample is among the chaincodes. */
  readonly sample: boolean
}

/** The chaincode that runs when none is named. */
export const sampleFolder = (home: string): string => join(home, "samples", "chaincode", "asset-transfer")

/** In: the working folder and ours. */
export const settle = (
  options: UpOptions,
  { cwd, home }: { readonly cwd: string; readonly home: string }
): Effect.Effect<Settled, NetworkRefused> =>
  Effect.gen(function* () {
    const sample = sampleFolder(home)
    const hasSample = ({ chaincodes }: NetworkSpec) => chaincodes.some(({ path }) => path === sample)
    const asked = networkOptions(options)
    const { ports, spec } = yield* resume(asked, cwd)
    if (ports !== undefined) {
      if (options.basePort !== undefined && options.basePort !== ports.orderer)
        return yield* new NetworkRefused({
          reason: `the network in ${spec.dir} was made otherwise: its first port is ${ports.orderer}`,
          remedy: "leave --base-port away, choose another folder with --dir, or start anew after `clean`"
        })
      return { spec, ports, sample: hasSample(spec) }
    }
    const { spec: fresh } = yield* resume({ chaincodes: [{ path: sample }], ...asked }, cwd)
    const peers = layout.peersOf(fresh)
    return {
      spec: fresh,
      ports: options.freePorts === true ? yield* anyPorts(peers) : usualPorts(peers, options.basePort),
      sample: hasSample(fresh)
    }
  })
