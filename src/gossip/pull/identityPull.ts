/**
 * Identities, pulled as the envelopes that their owners signed: nobody else can make them (trap 33).
 * Source: gossip-discovery.md 3.7.3 (gossip/gossip/certstore.go, gossip/gossip/gossip_impl.go sameOrgOrOurOrgPullFilter).
 */
import * as Either from "effect/Either"
import type { SyncLog } from "../../runtime/Log.js"
import { equalBytes } from "../../wire/bytes.js"
import { gossip } from "../../wire/index.js"
import { idKey } from "../ids.js"
import type { ConnectionInfo, NetworkMember, ReceivedMessage, RemotePeer, SignedGossipMessage } from "../messages.js"
import type { Random } from "../random.js"
import type { Refused, SecurityShape } from "../Security.js"
import type { PullSettings } from "../settings.js"
import { detached, openEnvelope, sealed, verifyMessage } from "../signing.js"
import type { Timers } from "../Timers.js"
import { PullEngine } from "./PullEngine.js"

export interface IdentityPullPorts {
  readonly timers: Timers
  readonly random: Random
  readonly log: SyncLog
  readonly pkiId: Uint8Array
  readonly selfOrg: string
  readonly security: Pick<SecurityShape, "identity" | "sign" | "verify" | "pkiIdOf" | "orgOf">
  readonly members: () => ReadonlyArray<NetworkMember>
  readonly send: (message: SignedGossipMessage, peers: ReadonlyArray<RemotePeer>) => void
  /** MSP ID of a PKI-ID whose identity is known. */
  readonly orgOf: (pkiId: Uint8Array) => string | undefined
  /** Whether a member is known, this peer included, and shows an endpoint to other organisations. */
  readonly hasExternalEndpoint: (pkiId: Uint8Array) => boolean
  /** Validates and keeps. */
  readonly put: (pkiId: Uint8Array, identity: Uint8Array) => Either.Either<unknown, Refused>
}

/** Items of an update that may fail before the rest is left unread. */
const maxFaults = 16
/** Most identities kept. */
const maxIdentities = 10_000

export class IdentityPull {
  private readonly engine: PullEngine

  constructor(
    settings: PullSettings,
    private readonly ports: IdentityPullPorts
  ) {
    const { timers, random, log, members, send, security, pkiId } = ports
    this.engine = new PullEngine(settings, {
      timers,
      random,
      log,
      members,
      send,
      msgType: gossip.PullMsgType.IDENTITY_MSG,
      tag: gossip.GossipMessage_Tag.EMPTY,
      channel: new Uint8Array(0),
      egress: (asker) => this.egress(asker),
      ingress: () => true
    })
    const own = sealed(
      { tag: gossip.GossipMessage_Tag.EMPTY, peerIdentity: { pkiId, cert: security.identity } },
      security.sign
    )
    this.engine.add(idKey(pkiId), own)
  }

  get size(): number {
    return this.engine.size
  }

  get pending(): PullEngine["pending"] {
    return this.engine.pending
  }

  /** An identity that is over is not served any more. */
  remove(pkiId: Uint8Array): void {
    this.engine.remove(idKey(pkiId))
  }

  stop(): void {
    this.engine.stop()
  }

  handle(received: ReceivedMessage): void {
    const { dataUpdate } = received.message
    if (dataUpdate === undefined) {
      this.engine.handle(received)
      return
    }
    let faults = 0
    for (const envelope of dataUpdate.data) {
      const taken = this.take(envelope)
      if (Either.isRight(taken)) continue
      // an item that is no good is passed over (trap 11): another organisation's may not be checkable yet
      faults += 1
      this.ports.log.warning(`Failed validating identity message: ${taken.left.message}`)
      if (faults >= maxFaults) return
    }
  }

  private take(envelope: gossip.Envelope): Either.Either<void, Refused> {
    const opened = openEnvelope(envelope)
    if (Either.isLeft(opened)) return Either.left(opened.left)
    const { peerIdentity } = opened.right.message
    if (peerIdentity === undefined) return Either.left({ message: "Got a non-identity message" })
    const { pkiId, cert } = peerIdentity
    const key = idKey(pkiId)
    if (this.engine.has(key)) return Either.void
    if (this.engine.size >= maxIdentities) return Either.left({ message: "too many identities" })
    const computed = this.ports.security.pkiIdOf(cert)
    if (cert.length === 0 || computed === undefined || !equalBytes(computed, pkiId)) {
      return Either.left({ message: "Calculated pkiID doesn't match identity" })
    }
    const verified = verifyMessage(opened.right, cert, this.ports.security.verify)
    if (Either.isLeft(verified)) return verified
    const kept = detached(opened.right)
    const own = kept.message.peerIdentity
    if (own === undefined) return Either.left({ message: "Got a non-identity message" })
    const put = this.ports.put(own.pkiId, own.cert)
    if (Either.isLeft(put)) return Either.left(put.left)
    this.engine.add(key, kept)
    return Either.void
  }

  private egress({ identity, endpoint }: ConnectionInfo): (item: string) => boolean {
    const { security, selfOrg, log, orgOf, hasExternalEndpoint } = this.ports
    const askersOrg = security.orgOf(identity)
    if (askersOrg === undefined) {
      log.warning(`Failed determining organization of ${endpoint}`)
      return () => false
    }
    if (askersOrg === selfOrg) return () => true
    return (item) => {
      const pkiId = Buffer.from(item, "latin1")
      const org = orgOf(pkiId)
      return (org === selfOrg || org === askersOrg) && hasExternalEndpoint(pkiId)
    }
  }
}
