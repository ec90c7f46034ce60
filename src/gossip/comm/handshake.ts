/**
 * The handshake of a stream: both ends send who they are at once and judge what the other one sent.
 * Source: gossip-discovery.md 3.2 rules 2-4, trap 6 (gossip/comm/comm_impl.go authenticateRemotePeer).
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { copyBytes, equalBytes, sha256 } from "../../wire/bytes.js"
import { EMPTY } from "../../wire/index.js"
import type { IdentityMapper } from "../identity/index.js"
import type { ConnectionInfo, SignedGossipMessage } from "../messages.js"
import type { Refused } from "../Security.js"
import { connMessage, envelopeBytes, openMessage, type Sign, verifyMessage } from "../signing.js"
import type { GossipStream } from "./stream.js"

/** What a side brings to its handshakes. */
export interface HandshakeOptions {
  readonly pkiId: Uint8Array
  readonly identity: Uint8Array
  readonly sign: Sign
  readonly identities: Pick<IdentityMapper, "put" | "verify">
  readonly tlsEnabled: boolean
  readonly connTimeoutMs: number
}

/** The leaf certificates of the TLS session, DER; undefined without TLS, or where a side showed none. */
export interface SessionCertificates {
  readonly own: Uint8Array | undefined
  readonly remote: Uint8Array | undefined
}

const refuse = (message: string): Either.Either<never, Refused> => Either.left({ message })

/** Bytes as Go prints them with `%v`. */
const goBytes = (bytes: Uint8Array): string => `[${Array.from(bytes).join(" ")}]`

/** Judges the remote's first message, in the reference's order; its result is evidence for the connection's life. */
export const judgeConnMessage = (
  received: SignedGossipMessage,
  remote: { readonly address: string; readonly certificate: Uint8Array | undefined },
  { identities, tlsEnabled }: Pick<HandshakeOptions, "identities" | "tlsEnabled">
): Either.Either<ConnectionInfo, Refused> => {
  const { conn } = received.message
  if (conn === undefined) return refuse("Wrong type")
  if (conn.pkiId.length === 0) return refuse("No PKI-ID")
  const put = identities.put(conn.pkiId, conn.identity)
  if (Either.isLeft(put)) return Either.left(put.left)
  if (tlsEnabled) {
    const seen = remote.certificate === undefined ? EMPTY : sha256(remote.certificate)
    if (!equalBytes(seen, conn.tlsCertHash)) {
      return refuse(`Expected ${goBytes(seen)} in remote hash of TLS cert, but got ${goBytes(conn.tlsCertHash)}`)
    }
  }
  // `put` has made sure that the PKI-ID is the identity's
  const verified = verifyMessage(received, conn.identity, (_, signature, message) =>
    identities.verify(conn.pkiId, signature, message)
  )
  if (Either.isLeft(verified)) return Either.left(verified.left)
  const { payload, signature } = received.envelope
  return Either.right({
    pkiId: copyBytes(conn.pkiId),
    identity: copyBytes(conn.identity),
    endpoint: remote.address,
    auth: { signedData: copyBytes(payload), signature: copyBytes(signature) }
  })
}

/** Hands the own message over without waiting for the remote's, then judges that. Fails with the text of the refusal. */
export const authenticate = (
  stream: GossipStream,
  certificates: SessionCertificates,
  options: HandshakeOptions
): Effect.Effect<ConnectionInfo, Refused> =>
  Effect.suspend(() => {
    const { connTimeoutMs, identity, pkiId, sign, tlsEnabled } = options
    const { address } = stream
    if (tlsEnabled && (certificates.remote === undefined || certificates.remote.length === 0)) {
      return Effect.fail<Refused>({ message: "No TLS certificate" })
    }
    const tlsCertHash = tlsEnabled && certificates.own !== undefined ? sha256(certificates.own) : EMPTY
    const own = connMessage({ pkiId, identity, tlsCertHash }, sign)
    const late: Refused = { message: `timed out waiting for connection message from ${address}` }
    return stream.send(envelopeBytes(own.envelope)).pipe(
      Effect.zipRight(stream.next),
      Effect.mapError(({ details }): Refused => ({ message: details })),
      Effect.timeoutFail({ duration: connTimeoutMs, onTimeout: () => late }),
      Effect.flatMap((bytes) => {
        if (bytes === undefined) return Effect.fail(late)
        const opened = openMessage(bytes)
        if (Either.isLeft(opened)) return Effect.fail(opened.left)
        return judgeConnMessage(opened.right, { address, certificate: certificates.remote }, options)
      })
    )
  })
