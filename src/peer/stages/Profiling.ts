/**
 * Stage 32: CPU and heap profiles on `peer.profile.listenAddress`, when `peer.profile.enabled` says so. A server that
 * cannot listen is an error line, no more: the peer serves without it.
 * Source: peer-endorse-validate.md 1.2; peer/node/start.go.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { splitAddress } from "../../config/index.js"
import * as Log from "../../runtime/Log.js"
import { ProfilingFailed, serve } from "../../runtime/Profiling.js"
import { stage } from "../../runtime/Stage.js"
import { PeerConfig } from "../PeerConfig.js"

/** Where profiles are served; undefined when they are not. */
export class Profiling extends Context.Tag("peer/stages/Profiling")<
  Profiling,
  { readonly port: number | undefined }
>() {}

const log = Log.module("nodeCmd", "serve")

export const layer = Layer.scoped(
  Profiling,
  Effect.gen(function* () {
    const { enabled, listenAddress } = (yield* PeerConfig).peer.profile
    if (!enabled) return { port: undefined }
    yield* log.info(`Starting profiling server with listenAddress = ${listenAddress}`)
    const { error } = yield* log.sync
    const failed = (reason: string): void => error(`Error starting profiler: ${reason}`)
    const target = Either.mapLeft(splitAddress(listenAddress), (reason) => new ProfilingFailed({ reason }))
    const serving = Effect.flatMap(target, ({ host, port }) => serve({ host, port, failed }))
    return yield* serving.pipe(
      Effect.map((port) => ({ port })),
      Effect.catchAll(({ message }) => Effect.as(log.error(`Error starting profiler: ${message}`), { port: undefined }))
    )
  })
).pipe(stage("profiling", { remedy: "nothing here can fail; report this" }))
