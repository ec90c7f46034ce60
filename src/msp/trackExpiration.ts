/** Tells of certificates that end, in a node's log. Source: common/crypto/expiration.go (TrackExpiration). */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Log from "../runtime/Log.js"
import { longSleep } from "../runtime/longSleep.js"
import { expirationNotice } from "./expiration.js"

const log = Log.module("certmonitor", "trackCertExpiration")

/** Says now, or a week before it ends, how long a certificate lasts. The later warning goes with the scope. */
export const trackExpiration = (role: string, pem: Uint8Array): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const notice = expirationNotice(role, pem, yield* Clock.currentTimeMillis)
    if (notice === undefined) return
    const { info, later, warning } = notice
    if (info !== undefined) yield* log.info(info)
    if (warning !== undefined) yield* log.warning(warning)
    if (later !== undefined)
      yield* Effect.forkScoped(Effect.zipRight(longSleep(later.inMs), log.warning(later.warning)))
  })
