/**
 * The dialling side: a channel, a Ping, a stream, the handshake. Credentials are asked for anew each time, so that roots
 * of a channel joined a moment ago are trusted.
 * Source: gossip-discovery.md 3.2 rules 1 and 12, 2 (gRPC); gossip/comm/comm_impl.go createConnection, Handshake, Probe.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { decodePemAll } from "../../crypto/pem.js"
import {
  type Channel,
  type ClientKeepalive,
  type ClientStream,
  type ClientTls,
  connect
} from "../../transport/index.js"
import { EMPTY } from "../../wire/index.js"
import { Gossip as service } from "../../wire/services.js"
import { CommFailed } from "../errors.js"
import type { ConnectionInfo } from "../messages.js"
import type { CommSettings } from "../settings.js"
import { authenticate, type HandshakeOptions } from "./handshake.js"
import type { GossipStream } from "./stream.js"

/** What this peer trusts and shows when it dials; the certificate is needed for the handshake. */
export type DialCredentials = Pick<ClientTls, "rootCerts"> & Required<Pick<ClientTls, "clientCert" | "clientKey">>

export interface DialOptions {
  readonly settings: CommSettings
  /** Asked at every dial; undefined: plain text. */
  readonly credentials: () => DialCredentials | undefined
  readonly keepalive: ClientKeepalive | undefined
  readonly handshake: HandshakeOptions
}

export interface DialledStream {
  readonly stream: GossipStream
  readonly info: ConnectionInfo
  /** Says that nothing more comes. */
  readonly end: Effect.Effect<void>
}

const failed = (endpoint: string, reason: string): CommFailed => new CommFailed({ endpoint, reason })

/** A leaf certificate's DER out of PEM. */
const leafOf = (pem: Uint8Array): Uint8Array | undefined =>
  decodePemAll(pem).find(({ type }) => type === "CERTIFICATE")?.bytes

interface Reached {
  readonly channel: Channel
  readonly ownCertificate: Uint8Array | undefined
}

/** A connection to a peer that answered a Ping. */
const reach = (endpoint: string, options: DialOptions): Effect.Effect<Reached, CommFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { keepalive, settings } = options
    const credentials = yield* Effect.try({
      try: options.credentials,
      catch: (error) => ({ message: `no credentials: ${error instanceof Error ? error.message : String(error)}` })
    })
    const channel = yield* connect(endpoint, {
      ...(credentials === undefined ? {} : { tls: credentials }),
      ...(keepalive === undefined ? {} : { keepalive }),
      connectTimeout: settings.dialTimeoutMs,
      reconnect: false,
      patient: true // as Go dials: a peer that is just starting gets its chance
    })
    yield* channel.unary(service.methods.Ping, EMPTY, { deadline: settings.pingTimeoutMs })
    return { channel, ownCertificate: credentials === undefined ? undefined : leafOf(credentials.clientCert) }
  }).pipe(Effect.mapError(({ message }) => failed(endpoint, message)))

const asGossipStream = (address: string, { next, send }: ClientStream): GossipStream => ({ address, next, send })

/** An authenticated stream; it and its connection end with the scope. */
export const dial = (
  endpoint: string,
  options: DialOptions,
  streamDeadlineMs?: number
): Effect.Effect<DialledStream, CommFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { channel, ownCertificate } = yield* reach(endpoint, options)
    const call = streamDeadlineMs === undefined ? undefined : { deadline: streamDeadlineMs }
    const opened = yield* channel.bidi(service.methods.GossipStream, call)
    const stream = asGossipStream(endpoint, opened)
    const remote = yield* channel.serverCertificateDer
    const info = yield* Effect.mapError(
      authenticate(stream, { own: ownCertificate, remote }, options.handshake),
      ({ message }) => failed(endpoint, message)
    )
    return { stream, info, end: opened.end }
  })

/** Dials and pings. */
export const probe = (endpoint: string, options: DialOptions): Effect.Effect<void, CommFailed> =>
  Effect.scoped(Effect.asVoid(reach(endpoint, options)))
