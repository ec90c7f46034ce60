/**
 * Stage 17: what this peer shows and trusts on connections that it opens.
 * Source: peer-endorse-validate.md 1.2; GetServerRootCAs and GetClientCertificate in core/peer/config.go.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type { CoreConfig } from "../../config/index.js"
import { sameBytes } from "../../crypto/der.js"
import { sha256 } from "../../crypto/index.js"
import { stage } from "../../runtime/Stage.js"
import { checkKeyPair } from "../../transport/index.js"
import type { ClientCredentials } from "../delivery/OrdererConnections.js"
import { PeerConfig } from "../PeerConfig.js"
import { StartRefused, within } from "./failures.js"
import { readPem } from "./ServerSettings.js"

export class Credentials extends Context.Tag("peer/stages/Credentials")<
  Credentials,
  {
    /** Undefined without TLS. Its certificate may change while the peer runs: read its fields where they are used. */
    readonly client: ClientCredentials | undefined
    /** Reads the client's pair anew; true when it is another one. What cannot be used leaves the old one in place. */
    readonly reload: Effect.Effect<boolean, StartRefused>
  }
>() {}

type Pair = Omit<ClientCredentials, "serverRoots">

/** Credentials whose pair can be replaced: connections from then on show the new one. */
class LiveCredentials implements ClientCredentials {
  constructor(
    private pair: Pair,
    readonly serverRoots: ReadonlyArray<Uint8Array>
  ) {}
  get key(): Uint8Array {
    return this.pair.key
  }
  get certificate(): Uint8Array {
    return this.pair.certificate
  }
  get certHash(): Uint8Array {
    return this.pair.certHash
  }
  /** True when the pair differs from the one before it. */
  replace(pair: Pair): boolean {
    const same = sameBytes(pair.certificate, this.certificate) && sameBytes(pair.key, this.key)
    this.pair = pair
    return !same
  }
}

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
const clientPair = ({ peer: { tls } }: CoreConfig): Result<Pair> =>
  Either.gen(function* () {
    const own = { key: tls.clientKey.file, cert: tls.clientCert.file }
    if ((own.key === "") !== (own.cert === ""))
      return yield* refuse(
        "peer.tls.clientKey.file and peer.tls.clientCert.file must both be set or must both be empty"
      )
    const files = own.key === "" ? { key: tls.key.file, cert: tls.cert.file } : own
    const key = yield* readPem("client TLS key", files.key)
    const certificate = yield* readPem("client TLS certificate", files.cert)
    const leaf = yield* Either.mapLeft(
      checkKeyPair("error parsing client TLS key pair", { certificate, key }),
      within("")
    )
    return { key, certificate, certHash: sha256(leaf.raw) }
  })

export const layer = Layer.effect(
  Credentials,
  Effect.gen(function* () {
    const config = yield* PeerConfig
    if (!config.peer.tls.enabled) return { client: undefined, reload: Effect.succeed(false) }
    const roots = yield* Either.mapLeft(serverRoots(config), within("Failed to set TLS server root CAs: "))
    const readPair = () => Either.mapLeft(clientPair(config), within("Failed to set TLS client certificate: "))
    const client = new LiveCredentials(yield* readPair(), roots)
    return { client, reload: Effect.map(Effect.suspend(readPair), (pair) => client.replace(pair)) }
  })
).pipe(
  stage("credentials", {
    remedy: "check peer.tls.rootcert, peer.tls.serverRootCAs, peer.tls.clientKey and peer.tls.clientCert"
  })
)
