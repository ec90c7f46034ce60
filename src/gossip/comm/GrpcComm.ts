/**
 * `Comm` over gRPC: the `gossip.Gossip` service on the peer's own server, and the dialling side.
 * Source: gossip-discovery.md 3.2 (gossip/comm/comm_impl.go).
 */
import { randomBytes } from "node:crypto"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Log from "../../runtime/Log.js"
import { Metrics } from "../../runtime/Metrics.js"
import {
  type BidiHandler,
  type ClientKeepalive,
  Code,
  GrpcFailure,
  GrpcServer,
  type ServiceRefused
} from "../../transport/index.js"
import { equalBytes, toHex } from "../../wire/bytes.js"
import { gossip } from "../../wire/index.js"
import { Gossip as service } from "../../wire/services.js"
import { Comm, type CommShape } from "../Comm.js"
import { CommFailed } from "../errors.js"
import { Identities } from "../identity/index.js"
import type { ReceivedMessage, RemotePeer, SendResult } from "../messages.js"
import { Security } from "../Security.js"
import type { CommSettings } from "../settings.js"
import { envelopeBytes, unsigned } from "../signing.js"
import { Acks } from "./Acks.js"
import { Connection } from "./Connection.js"
import { ConnectionStore, type Dial } from "./ConnectionStore.js"
import { type DialCredentials, type DialOptions, dial, probe } from "./dial.js"
import { authenticate, type HandshakeOptions } from "./handshake.js"
import { declareCommMetrics } from "./metrics.js"
import { Listeners, Subscribers } from "./Subscribers.js"
import { type GossipStream, refusal } from "./stream.js"

/** Bounds of ours; the reference has none but the server's throttle. */
export interface CommLimits {
  /** Connections to different peers. */
  readonly maxConnections: number
  /** Handshakes of accepted streams in progress. */
  readonly maxHandshakes: number
  /** Dials under way. */
  readonly maxDials: number
}

export const defaultLimits: CommLimits = { maxConnections: 2000, maxHandshakes: 256, maxDials: 512 }

export interface GrpcCommOptions {
  readonly settings: CommSettings
  /** What to trust and show at a dial, asked every time; undefined: plain text. */
  readonly credentials: () => DialCredentials | undefined
  /** DER of the certificate that the server shows now; undefined without TLS. */
  readonly serverCertificate: () => Uint8Array | undefined
  /** `peer.keepalive.client`. */
  readonly keepalive?: ClientKeepalive
  readonly limits?: Partial<CommLimits>
}

/** What tests and diagnosis see of it. */
export interface CommDiagnosis {
  readonly connections: () => number
  readonly handshakes: () => number
  readonly dials: () => number
  readonly awaitedAcks: () => number
}

const log = Log.module("gossip.comm")

const shuttingDown = refusal("Shutting down")
const busy = (what: string): GrpcFailure =>
  new GrpcFailure({ code: Code.ResourceExhausted, details: `too many ${what}` })

/** The service and its connections; all of them end with the scope. */
export const make = (
  options: GrpcCommOptions
): Effect.Effect<
  CommShape & { readonly diagnosis: CommDiagnosis },
  ServiceRefused,
  GrpcServer | Identities | Metrics | Scope.Scope | Security
