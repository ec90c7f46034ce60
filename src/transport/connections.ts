/**
 * The listening socket of a gRPC server and its connections: bound early and served later, TLS handshakes, limits and
 * deadlines of a connection's beginning, and the certificate that each caller showed.
 * Source: design.md section 2 (own tls server, connection injector); orderer.md 3.10; core/comm/creds.go.
 */
import type * as crypto from "node:crypto"
import * as net from "node:net"
import * as tls from "node:tls"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { bindReason, joinAddress, splitAddress } from "../config/address.js"
import { closingEffect } from "../runtime/closing.js"
import type { SyncLog } from "../runtime/Log.js"
import { BindFailed } from "./errors.js"
import { durationText } from "./observe.js"
import type { Caller } from "./serverCall.js"
import { subjectText } from "./tls.js"
import { serverReason } from "./tlsReasons.js"

export interface ConnectionOptions {
  /** `host:port`; port 0 takes any. */
  readonly address: string
  /** Undefined: plain text. */
  readonly tls: { readonly context: tls.SecureContextOptions; readonly requireClientCert: boolean } | undefined
  /** Judges the client's chain instead of OpenSSL (time shift); undefined leaves it to OpenSSL. */
  readonly judge: ((socket: tls.TLSSocket) => string | undefined) | undefined
  /** Milliseconds from the TCP connection to the end of the HTTP/2 beginning. */
  readonly connectionTimeout: number
  /** Connections at a time; more are closed at once. */
  readonly maxConnections: number
  readonly log: SyncLog
  readonly opened: () => void
  readonly closed: () => void
  /** Told once when the listener ends by itself. */
  readonly died: (reason: string) => void
}

/**
 * Errors of accepting that pass: no file descriptors or memory for now, a caller that went away. The listener stays, as
 * Go's does.
 */
const passing: ReadonlySet<string> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "ECONNABORTED",
  "EAGAIN",
  "EINTR",
  "EPERM",
  "EPROTO"
])

const unknownCaller: Caller = { address: "unknown", certificateDer: undefined, subject: undefined }

/** HTTP/2 begins with 24 bytes of preface and a SETTINGS frame of at least 9. */
const beginningBytes = 33
/** Connections kept while nobody serves yet; the reference leaves them in the kernel's queue. */
const maxHeld = 1024
/** Connections that may wait to be accepted: as Go, what the kernel allows at most (somaxconn); Node's default is 511. */
const backlog = 65_535
/** Go's default for accepted connections, milliseconds. */
const tcpKeepalive = 15_000

const callerOf = (address: string, certificate: crypto.X509Certificate | undefined): Caller => ({
  address,
  certificateDer: certificate === undefined ? undefined : new Uint8Array(certificate.raw),
  get subject() {
    return certificate === undefined ? undefined : subjectText(certificate)
  }
})

/** IPv4 callers of a dual-stack socket carry an IPv6 prefix that Go does not print. */
const plainAddress = (host: string): string => (host.startsWith("::ffff:") ? host.slice(7) : host)

export class Connections {
  private readonly sockets = new Set<net.Socket>()
  private readonly peers = new Map<string, Caller>()
  private readonly listener: net.Server
  private readonly secure: tls.Server | undefined
  private held: Array<net.Socket> = []
  private inject: ((connection: net.Socket) => void) | undefined
  private stopped = false
  /** Listens; errors from now on are the listener's, not the start's. */
  private bound = false
  private readonly onEmpty = new Set<() => void>()

  constructor(private readonly options: ConnectionOptions) {
    this.listener = net.createServer({ pauseOnConnect: true, noDelay: true })
    this.listener.on("connection", (socket) => this.accept(socket))
    this.listener.on("error", (error: NodeJS.ErrnoException) => {
      if (!this.bound) return // `bind` tells
      options.log.error("listener failed", { error: error.message })
      if (!passing.has(error.code ?? "")) this.die(error.message)
    })
    this.listener.on("close", () => this.die("its socket was closed"))
    const { tls: secure } = options
    if (secure !== undefined) {
      this.secure = tls.createServer({
        ...secure.context,
        requestCert: true,
        rejectUnauthorized: secure.requireClientCert && options.judge === undefined,
        ALPNProtocols: ["h2"],
        handshakeTimeout: options.connectionTimeout
      })
      this.secure.on("secureConnection", (socket) => this.established(socket))
      this.secure.on("tlsClientError", (error, socket) => this.handshakeFailed(error, socket))
      this.secure.on("error", (error) => options.log.error("TLS server failed", { error: error.message }))
    }
  }

  /** Binds; connections made from now on wait until `serve`. The result is the bound port. */
  readonly bind: Effect.Effect<number, BindFailed> = Effect.suspend(() => {
    const { address } = this.options
    const target = splitAddress(address)
    if (Either.isLeft(target)) return new BindFailed({ address, code: undefined, reason: target.left })
    const { host, port } = target.right
    return Effect.async<number, BindFailed>((resume) => {
      const onError = (error: NodeJS.ErrnoException): void => {
        resume(new BindFailed({ address, code: error.code, reason: bindReason(error) }))
      }
      this.listener.once("error", onError)
      this.listener.listen({ port, backlog, ...(host === "" ? {} : { host }) }, () => {
        this.listener.off("error", onError)
        this.bound = true
        const bound = this.listener.address()
        resume(Effect.succeed(typeof bound === "object" && bound !== null ? bound.port : port))
      })
    })
  })

