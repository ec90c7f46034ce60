/**
 * Probing, and connecting to bootstrap and anchor peers: a handshake, and whether who is there may be there.
 * Source: gossip-discovery.md 3.4.8, 3.4.9 (gossip/gossip/gossip_impl.go connect2BootstrapPeers, learnAnchorPeers).
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { SyncLog } from "../../runtime/Log.js"
import type { CommShape } from "../Comm.js"
import type { Identify } from "../membership/connect.js"
import type { RemotePeer } from "../messages.js"
import type { SecurityShape } from "../Security.js"

export interface ConnectingPorts {
  readonly comm: Pick<CommShape, "probe" | "handshake">
  readonly security: Pick<SecurityShape, "orgOf" | "pkiIdOf">
  readonly log: SyncLog
  /** Own MSP ID. */
  readonly org: string
  readonly fork: (task: Effect.Effect<void>) => void
}

export const probing =
  ({ comm, fork }: ConnectingPorts) =>
  (peer: RemotePeer, done: (alive: boolean) => void): void =>
    fork(
      Effect.matchCause(comm.probe(peer), {
        onFailure: () => done(false),
        onSuccess: () => done(true)
      })
    )

/** One handshake; `judge` gives the fault of who is there, if any. */
const identifying =
  (
    { comm, security, fork, org }: ConnectingPorts,
    endpoint: string,
    judge: (org: string | undefined) => string | undefined,
    failed: (reason: string) => void
  ): Identify =>
  (done) => {
    const refuse = (reason: string): void => {
      failed(reason)
      done(Either.left(reason))
    }
    fork(
      Effect.match(comm.handshake({ endpoint, pkiId: new Uint8Array(0) }), {
        onFailure: ({ message }) => refuse(message),
        onSuccess: (identity) => {
          const remoteOrg = security.orgOf(identity)
          const pkiId = security.pkiIdOf(identity)
          const fault = judge(remoteOrg)
          if (fault !== undefined) refuse(fault)
          else if (pkiId === undefined) refuse("Wasn't able to extract PKI-ID of remote peer")
          else done(Either.right({ pkiId, ownOrg: remoteOrg === org }))
        }
      })
    )
  }

/** Who answers at a bootstrap endpoint: only one of the own organisation will do. */
export const bootstrapPeer = (ports: ConnectingPorts, endpoint: string): Identify =>
  identifying(
    ports,
    endpoint,
    (org) => (org === ports.org ? undefined : `${endpoint} isn't in our organization, cannot be a bootstrap peer`),
    () => {}
  )

/** Who answers at an anchor's endpoint: one listed for the own organisation must be of it. */
export const anchorPeer = (
  ports: ConnectingPorts,
  {
    endpoint,
    anchorsOrg,
    channelId
  }: { readonly endpoint: string; readonly anchorsOrg: string; readonly channelId: string }
): Identify =>
  identifying(
    ports,
    endpoint,
    (org) =>
      anchorsOrg === ports.org && org !== ports.org
        ? `Anchor peer ${endpoint} for channel ${channelId} isn't in our org, but is claimed to be`
        : undefined,
    (reason) => ports.log.warning(`Deep probe of ${endpoint} for channel ${channelId} failed: ${reason}`)
  )
