/**
 * Stage 23: CPU and heap profiles on `General.Profile.Address`, under Go's paths and in pprof's format. A server that
 * cannot listen is an error line, no more: the orderer serves without it.
 * Source: orderer.md section 1, 2.3 (General.Profile); orderer/common/server/main.go (initializeProfilingService).
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { type OrdererConfig, splitAddress } from "../../config/index.js"
import * as Log from "../../runtime/Log.js"
import { ProfilingFailed, serve } from "../../runtime/Profiling.js"

const log = Log.module("orderer.common.server")

export const layer = ({ address, enabled }: OrdererConfig["general"]["profile"]): Layer.Layer<never> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      if (!enabled) return
      const { error } = yield* log.sync
      const failed = (reason: string): void => error(`pprof service failed: ${reason}`)
      yield* log.info(`Starting pprof profiling service on: ${address}`)
      const target = Either.mapLeft(splitAddress(address), (reason) => new ProfilingFailed({ reason }))
      const serving = Effect.flatMap(target, ({ host, port }) => serve({ host, port, failed }))
      yield* Effect.catchAll(serving, ({ message }) => Effect.sync(() => failed(message)))
    })
  )
