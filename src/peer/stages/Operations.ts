/**
 * Stages 7 and 8: metrics, and the operations service from early in the start until the end.
 * Source: peer-endorse-validate.md 1.2, 2.8; newOperationsSystem in peer/node/start.go.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CoreConfig } from "../../config/index.js"
import { Operations, providerOf } from "../../operations/index.js"
import * as Log from "../../runtime/Log.js"
import * as Metrics from "../../runtime/Metrics.js"
import { stage } from "../../runtime/Stage.js"
import type { StatsdOptions } from "../../runtime/Statsd.js"
import { Vital } from "../../runtime/Vital.js"
import { PeerConfig } from "../PeerConfig.js"
import { commitSha, compatibleVersion } from "../version.js"
import { within } from "./failures.js"

const log = Log.module("peer.operations")

/** A word that is neither transport is refused by the reference's dial; here it is taken for `udp`, the shipped one. */
const statsdOptions = ({ network, ...rest }: CoreConfig["metrics"]["statsd"]): StatsdOptions => ({
  ...rest,
  network: network === "tcp" ? "tcp" : "udp"
})

/** Without it nobody can see the node's health: its end is the node's. */
const watched = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { died } = yield* Operations
    const vital = yield* Vital
    yield* vital.fork("operations service", died)
  })
)

const system = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { metrics, operations } = yield* PeerConfig
    const { provider, warning } = providerOf(metrics.provider)
    if (warning !== undefined) yield* log.warning(warning)
    const { statsd } = metrics
    const { tls } = operations
    return Operations.layer({
      listenAddress: operations.listenAddress,
      tls: tls.enabled
        ? {
            certificateFile: tls.cert.file,
            keyFile: tls.key.file,
            clientAuthRequired: tls.clientAuthRequired,
            clientRootCAFiles: tls.clientRootCAs.files
          }
        : undefined,
      version: compatibleVersion,
      commitSha,
      prometheus: provider === "prometheus"
    }).pipe(
      Layer.provideMerge(
        Metrics.layer({
          provider,
          ...(provider === "statsd" ? { statsd: statsdOptions(statsd) } : {})
        })
      ),
      Layer.mapError(within("failed to initialize operations subystems: "))
    )
  })
)

export const layer = watched.pipe(
  Layer.provideMerge(system),
  stage("operations", {
    remedy:
      "check operations.listenAddress (is the port free?), operations.tls and metrics; no other process may use the address"
  })
)
