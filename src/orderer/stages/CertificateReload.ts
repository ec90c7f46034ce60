/**
 * Beyond Fabric: a new certificate and key without a restart, as the peer has it. With `General.TLS.ReloadInterval` above
 * zero the files of `General.TLS` and of `Operations.TLS` are read again that often; another pair that fits together
 * serves new connections. Open connections stay. Files are read, not watched: mounted secrets change by moving links.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { OrdererConfig } from "../../config/index.js"
import { trackExpiration } from "../../msp/index.js"
import { Operations } from "../../operations/index.js"
import * as Log from "../../runtime/Log.js"
import { GrpcServer, type KeyPair, Reloading } from "../../transport/index.js"
import { readPair, ServerMaterial } from "./Server.js"

const log = Log.module("orderer.common.server", "reload")

export const layer = ({
  tls
}: OrdererConfig["general"]): Layer.Layer<never, never, GrpcServer | Operations | ServerMaterial> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const server = yield* GrpcServer
      const operations = yield* Operations
      let current: KeyPair | undefined = (yield* ServerMaterial).tls
      const kept = Reloading.oldKept(log)

      const serverPair = Effect.gen(function* () {
        const pair = yield* readPair(tls)
        if (current !== undefined && Reloading.samePair(pair, current)) return
        yield* server.reloadServerCert(pair)
        current = pair
        kept.forget()
        yield* log.info("server TLS certificate reloaded")
        yield* trackExpiration("server TLS", pair.certificate)
      }).pipe(Effect.catchAll(kept.of("the server TLS certificate")))

      const operationsServer = Effect.flatMap(operations.reloadCertificate, (changed) =>
        changed ? log.info("operations TLS certificate reloaded") : Effect.void
      ).pipe(Effect.catchAll(kept.of("the operations TLS certificate")))

      const once = Effect.zipRight(tls.enabled ? serverPair : Effect.void, operationsServer)
      yield* Reloading.every(tls.reloadInterval, once)
    })
  )
