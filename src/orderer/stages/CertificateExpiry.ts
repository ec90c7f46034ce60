/**
 * Stage 19: says when the enrollment and the TLS certificate end, and warns within and before the last week.
 * Source: orderer.md section 1; common/crypto/expiration.go (TrackExpiration).
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { expirationNotice, LocalMsp } from "../../msp/index.js"
import * as Log from "../../runtime/Log.js"
import { longSleep } from "../../runtime/longSleep.js"
import { msp } from "../../wire/index.js"
import { ServerMaterial } from "./Server.js"

const log = Log.module("certmonitor")
const track = (role: string, pem: Uint8Array) =>
  Effect.gen(function* () {
    const notice = expirationNotice(role, pem, yield* Clock.currentTimeMillis)
    if (notice === undefined) return
    if (notice.info !== undefined) yield* log.info(notice.info)
    if (notice.warning !== undefined) yield* log.warning(notice.warning)
    if (notice.later === undefined) return
    const { inMs, warning } = notice.later
    yield* Effect.forkScoped(Effect.zipRight(longSleep(inMs), log.warning(warning)))
  })

export const layer: Layer.Layer<never, never, LocalMsp | ServerMaterial> = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { signer } = yield* LocalMsp
    yield* track("enrollment", msp.SerializedIdentity.decode(signer.serialized).idBytes)
    const { tls } = yield* ServerMaterial
    if (tls !== undefined) yield* track("server TLS", tls.certificate)
  })
)
