/**
 * Connections of the command line: to peers by configuration and environment, to orderers by flags, with the reference's
 * texts for all that can be wrong on the way. Source: operations-cli.md 4.1, 4.3; peer/common/{common,peerclient}.go.
 */

import { isAbsolute, join } from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { decodePemAll, sha256 } from "../../crypto/index.js"
import * as Log from "../../runtime/Log.js"
import { type Channel, type ConnectOptions, connect } from "../../transport/index.js"
import { readBytes } from "./CliIo.js"
import { type CommandFailed, failed, failing } from "./errors.js"
import type { Session } from "./Session.js"

/** A node to connect to. */
export interface Target {
  readonly address: string
  /** As texts name the client: `PeerClient`, `OrdererClient`. */
  readonly client: "PeerClient" | "OrdererClient"
  readonly options: ConnectOptions
  /** SHA-256 of the client's TLS certificate, when one is shown. */
  readonly tlsCertHash: Uint8Array | undefined
}

interface Settings {
  readonly enabled: boolean
  readonly clientAuthRequired: boolean
  /** Read only with TLS; `name` is for the text of a failure. */
  readonly root: { readonly path: string; readonly failure: string }
  readonly key: { readonly path: string; readonly failure: string }
  readonly certificate: { readonly path: string; readonly failure: string }
  readonly serverNameOverride: string
  readonly timeShift: Duration.Duration
  readonly connectTimeout: Duration.Duration
}

const THREE_SECONDS = Duration.seconds(3)

const target = (
  session: Session,
  client: Target["client"],
  address: string,
  settings: Settings
): Effect.Effect<Target, CommandFailed> =>
  Effect.gen(function* () {
    const read = ({ failure, path }: Settings["root"]) => readBytes(session.io, path).pipe(failing(`${failure}: `))
    const roots = settings.enabled ? [yield* read(settings.root)] : []
    // read even without TLS, as the reference does
    const pair = settings.clientAuthRequired
      ? { clientKey: yield* read(settings.key), clientCert: yield* read(settings.certificate) }
      : undefined
    const shifted = Duration.greaterThan(settings.timeShift, Duration.zero)
    const connectTimeout = Duration.greaterThan(settings.connectTimeout, Duration.zero)
      ? settings.connectTimeout
      : THREE_SECONDS
    if (!settings.enabled) return { address, client, options: { connectTimeout }, tlsCertHash: undefined }
    const [shown] = pair === undefined ? [] : decodePemAll(pair.clientCert).filter(({ type }) => type === "CERTIFICATE")
    const tls = {
      rootCerts: roots,
      ...pair,
      ...(settings.serverNameOverride === "" ? {} : { serverNameOverride: settings.serverNameOverride }),
      ...(shifted ? { timeShift: settings.timeShift } : {})
    }
    const tlsCertHash = shown === undefined ? undefined : sha256(shown.bytes)
    return { address, client, options: { connectTimeout, tls }, tlsCertHash }
  })

const peerSettings = ({ config }: Session): Settings => {
  const { client, tls } = config.peer
  const file = (name: string, path: string) => ({ path, failure: `unable to load peer.tls.${name}.file` })
  return {
    enabled: tls.enabled,
    clientAuthRequired: tls.clientAuthRequired,
    root: file("rootcert", tls.rootcert.file),
    key: file("clientKey", tls.clientKey.file),
    certificate: file("clientCert", tls.clientCert.file),
    serverNameOverride: tls.serverhostoverride,
    timeShift: tls.handshakeTimeShift,
    connectTimeout: client.connTimeout
  }
}

/** The peer of `peer.address`. */
export const configuredPeer = (session: Session): Effect.Effect<Target, CommandFailed> =>
  target(session, "PeerClient", session.config.peer.address, peerSettings(session)).pipe(
    failing("failed to load config for PeerClient: ")
  )

/** A peer named by `--peerAddresses`, trusted by its own root file; an empty address means the configured one. */
export const peerAt = (
  session: Session,
  address: string,
  rootFile: string | undefined
): Effect.Effect<Target, CommandFailed> => {
  if (address === "") return configuredPeer(session)
  const settings = peerSettings(session)
  if (settings.enabled && (rootFile ?? "") === "") return failed("tls root cert file must be set")
  const path = rootFile ?? ""
  return target(session, "PeerClient", address, {
    ...settings,
    root: { path, failure: `unable to load TLS root cert file from ${path}` },
    timeShift: Duration.zero
  })
}

/** An orderer, with TLS by the flags. Their relative paths start at core.yaml's folder, as in the reference. */
export const ordererAt = (session: Session, address: string): Effect.Effect<Target, CommandFailed> => {
  const { config, flags } = session
  const file = (name: string, flag: string) => {
    const path = flags.text(flag)
    return {
      path: path === "" || isAbsolute(path) ? path : join(config.source.folder, path),
      failure: `unable to load orderer.tls.${name}.file`
    }
  }
  return target(session, "OrdererClient", address, {
    enabled: flags.is("tls"),
    clientAuthRequired: flags.is("clientauth"),
    root: file("rootcert", "cafile"),
    key: file("clientKey", "keyfile"),
    certificate: file("clientCert", "certfile"),
    serverNameOverride: flags.text("ordererTLSHostnameOverride"),
    timeShift: Duration.nanos(flags.number("tlsHandshakeTimeShift")),
    connectTimeout: Duration.nanos(flags.number("connTimeout"))
  }).pipe(failing("failed to load config for OrdererClient: "))
}

const tlsLog = Log.module("comm.tls", "ClientHandshake")
const HANDSHAKE = "authentication handshake failed: "

/**
 * Connects; `as` is the client's name in the text of a failure (`endorser`, `deliver`, `admin`, `orderer`). The reference
 * tries a handshake again until the time is up, and says then only that it is: the cause stands in its log. Here it is
 * tried once.
 */
export const connectTo = (node: Target, as: string): Effect.Effect<Channel, CommandFailed, Scope.Scope> => {
  const { address } = node
  const notConnected = (why: string) => failed(`${as} client failed to connect to ${address}: ${why}`)
  const late = notConnected("failed to create new connection: context deadline exceeded")
  return Effect.catchAll(connect(address, node.options), (error) => {
    if (error._tag !== "ConnectFailed") return failed(`failed to create ${node.client} from config: ${error.message}`)
    const { reason, timedOut } = error
    if (!reason.startsWith(HANDSHAKE)) return timedOut ? late : notConnected(error.message)
    const cause = `Client TLS handshake failed with error: ${reason.slice(HANDSHAKE.length)}`
    return Effect.zipRight(tlsLog.error(cause, { remoteaddress: address }), late)
  })
}
