/** Peers for tests: real servers, streams and ECDSA identities on loopback; who is trusted is a set of MSP IDs. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { parseCertificatePem, sign, verify } from "../../../src/crypto/index.js"
import { parsePrivateKeyPem } from "../../../src/crypto/privateKey.js"
import { GrpcComm } from "../../../src/gossip/comm/index.js"
import { Identities, IdentityMapper } from "../../../src/gossip/identity/index.js"
import {
  type CommSettings,
  connMessage,
  envelopeBytes,
  makeSystemTimers,
  openMessage,
  type ReceivedMessage,
  type RemotePeer,
  Security,
  type SecurityShape,
  type SignedGossipMessage
} from "../../../src/gossip/index.js"
import * as Metrics from "../../../src/runtime/Metrics.js"
import {
  type ClientStream,
  connect,
  GrpcServer,
  type GrpcServerShape,
  makeGrpcServer
} from "../../../src/transport/index.js"
import { sha256, utf8 } from "../../../src/wire/bytes.js"
import { gossip, msp } from "../../../src/wire/index.js"
import { Gossip as service } from "../../../src/wire/services.js"
import { logsTo } from "../../logging.js"
import { type Authority, authority, type Pair } from "../../transport/material.js"

export { until, untilEffect } from "../../transport/support.js"

// ---- Identities ----------------------------------------------------------------------------------------------------

const enrolment = authority("enrolment")

export interface TestIdentity {
  readonly org: string
  readonly identity: Uint8Array
  readonly pkiId: Uint8Array
  readonly sign: (message: Uint8Array) => Uint8Array
}

export const pkiIdOf = (identity: Uint8Array): Uint8Array | undefined => {
  const decoded = Either.try(() => msp.SerializedIdentity.decode(identity))
  if (Either.isLeft(decoded)) return undefined
  return sha256(utf8(decoded.right.mspid), decoded.right.idBytes)
}

export const identityOf = (org: string, name: string): TestIdentity => {
  const { certificate, key } = enrolment.issue(name)
  const identity = msp.SerializedIdentity.encode({ mspid: org, idBytes: certificate })
  const parsed = Either.getOrThrow(parsePrivateKeyPem(key))
  if (!("curve" in parsed)) throw new Error("not an ECDSA key")
  return { org, identity, pkiId: sha256(utf8(org), certificate), sign: (message) => sign(parsed, message) }
}

/** Security that trusts the MSP IDs of `trusted`, which may change. */
export const securityOf = (own: TestIdentity, trusted: ReadonlySet<string>): SecurityShape => {
  const refuse = (message: string) => Either.left({ message })
  const parts = (identity: Uint8Array) =>
    Either.getOrUndefined(Either.try(() => msp.SerializedIdentity.decode(identity)))
  const keyOf = (identity: Uint8Array) => {
    const parsed = parseCertificatePem(parts(identity)?.idBytes ?? new Uint8Array())
    return parsed === undefined || Either.isLeft(parsed) ? undefined : parsed.right
  }
  const orgOf = (identity: Uint8Array) => {
    const org = parts(identity)?.mspid
    return org !== undefined && trusted.has(org) && keyOf(identity) !== undefined ? org : undefined
  }
  return {
    identity: own.identity,
    pkiIdOf,
    orgOf,
    validateIdentity: (identity) =>
      orgOf(identity) === undefined ? refuse("No MSP found able to do that.") : Either.void,
    expiresAt: (identity) => keyOf(identity)?.notAfter,
    sign: own.sign,
    verify: (identity, signature, message) => {
      const certificate = keyOf(identity)
      return certificate !== undefined && verify(certificate.publicKey, message, signature)
        ? Either.void
        : refuse("The signature is invalid")
    },
    verifyByChannel: () => Either.void,
    verifyBlock: () => Either.void
  }
}

// ---- Peers ---------------------------------------------------------------------------------------------------------

