/**
 * Stages 14 and 15: TLS files read, the gRPC server made and its socket bound; nobody is served yet.
 * Source: orderer.md section 1, 3.10; orderer/common/server/main.go (initializeServerConfig, initializeGrpcServer).
 */
import * as fs from "node:fs/promises"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { goFileError, joinAddress, type OrdererConfig } from "../../config/index.js"
import * as Log from "../../runtime/Log.js"
import type { Metrics } from "../../runtime/Metrics.js"
import { GrpcServer, type KeyPair, type ServerTls } from "../../transport/index.js"
import { StartFailed } from "./errors.js"

const log = Log.module("orderer.common.server")

/** The TLS material of the server as configured; undefined: plain text. */
export class ServerMaterial extends Context.Tag("orderer/stages/ServerMaterial")<
  ServerMaterial,
  { readonly tls: ServerTls | undefined }
>() {}

const read = (file: string, explain: (reason: string) => string): Effect.Effect<Uint8Array, StartFailed> =>
  Effect.tryPromise({
    try: () => fs.readFile(file),
    catch: (cause) => new StartFailed({ detail: explain(goFileError(file, cause)), cause })
  })

/** A missing duration of zero means gRPC's own, which are Fabric's sample values. */
const orElse = (given: Duration.Duration, otherwise: Duration.DurationInput): Duration.DurationInput =>
  Duration.toMillis(given) > 0 ? given : otherwise

/** The server's certificate and key, PEM. */
export const readPair = (tls: OrdererConfig["general"]["tls"]): Effect.Effect<KeyPair, StartFailed> =>
  Effect.gen(function* () {
    const certificate = yield* read(
      tls.certificate,
      (reason) => `Failed to load server Certificate file '${tls.certificate}' (${reason})`
    )
    const key = yield* read(
      tls.privateKey,
      (reason) => `Failed to load PrivateKey file '${tls.privateKey}' (${reason})`
    )
    return { certificate, key }
  })

/** Stage 14. */
export const material = ({ tls }: OrdererConfig["general"]): Layer.Layer<ServerMaterial, StartFailed> =>
  Layer.effect(
    ServerMaterial,
    Effect.gen(function* () {
      if (!tls.enabled) return { tls: undefined }
      const pair = yield* readPair(tls)
      // error and path stand the other way round here, as in the reference
      for (const file of tls.rootCAs) {
        yield* read(file, (reason) => `Failed to load ServerRootCAs file '${reason}' (${file})`)
      }
      const clientRootCAs = tls.clientAuthRequired
        ? yield* Effect.forEach(tls.clientRootCAs, (file) =>
            read(file, (reason) => `Failed to load ClientRootCAs file '${reason}' (${file})`)
          )
        : []
      yield* log.info(`Starting orderer with ${tls.clientAuthRequired ? "mutual TLS" : "TLS"} enabled`)
      return {
        tls: {
          ...pair,
          requireClientCert: tls.clientAuthRequired,
          clientRootCAs,
          maxVersion: tls.maxVersion === "1.3" ? ("TLSv1.3" as const) : ("TLSv1.2" as const),
          ...(Duration.toMillis(tls.tlsHandshakeTimeShift) > 0 ? { timeShift: tls.tlsHandshakeTimeShift } : {})
        }
      }
    })
  )

/** Stage 15. */
export const layer = ({
  connectionTimeout,
  keepalive,
  listenAddress,
  listenPort
}: OrdererConfig["general"]): Layer.Layer<GrpcServer, StartFailed, Metrics | ServerMaterial> =>
  Layer.unwrapEffect(
    Effect.map(ServerMaterial, ({ tls }) =>
      GrpcServer.layer({
        address: joinAddress(listenAddress, listenPort),
        tls,
        keepalive: {
          interval: orElse(keepalive.serverInterval, "2 hours"),
          timeout: orElse(keepalive.serverTimeout, "20 seconds")
        },
        connectionTimeout
      })
    )
  ).pipe(
    Layer.catchAll((cause) => {
      const text = cause._tag === "BindFailed" ? "Failed to listen" : "Failed to return new GRPC server"
      return Layer.fail(new StartFailed({ detail: `${text}: ${cause.message}`, cause }))
    })
  )
