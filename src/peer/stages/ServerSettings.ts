/**
 * Stages 14 and 15: TLS material of the servers from its files, and the limit that all their calls share.
 * Source: peer-endorse-validate.md 2.3; GetServerConfig in core/peer/config.go.
 */
import { readFileSync } from "node:fs"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { type CoreConfig, goFileError } from "../../config/index.js"
import { stage } from "../../runtime/Stage.js"
import { defaultThrottleSize, makeThrottle, type ServerOptions } from "../../transport/index.js"
import { PeerConfig } from "../PeerConfig.js"
import { StartRefused } from "./failures.js"

export class ServerSettings extends Context.Tag("peer/stages/ServerSettings")<
  ServerSettings,
  {
    /** Everything but the address, the same for the main server and the admin service's own. */
    readonly server: Omit<ServerOptions, "address">
    /** `peer.tls.clientRootCAs` and `peer.tls.rootcert`, PEM: trusted as clients beside the channels' organisations. */
    readonly clientRoots: ReadonlyArray<Uint8Array>
  }
>() {}

/** A file's content, or why it cannot be had, in the words of the reference. */
export const readPem = (what: string, file: string): Either.Either<Uint8Array, StartRefused> =>
  Either.try({
    try: () => readFileSync(file),
    catch: (error) => new StartRefused({ reason: `error loading ${what} (${goFileError(file, error)})` })
  })

const settings = ({ peer }: CoreConfig): Either.Either<ServerSettings["Type"], StartRefused> =>
  Either.gen(function* () {
    const common = {
      keepalive: { interval: "2 hours", timeout: "20 seconds" },
      connectionTimeout: peer.connectiontimeout,
      throttle: makeThrottle(defaultThrottleSize)
    } as const
    const { tls } = peer
    if (!tls.enabled) return { server: common, clientRoots: [] }
    const key = yield* readPem("TLS key", tls.key.file)
    const certificate = yield* readPem("TLS certificate", tls.cert.file)
    const clientRoots: Array<Uint8Array> = []
    if (tls.clientAuthRequired)
      for (const file of tls.clientRootCAs.files) clientRoots.push(yield* readPem("client root CAs", file))
    if (tls.rootcert.file !== "") clientRoots.push(yield* readPem("TLS root certificate", tls.rootcert.file))
    const maxVersion = tls.maxVersion === "1.3" ? "TLSv1.3" : "TLSv1.2"
    const requireClientCert = tls.clientAuthRequired
    const material = { certificate, key, requireClientCert, clientRootCAs: clientRoots, maxVersion } as const
    return { server: { ...common, tls: material }, clientRoots }
  })

export const layer = Layer.effect(
  ServerSettings,
  Effect.flatMap(PeerConfig, (config) =>
    Either.mapLeft(
      settings(config),
      ({ reason }) => new StartRefused({ reason: `Error loading secure config for peer (${reason})` })
    )
  )
).pipe(
  stage("server settings", {
    remedy: "check the files that peer.tls names; set peer.tls.enabled to false to start without TLS"
  })
)