export interface TestTls {
  readonly authority: Authority
  readonly server: Pair
  readonly client: Pair
  readonly mutual: boolean
}
export const tlsOf = (mutual = false, roots = authority("tls")): TestTls => ({
  authority: roots,
  server: roots.issue("peer"),
  client: roots.issue("peer client"),
  mutual
})

export interface PeerOptions {
  readonly identity?: TestIdentity
  readonly org?: string
  readonly trusted?: Set<string>
  readonly tls?: TestTls
  readonly settings?: Partial<CommSettings>
  readonly limits?: Partial<GrpcComm.CommLimits>
  readonly credentials?: GrpcComm.GrpcCommOptions["credentials"]
}

type CommUnderTest = Effect.Effect.Success<ReturnType<typeof GrpcComm.make>>

export interface TestPeer {
  readonly own: TestIdentity
  readonly comm: CommUnderTest
  readonly server: GrpcServerShape
  readonly identities: IdentityMapper
  readonly address: string
  readonly remote: RemotePeer
  readonly received: Array<ReceivedMessage>
  readonly dead: Array<Uint8Array>
  readonly switched: Array<Uint8Array>
  readonly lines: Array<string>
  readonly tls: TestTls | undefined
  readonly metric: (name: string) => Effect.Effect<number>
  /** Something that ends with the peer, before its connections do. */
  readonly extend: <A, E>(effect: Effect.Effect<A, E, Scope.Scope | Metrics.Metrics>) => Effect.Effect<A, E>
  readonly close: Effect.Effect<void>
}

export const settingsOf = (over: Partial<CommSettings> = {}): CommSettings => ({
  dialTimeoutMs: 3000,
  connTimeoutMs: 2000,
  recvBuffSize: 20,
  sendBuffSize: 20,
  pingTimeoutMs: 2000,
  probeHandshakeTimeoutMs: 10_000,
  ...over
})

/** A peer that serves; it ends with the scope, or by `close`. */
export const peer = (options: PeerOptions = {}): Effect.Effect<TestPeer, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const { tls } = options
    const own = options.identity ?? identityOf(options.org ?? "Org1MSP", "peer")
    const lines: Array<string> = []
    const logs = logsTo(() => lines)
    const metrics = Metrics.prometheus()
    const scope = yield* Effect.acquireRelease(Scope.make(), (made, exit) => Scope.close(made, exit))
    const inScope = <A, E>(effect: Effect.Effect<A, E, Scope.Scope | Metrics.Metrics>): Effect.Effect<A, E> =>
      effect.pipe(Effect.provideService(Metrics.Metrics, metrics), Effect.provide(logs), Scope.extend(scope))
    const server = yield* inScope(
      makeGrpcServer({
        address: "127.0.0.1:0",
        stopGrace: "20 millis",
        ...(tls === undefined
          ? {}
          : {
              tls: {
                certificate: tls.server.certificate,
                key: tls.server.key,
                requireClientCert: tls.mutual,
                clientRootCAs: [tls.authority.certificate]
              }
            })
      })
    )
    const security = securityOf(own, options.trusted ?? new Set(["Org1MSP", "Org2MSP"]))
    const timers = yield* inScope(makeSystemTimers)
    const identities = Either.getOrThrowWith(IdentityMapper.make({ security, timers }), (e) => new Error(e.message))
    const credentials =
      options.credentials ??
      (() =>
        tls === undefined
          ? undefined
          : {
              rootCerts: [tls.authority.certificate],
              clientCert: tls.client.certificate,
              clientKey: tls.client.key
            })
    const comm = yield* inScope(
      GrpcComm.make({
        settings: settingsOf(options.settings),
        credentials,
        serverCertificate: () => tls?.server.der,
        ...(options.limits === undefined ? {} : { limits: options.limits })
      }).pipe(
        Effect.provideService(GrpcServer, server),
        Effect.provideService(Security, security),
        Effect.provideService(Identities, identities)
      )
    )
    const received: Array<ReceivedMessage> = []
    const dead: Array<Uint8Array> = []
    const switched: Array<Uint8Array> = []
    comm.subscribe(
      () => true,
      (message) => void received.push(message)
    )
    comm.onPresumedDead((id) => void dead.push(id))
    comm.onIdentitySwitch((id) => void switched.push(id))
    yield* inScope(server.serve)
    return {
      own,
      comm,
      server,
      identities,
      address: server.address,
      remote: { endpoint: server.address, pkiId: own.pkiId },
      received,
      dead,
      switched,
      lines,
      tls,
      metric: (name) =>
        Effect.map(metrics.exposition, (page) => {
          const found = (page?.body ?? "").split("\n").find((line) => line.startsWith(`${name} `))
          return found === undefined ? 0 : Number(found.split(" ")[1])
        }),
      extend: inScope,
      close: Scope.close(scope, Exit.void)
    }
  })