  /** The bound address as `host:port`. */
  get address(): string {
    const bound = this.listener.address()
    return typeof bound === "object" && bound !== null ? joinAddress(bound.address, bound.port) : this.options.address
  }

  /** Lets connections through to HTTP/2, those that waited first. */
  serve(inject: (connection: net.Socket) => void): void {
    this.inject = inject
    const { held } = this
    this.held = []
    for (const socket of held) if (!socket.destroyed) this.begin(socket)
  }

  /** Takes no more connections and drops those that were not let through yet. */
  stopAccepting(): void {
    this.stopped = true
    this.listener.close(() => {})
    for (const socket of this.held) socket.destroy()
    this.held = []
  }

  private die(reason: string): void {
    if (this.stopped || !this.bound) return
    this.stopped = true
    this.options.died(reason)
  }

  /** New contexts for handshakes from now on; open connections stay. */
  replaceContext(context: tls.SecureContextOptions): void {
    this.secure?.setSecureContext(context)
  }

  /** Cuts what is left and waits until it is gone. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.stopAccepting()
    for (const socket of this.sockets) socket.destroy()
    return closingEffect(`connections of ${this.options.address}`, this.emptied, "1 second")
  })

  get count(): number {
    return this.sockets.size
  }

  /** The caller behind what grpc-js calls a peer. */
  caller(key: string): Caller {
    return this.peers.get(key) ?? unknownCaller
  }

  /** Comes when the last connection has closed. */
  readonly emptied: Effect.Effect<void> = Effect.async<void>((resume) => {
    if (this.sockets.size === 0) return resume(Effect.void)
    const done = (): void => resume(Effect.void)
    this.onEmpty.add(done)
    return Effect.sync(() => this.onEmpty.delete(done))
  })

  // ---- A connection's beginning ----------------------------------------------------------------------------------

  private accept(socket: net.Socket): void {
    const { log, maxConnections } = this.options
    socket.on("error", () => {}) // its end is what counts, and `close` tells
    if (this.stopped || this.sockets.size >= maxConnections) {
      if (!this.stopped) log.warning("connection refused: too many connections", { limit: maxConnections })
      socket.destroy()
      return
    }
    void socket.remoteAddress // asked once, it is known for good
    this.sockets.add(socket)
    socket.once("close", () => {
      this.sockets.delete(socket)
      if (this.sockets.size > 0) return
      for (const done of this.onEmpty) done()
      this.onEmpty.clear()
    })
    socket.setKeepAlive(true, tcpKeepalive)
    if (this.inject !== undefined) this.begin(socket)
    else if (this.held.length < maxHeld) this.held.push(socket)
    else socket.destroy()
  }

  private begin(socket: net.Socket): void {
    if (this.secure === undefined) {
      this.letThrough(socket, undefined)
      return
    }
    this.secure.emit("connection", socket)
  }

  private established(socket: tls.TLSSocket): void {
    socket.on("error", () => {})
    socket.disableRenegotiation() // HTTP/2 forbids it and Go refuses it
    const refused = this.options.judge?.(socket)
    if (refused !== undefined) {
      this.options.log.error(`Server TLS handshake failed with error ${refused}`, { "remote address": remote(socket) })
      socket.destroy()
      return
    }
    // Go serves clients that negotiate no protocol; Node would answer them in HTTP/1.1.
    if (socket.alpnProtocol === false) socket.alpnProtocol = "h2"
    this.letThrough(socket, socket.getPeerX509Certificate())
  }

  private handshakeFailed(error: Error, socket: tls.TLSSocket): void {
    const { authorizationError } = socket
    // the type says Error, Node gives its code
    const unverified =
      authorizationError === undefined || authorizationError === null ? undefined : String(authorizationError)
    const reason = serverReason(error, unverified)
    this.options.log.error(`Server TLS handshake failed with error ${reason}`, { "remote address": remote(socket) })
    socket.on("error", () => {})
    socket.destroy()
  }

  private letThrough(socket: net.Socket, certificate: crypto.X509Certificate | undefined): void {
    const { remoteAddress, remotePort } = socket
    if (this.inject === undefined || remoteAddress === undefined || remotePort === undefined) {
      socket.destroy()
      return
    }
    const key = `${remoteAddress}:${remotePort}`
    const peer = callerOf(joinAddress(plainAddress(remoteAddress), remotePort), certificate)
    this.peers.set(key, peer)
    this.options.opened()
    socket.once("close", () => {
      if (this.peers.get(key) === peer) this.peers.delete(key)
      this.options.closed()
    })
    this.deadline(socket, () => socket.bytesRead >= beginningBytes)
    this.inject(socket)
    socket.resume() // accepted paused: HTTP/2 takes the handle over but does not start it
  }

  /** Closes the connection unless it has got on by the connection timeout. */
  private deadline(socket: net.Socket, goneOn: () => boolean): void {
    const { connectionTimeout, log } = this.options
    const timer = setTimeout(() => {
      if (goneOn()) return
      log.debug(`connection closed: nothing heard for ${durationText(connectionTimeout)}`, {
        "remote address": remote(socket)
      })
      socket.destroy()
    }, connectionTimeout)
    timer.unref()
    socket.once("close", () => clearTimeout(timer))
  }
}

/** Where a connection comes from, also when it is closed already: a TLS socket forgets, the one below it does not. */
const remote = (socket: net.Socket): string => {
  if (socket.remoteAddress !== undefined) return joinAddress(plainAddress(socket.remoteAddress), socket.remotePort ?? 0)
  return "_parent" in socket && socket._parent instanceof net.Socket ? remote(socket._parent) : "unknown"
}
