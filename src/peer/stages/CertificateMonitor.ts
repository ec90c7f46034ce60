/** Stage 25: says when certificates end, now and a week before. Never fails. Source: common/crypto/expiration.go. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { certificatePem } from "../../crypto/index.js"
import { expirationNotice, LocalMsp } from "../../msp/index.js"
import * as Log from "../../runtime/Log.js"
import { longSleep } from "../../runtime/longSleep.js"
import { stage } from "../../runtime/Stage.js"
import { Credentials } from "./Credentials.js"
import { ServerSettings } from "./ServerSettings.js"

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

export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { signer } = yield* LocalMsp
    const { client } = yield* Credentials
    const { server } = yield* ServerSettings
    if (server.tls !== undefined) yield* trackExpiration("server TLS", server.tls.certificate)
    if (client !== undefined) yield* trackExpiration("client TLS", client.certificate)
    yield* trackExpiration("enrollment", certificatePem(signer.identity.certificate))
  })
).pipe(stage("certificate monitor", { remedy: "nothing here can fail; report this" }))