// ---- Raw clients ---------------------------------------------------------------------------------------------------

export interface RawClient {
  readonly stream: ClientStream
  readonly send: (message: SignedGossipMessage) => Effect.Effect<void, unknown>
  /** The next message; undefined: the stream ended with OK. */
  readonly receive: Effect.Effect<SignedGossipMessage | undefined, { readonly message: string }>
  /** The text that the stream ends with, empty for OK; what comes before it is passed over. */
  readonly ending: Effect.Effect<string>
  /** The handshake that the peer would take, to be spoilt. */
  readonly hello: (
    changes?: Partial<{ pkiId: Uint8Array; identity: Uint8Array; tlsCertHash: Uint8Array }>,
    sign?: (payload: Uint8Array) => Uint8Array
  ) => SignedGossipMessage
}

/** A stream to a peer, from a client that does nothing by itself. */
export const rawClient = (
  target: TestPeer,
  own: TestIdentity = identityOf("Org1MSP", "raw"),
  options: { readonly showCertificate?: boolean } = {}
): Effect.Effect<RawClient, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const { tls } = target
    const shows = options.showCertificate ?? true
    const channel = yield* connect(
      target.address,
      tls === undefined
        ? {}
        : {
            tls: {
              rootCerts: [tls.authority.certificate],
              ...(shows ? { clientCert: tls.client.certificate, clientKey: tls.client.key } : {})
            }
          }
    )
    const stream = yield* channel.bidi(service.methods.GossipStream)
    const receive = Effect.map(stream.next, (bytes) =>
      bytes === undefined ? undefined : Either.getOrThrowWith(openMessage(bytes), (e) => new Error(e.message))
    )
    const ending: Effect.Effect<string> = Effect.matchEffect(stream.next, {
      onFailure: ({ details }) => Effect.succeed(details),
      onSuccess: (bytes) => (bytes === undefined ? Effect.succeed("") : ending)
    })
    return {
      stream,
      send: ({ envelope }) => stream.send(envelopeBytes(envelope)),
      receive,
      ending,
      hello: (changes = {}, sign = own.sign) =>
        connMessage(
          {
            pkiId: own.pkiId,
            identity: own.identity,
            tlsCertHash: tls === undefined ? new Uint8Array() : sha256(tls.client.der),
            ...changes
          },
          sign
        )
    }
  })

/** A raw client whose handshake is done. */
export const joined = (target: TestPeer, own?: TestIdentity) =>
  Effect.gen(function* () {
    const client = yield* rawClient(target, own)
    yield* client.send(client.hello())
    yield* client.receive
    return client
  })

export const textMessage = (text: string, nonce = 0n) =>
  gossip.GossipMessage.create({
    tag: gossip.GossipMessage_Tag.CHAN_AND_ORG,
    nonce,
    channel: utf8("ch"),
    dataMsg: { payload: { seqNum: 1n, data: utf8(text) } }
  })
export const textOf = ({ message }: SignedGossipMessage): string =>
  Buffer.from(message.dataMsg?.payload?.data ?? []).toString()
