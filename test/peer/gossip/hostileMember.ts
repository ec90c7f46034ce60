/**
 * A member of an organisation that is no peer: it has a peer's certificates and a stream to another peer, and sends the
 * bytes that a test gives it. Not a test.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import { parseCertificatePem } from "../../../src/crypto/index.js"
import { channelMac } from "../../../src/gossip/channel/index.js"
import {
  connMessage,
  envelopeBytes,
  openMessage,
  type SignedGossipMessage,
  sealed,
  withSecret
} from "../../../src/gossip/index.js"
import { loadLocalMsp } from "../../../src/msp/index.js"
import * as layout from "../../../src/network/layout.js"
import { type ClientStream, connect } from "../../../src/transport/index.js"
import { sha256, utf8 } from "../../../src/wire/bytes.js"
import { gossip, msp } from "../../../src/wire/index.js"
import { Gossip as service } from "../../../src/wire/services.js"
import type { GossipNetwork } from "./support.js"

const { EMPTY, CHAN_OR_ORG } = gossip.GossipMessage_Tag

export interface HostileMember {
  readonly pkiId: Uint8Array
  /** A stream on which the handshake is done; it ends with the scope. */
  readonly stream: Effect.Effect<ClientStream, { readonly message: string }, Scope.Scope>
  /** What makes it a member of the network, and of the channel with a ledger of that height. */
  readonly presence: (height: bigint) => ReadonlyArray<SignedGossipMessage>
}

/** One with the material of a peer that does not run. In: whom it talks to. */
export const hostileMember = (network: GossipNetwork, host: string, target: string): Effect.Effect<HostileMember> =>
  Effect.gen(function* () {
    const { ports, spec } = network
    const place = layout.peersOf(spec).find((one) => one.host === host)
    if (place === undefined) return yield* Effect.dieMessage(host)
    const { signer } = yield* loadLocalMsp({ dir: join(place.material, "msp"), mspId: place.org.mspId })
    const { idBytes, mspid } = msp.SerializedIdentity.decode(signer.serialized)
    const pkiId = sha256(utf8(mspid), idBytes)
    const pem = (name: string) => readFileSync(join(place.material, "tls", name))
    const shown = parseCertificatePem(pem("server.crt"))
    if (shown === undefined || Either.isLeft(shown)) return yield* Effect.dieMessage("no TLS certificate")
    const tlsCertHash = sha256(shown.right.der)
    const sign = (message: Uint8Array) => signer.sign(message)
    let sequence = 0n
    return {
      pkiId,
      stream: Effect.gen(function* () {
        const channel = yield* connect(`127.0.0.1:${ports.peers[target]?.peer ?? 0}`, {
          tls: { rootCerts: [pem("ca.crt")], clientCert: pem("server.crt"), clientKey: pem("server.key") }
        })
        const stream = yield* channel.bidi(service.methods.GossipStream)
        const hello = connMessage({ pkiId, identity: signer.serialized, tlsCertHash }, sign)
        yield* stream.send(envelopeBytes(hello.envelope))
        yield* stream.next
        return stream
      }),
      presence: (height: bigint) => {
        sequence += 1n
        const timestamp = { incNum: BigInt(Date.now()) * 1_000_000n, seqNum: sequence }
        const membership = { endpoint: "127.0.0.1:1", pkiId }
        const aliveMsg = { membership, timestamp, identity: signer.serialized }
        const properties = { ledgerHeight: height }
        const channelMAC = channelMac(pkiId, spec.channel)
        return [
          withSecret(sealed({ tag: EMPTY, aliveMsg }, sign), "127.0.0.1:1", sign),
          sealed({ tag: CHAN_OR_ORG, stateInfo: { pkiId, channelMAC, timestamp, properties } }, sign)
        ]
      }
    }
  }).pipe(Effect.orDie)

/** What came, opened; undefined where it cannot be. */
export const openedOf = (bytes: Uint8Array): gossip.GossipMessage | undefined => {
  const opened = openMessage(bytes)
  return Either.isRight(opened) ? opened.right.message : undefined
}
