/**
 * Beyond Fabric: new certificates and keys without a restart. With `peer.tls.reloadInterval` above zero the files of
 * `peer.tls` are read again that often; another pair that fits together serves new connections of all servers and is shown
 * on new connections of this peer's own, with the protocol versions and suites that the old one had. Open connections
 * stay. Files are read, not watched: mounted secrets change by moving links, which watchers miss.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { trackExpiration } from "../../msp/index.js"
import { Operations } from "../../operations/index.js"
import * as Log from "../../runtime/Log.js"
import { stage } from "../../runtime/Stage.js"
import { GrpcServer, type GrpcServerShape, type KeyPair, Reloading } from "../../transport/index.js"
import { PeerConfig } from "../PeerConfig.js"
import { Credentials } from "./Credentials.js"
import type { StartRefused } from "./failures.js"
import { readPem, ServerSettings } from "./ServerSettings.js"

export class CertificateReload extends Context.Tag("peer/stages/CertificateReload")<
  CertificateReload,
  {
    /** Has a further server (the admin service's own) take new certificates too. */
    readonly follow: (server: GrpcServerShape) => Effect.Effect<void>
  }
>() {}

const log = Log.module("comm.tls", "reload")

const readPair = (files: { readonly cert: string; readonly key: string }): Either.Either<KeyPair, StartRefused> =>
  Either.zipWith(readPem("TLS certificate", files.cert), readPem("TLS key", files.key), (certificate, key) => ({
    certificate,
    key
  }))

const watch = Effect.gen(function* () {
  const { tls } = (yield* PeerConfig).peer
  const { server } = yield* ServerSettings
  const credentials = yield* Credentials
  const operations = yield* Operations
  const servers: Array<GrpcServerShape> = [yield* GrpcServer]
  let current: KeyPair | undefined = server.tls
  const kept = Reloading.oldKept(log)

  const serverPair = Effect.gen(function* () {
    const pair = yield* readPair({ cert: tls.cert.file, key: tls.key.file })
    if (current !== undefined && Reloading.samePair(pair, current)) return
    for (const one of servers) yield* one.reloadServerCert(pair)
    current = pair
    kept.forget()
    yield* log.info("server TLS certificate reloaded")
    yield* trackExpiration("server TLS", pair.certificate)
  }).pipe(Effect.catchAll(kept.of("the server TLS certificate")))

  const client = Effect.gen(function* () {
    if (!(yield* credentials.reload)) return
    yield* log.info("client TLS certificate reloaded")
    if (credentials.client !== undefined) yield* trackExpiration("client TLS", credentials.client.certificate)
  }).pipe(Effect.catchAll(kept.of("the client TLS certificate")))

  const operationsServer = Effect.flatMap(operations.reloadCertificate, (changed) =>
    changed ? log.info("operations TLS certificate reloaded") : Effect.void
  ).pipe(Effect.catchAll(kept.of("the operations TLS certificate")))

  const once = Effect.gen(function* () {
    if (tls.enabled) yield* Effect.zipRight(serverPair, client)
    yield* operationsServer
  })
  yield* Reloading.every(tls.reloadInterval, once)
  return { follow: (further: GrpcServerShape) => Effect.sync(() => void servers.push(further)) }
})

export const layer = Layer.scoped(CertificateReload, watch).pipe(
  stage("certificate reload", { remedy: "nothing here can fail; report this" })
)
