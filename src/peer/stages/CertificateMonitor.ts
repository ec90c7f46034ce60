/** Stage 25: says when certificates end, now and a week before. Never fails. Source: common/crypto/expiration.go. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { certificatePem } from "../../crypto/index.js"
import { expirationNotice, LocalMsp } from "../../msp/index.js"
import * as Log from "../../runtime/Log.js"
import { stage } from "../../runtime/Stage.js"
import { Credentials } from "./Credentials.js"
import { ServerSettings } from "./ServerSettings.js"

const log = Log.module("certmonitor", "trackCertExpiration")

export const layer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { signer } = yield* LocalMsp
    const { client } = yield* Credentials
    const { server } = yield* ServerSettings
    const certificates: Array<readonly [role: string, pem: Uint8Array]> = []
    if (server.tls !== undefined) certificates.push(["server TLS", server.tls.certificate])
    if (client !== undefined) certificates.push(["client TLS", client.certificate])
    certificates.push(["enrollment", certificatePem(signer.identity.certificate)])
    const now = yield* Clock.currentTimeMillis
    for (const [role, pem] of certificates) {
      const notice = expirationNotice(role, pem, now)
      if (notice === undefined) continue
      const { info, later, warning } = notice
      if (info !== undefined) yield* log.info(info)
      if (warning !== undefined) yield* log.warning(warning)
      if (later !== undefined)
        yield* Effect.forkScoped(Effect.zipRight(Effect.sleep(Duration.millis(later.inMs)), log.warning(later.warning)))
    }
  })
).pipe(stage("certificate monitor", { remedy: "nothing here can fail; report this" }))
