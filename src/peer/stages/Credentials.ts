/**
 * Stage 17: what this peer shows and trusts on connections that it opens.
 * Source: peer-endorse-validate.md 1.2; GetServerRootCAs and GetClientCertificate in core/peer/config.go.
 */
import { X509Certificate } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type { CoreConfig } from "../../config/index.js"
import { sha256 } from "../../crypto/index.js"
import { stage } from "../../runtime/Stage.js"
import type { ClientCredentials } from "../delivery/OrdererConnections.js"
import { PeerConfig } from "../PeerConfig.js"
import { StartRefused, within } from "./failures.js"
import { readPem } from "./ServerSettings.js"

/** Undefined without TLS. */
export class Credentials extends Context.Tag("peer/stages/Credentials")<
  Credentials,
  { readonly client: ClientCredentials | undefined }
>() {}

type Result<A> = Either.Either<A, StartRefused>
const refuse = (reason: string) => Either.left(new StartRefused({ reason }))

const serverRoots = ({ peer: { tls } }: CoreConfig): Result<ReadonlyArray<Uint8Array>> =>
  Either.gen(function* () {
    const roots: Array<Uint8Array> = []
    if (tls.rootcert.file !== "") roots.push(yield* readPem("TLS root certificate", tls.rootcert.file))
    for (const file of tls.serverRootCAs.files) roots.push(yield* readPem("server root CAs", file))
    return roots
  })

/** The pair for clients; the server's when none is configured. */
const clientPair = ({ peer: { tls } }: CoreConfig): Result<Omit<ClientCredentials, "serverRoots">> =>
  Either.gen(function* () {
    const own = { key: tls.clientKey.file, cert: tls.clientCert.file }
    if ((own.key === "") !== (own.cert === ""))
      return yield* refuse(
        "peer.tls.clientKey.file and peer.tls.clientCert.file must both be set or must both be empty"
      )
    const files = own.key === "" ? { key: tls.key.file, cert: tls.cert.file } : own
    const key = yield* readPem("client TLS key", files.key)
    const certificate = yield* readPem("client TLS certificate", files.cert)
    const der = yield* Either.try({
      try: () => new X509Certificate(certificate).raw,
      catch: (error) =>
        new StartRefused({
          reason: `error parsing client TLS key pair: ${error instanceof Error ? error.message : String(error)}`
        })
    })
    return { key, certificate, certHash: sha256(der) }
  })

export const layer = Layer.effect(
  Credentials,
  Effect.gen(function* () {
    const config = yield* PeerConfig
    if (!config.peer.tls.enabled) return { client: undefined }
    const roots = yield* Either.mapLeft(serverRoots(config), within("Failed to set TLS server root CAs: "))
    const pair = yield* Either.mapLeft(clientPair(config), within("Failed to set TLS client certificate: "))
    return { client: { ...pair, serverRoots: roots } }
  })
).pipe(
  stage("credentials", {
    remedy: "check peer.tls.rootcert, peer.tls.serverRootCAs, peer.tls.clientKey and peer.tls.clientCert"
  })
)
