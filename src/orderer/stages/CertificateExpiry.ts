/**
 * Stage 19: says when the enrollment and the TLS certificate end, and warns within and before the last week.
 * Source: orderer.md section 1; common/crypto/expiration.go (TrackExpiration).
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LocalMsp, trackExpiration } from "../../msp/index.js"
import { msp } from "../../wire/index.js"
import { ServerMaterial } from "./Server.js"

export const layer: Layer.Layer<never, never, LocalMsp | ServerMaterial> = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { signer } = yield* LocalMsp
    yield* trackExpiration("enrollment", msp.SerializedIdentity.decode(signer.serialized).idBytes)
    const { tls } = yield* ServerMaterial
    if (tls !== undefined) yield* trackExpiration("server TLS", tls.certificate)
  })
)
