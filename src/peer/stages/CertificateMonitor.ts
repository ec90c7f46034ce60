/** Stage 25: says when certificates end, now and a week before. Never fails. Source: common/crypto/expiration.go. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { certificatePem } from "../../crypto/index.js"
import { LocalMsp, trackExpiration } from "../../msp/index.js"
import { stage } from "../../runtime/Stage.js"
import { Credentials } from "./Credentials.js"
import { ServerSettings } from "./ServerSettings.js"

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