> =>
  Effect.gen(function* () {
    const server = yield* GrpcServer
    const security = yield* Security
    const identities = yield* Identities
    const metrics = declareCommMetrics(yield* Metrics)
    const logger = yield* log.sync
    const { settings } = options
    const limits = { ...defaultLimits, ...options.limits }
    const { pkiId } = identities
    const run = yield* FiberSet.makeRuntime<never>()
    const store = new ConnectionStore(pkiId, () => performance.now())
    const acks = new Acks()
    const handshakeOptions: HandshakeOptions = {
      pkiId,
      identity: security.identity,
      sign: security.sign,
      identities,
      tlsEnabled: server.tlsEnabled,
      connTimeoutMs: settings.connTimeoutMs
    }
    const dialOptions: DialOptions = {
      settings,
      credentials: options.credentials,
      keepalive: options.keepalive,
      handshake: handshakeOptions
    }

    const subscribers = new Subscribers(logger)
    const presumedDead = new Listeners<Uint8Array>(logger)
    const identitySwitch = new Listeners<Uint8Array>(logger)

    // ---- Connections ----

    const disconnect = (peer: Uint8Array): void => {
      if (store.closing || peer.length === 0) return
      store.close(peer)
      presumedDead.tell(peer)
    }
    const connectionOptions = {
      recvBuffSize: settings.recvBuffSize,
      sendBuffSize: settings.sendBuffSize,
      metrics,
      log: logger,
      dispatch: (message: ReceivedMessage) => (acks.intercept(message) ? undefined : subscribers.dispatch(message)),
      ended: (connection: Connection): void => store.remove(connection),
      broken: (connection: Connection, reason: string): void => {
        if (connection.closed) return
        logger.warning(`${connection.info.endpoint} isn't responsive: ${reason}`)
        connection.close()
        // another connection to that peer may have taken its place by now: it is not dead then
        if (store.get({ endpoint: "", pkiId: connection.info.pkiId }) === connection) disconnect(connection.info.pkiId)
      }
    }
    const served = (connection: Connection, stream: GossipStream): Effect.Effect<void, GrpcFailure> =>
      Effect.ensuring(
        connection.serve(stream),
        Effect.sync(() => {
          store.remove(connection)
          connection.close()
        })
      )
    const stopListening = identities.onRemoved(({ pkiId: removed }) => store.close(removed))
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        stopListening()
        store.shutdown()
      })
    )

    // ---- Accepting ----

    let handshakes = 0
    const onStream: BidiHandler = (incoming, out, call) =>
      Effect.gen(function* () {
        if (store.closing) return yield* shuttingDown
        if (handshakes >= limits.maxHandshakes) return yield* busy("handshakes in progress")
        const stream: GossipStream = { address: call.peer, next: incoming.next, send: out.send }
        const started = performance.now()
        handshakes += 1
        const info = yield* authenticate(
          stream,
          { own: options.serverCertificate(), remote: call.clientCertificateDer },
          handshakeOptions
        ).pipe(
          Effect.mapError(({ message }) => refusal(message)),
          Effect.tapError(({ details }) =>
            Effect.sync(() => logger.warning(`Authentication failed: ${details}`, { remote: call.peer }))
          ),
          Effect.ensuring(
            Effect.sync(() => {
              handshakes -= 1
            })
          )
        )
        if (store.closing) return yield* shuttingDown
        if (store.size >= limits.maxConnections && !store.has(info.pkiId)) return yield* busy("connections")
        const connection = new Connection(info, undefined, connectionOptions)
        if (!store.accept(connection, started)) return
        logger.debug(`Servicing ${call.peer}`)
        yield* served(connection, stream)
      })

    // ---- Dialling ----

    /** Rule 5: another identity may answer in the place of the one expected, if it is of the same organisation. */
    const checkExpected = ({ endpoint, pkiId: expected }: RemotePeer, actual: Connection): CommFailed | undefined => {
      const { identity, pkiId: found } = actual.info
      if (expected.length === 0 || equalBytes(expected, found)) return undefined
      const oldOrg = identities.get(expected)?.org
      if (oldOrg === undefined || oldOrg !== security.orgOf(identity)) {
        logger.warning(
          `Remote endpoint claims to be a different peer, expected ${toHex(expected)} but got ${toHex(found)}`
        )
        return new CommFailed({ endpoint, reason: "authentication failure" })
      }
      logger.info(`Peer ${endpoint} changed its PKI-ID from ${toHex(expected)} to ${toHex(found)}`)
      identitySwitch.tell(expected)
      return undefined
    }

    const dialled = (attempt: Dial): Effect.Effect<void, CommFailed> =>
      Effect.scoped(
        Effect.gen(function* () {
          const { endpoint } = attempt.peer
          const { end, info, stream } = yield* dial(endpoint, dialOptions)
          const connection = new Connection(info, endpoint, connectionOptions)
          const wrong = checkExpected(attempt.peer, connection)
          if (wrong !== undefined) return yield* wrong
          if (store.closing) return yield* new CommFailed({ endpoint, reason: "ConnStore is closing" })
          const used = store.adopt(attempt, connection)
          store.settle(attempt, Either.right(used))
          if (used !== connection) return
          logger.debug(`Created new connection to ${endpoint}`)
          yield* Effect.ignore(served(connection, stream))
          yield* end
        })
      )

    const startDial = (peer: RemotePeer): Dial | undefined => {
      if (store.dialling >= limits.maxDials || store.size >= limits.maxConnections) return undefined
      const attempt = store.startDial(peer)
      run(
        Effect.onExit(dialled(attempt), (exit) =>
          Effect.sync(() => {
            if (Exit.isSuccess(exit) || store.dialTo(peer) !== attempt) return
            const failure = Cause.failureOrCause(exit.cause)
            const reason = Either.isLeft(failure)
              ? failure.left
              : new CommFailed({ endpoint: peer.endpoint, reason: `dial failed: ${Cause.pretty(failure.right)}` })
            store.settle(attempt, Either.left(reason))
            if (store.closing) return
            logger.warning(`Failed obtaining connection for ${peer.endpoint} reason: ${reason.message}`)
            disconnect(peer.pkiId)
          })
        ).pipe(Effect.ignore)
      )
      return attempt
    }

    /** The connection to a peer, dialled if there is none; dials to one PKI-ID are shared. */
    const connectionTo = (peer: RemotePeer): Effect.Effect<Connection, CommFailed> =>
      Effect.suspend(() => {
        const { endpoint } = peer
        if (store.closing) return new CommFailed({ endpoint, reason: "Shutting down" })
        const existing = store.get(peer)
        if (existing !== undefined) return Effect.succeed(existing)
        const attempt = store.dialTo(peer) ?? startDial(peer)
        if (attempt === undefined) return new CommFailed({ endpoint, reason: "too many connections" })
        return Effect.async<Connection, CommFailed>((resume) => {
          const settled = (result: Either.Either<Connection, CommFailed>): void => resume(result)
          attempt.settled.add(settled)
          return Effect.sync(() => attempt.settled.delete(settled))
        })
      })

    const sendTo = (peer: RemotePeer, bytes: Uint8Array): void => {
      const existing = store.get(peer)
      if (existing !== undefined) {
        existing.send(bytes)
        return
      }
      const attempt = store.dialTo(peer) ?? startDial(peer)
      if (attempt !== undefined && attempt.waiting.length < settings.sendBuffSize) attempt.waiting.push(bytes)
      else metrics.overflowed()
    }

    // ---- Acknowledged sends ----

    const acknowledged = (
      nonce: bigint,
      bytes: Uint8Array,
      peer: RemotePeer,
      timeoutMs: number
    ): Effect.Effect<string> =>
      Effect.suspend(() => {
        const answer = Deferred.unsafeMake<string>(FiberId.none)
        const cancel = acks.expect(nonce, peer.pkiId, (error) => Deferred.unsafeDone(answer, Effect.succeed(error)))
        return connectionTo(peer).pipe(
          Effect.flatMap((connection) => connection.put(bytes)),
          Effect.flatMap((taken) => (taken ? Deferred.await(answer) : Effect.succeed("connection is closing"))),
          Effect.catchAll(({ message }) => Effect.succeed(message)),
          Effect.timeoutTo({ duration: timeoutMs, onTimeout: () => "timed out", onSuccess: (error) => error }),
          Effect.ensuring(Effect.sync(cancel))
        )
      })

    const sendWithAck: CommShape["sendWithAck"] = (message, { minimum, timeoutMs }, peers) =>
      Effect.suspend(() => {
        if (peers.length === 0) return Effect.succeed([])
        if (store.closing) return Effect.succeed(peers.map((peer) => ({ peer, error: "comm is stopping" })))
        const nonce = randomBytes(8).readBigUInt64BE()
        const bytes = envelopeBytes(unsigned({ ...message, nonce }).envelope)
        const results: Array<SendResult> = []
        const enough = Deferred.unsafeMake<ReadonlyArray<SendResult>>(FiberId.none)
        let successes = 0
        // Each goes on when enough have acknowledged, as in the reference: the others get the message too.
        for (const peer of peers) {
          run(
            Effect.map(acknowledged(nonce, bytes, peer, timeoutMs), (error) => {
              results.push({ peer, error })
              if (error === "") successes += 1
              if (successes === minimum || results.length === peers.length) {
                Deferred.unsafeDone(enough, Effect.succeed([...results]))
              }
            })
          )
        }
        return Deferred.await(enough)
      })

    // ---- The service ----

    const pong = Effect.succeed(gossip.Empty.encode({}))
    yield* server.addService(service, { GossipStream: onStream, Ping: () => pong })

    return {
      pkiId,
      send: ({ envelope }, peers) => {
        if (store.closing || peers.length === 0) return
        const bytes = envelopeBytes(envelope)
        for (const peer of peers) sendTo(peer, bytes)
      },
      sendWithAck,
      probe: ({ endpoint }) =>
        Effect.suspend(() =>
          store.closing ? new CommFailed({ endpoint, reason: "Stopping" }) : probe(endpoint, dialOptions)
        ),
      handshake: ({ endpoint, pkiId: expected }) =>
        Effect.suspend(() => {
          const mismatch = new CommFailed({ endpoint, reason: "PKI-ID of remote peer doesn't match expected PKI-ID" })
          const judged = (found: Connection["info"]): Effect.Effect<Uint8Array, CommFailed> =>
            expected.length > 0 && !equalBytes(expected, found.pkiId) ? mismatch : Effect.succeed(found.identity)
          // A second stream would take the first one down at the remote (trap 7).
          const open = store.toEndpoint(endpoint)
          if (open !== undefined) return judged(open.info)
          return Effect.scoped(dial(endpoint, dialOptions, settings.probeHandshakeTimeoutMs)).pipe(
            Effect.flatMap(({ info }) => judged(info))
          )
        }),
      subscribe: subscribers.add,
      onPresumedDead: presumedDead.add,
      onIdentitySwitch: identitySwitch.add,
      closeConnection: (peer) => store.close(peer),
      diagnosis: {
        connections: () => store.size,
        handshakes: () => handshakes,
        dials: () => store.dialling,
        awaitedAcks: () => acks.size
      }
    }
  })

/** Stage: gossip's connections, served on the peer's server. */
export const layer = (
  options: GrpcCommOptions
): Layer.Layer<Comm, ServiceRefused, GrpcServer | Identities | Metrics | Security> => Layer.scoped(Comm, make(options))
