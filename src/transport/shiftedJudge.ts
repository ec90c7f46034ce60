/**
 * Judging certificates as of some time ago (TLSHandshakeTimeShift). OpenSSL cannot be told another time, so the
 * chain is built here when OpenSSL refuses it.
 * Source: orderer.md 2.3 (General.TLS.TLSHandshakeTimeShift).
 */
import type { X509Certificate } from "node:crypto"
import type { DetailedPeerCertificate, TLSSocket } from "node:tls"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { parseCertificate } from "../crypto/certificate.js"
import { CertPool, verifyChains } from "../crypto/chain.js"

const poolOf = (ders: Iterable<Uint8Array>): CertPool => {
  const pool = new CertPool()
  for (const der of ders) {
    const parsed = parseCertificate(der)
    if (Either.isRight(parsed)) pool.add(parsed.right)
  }
  return pool
}

/** More than any honest chain; the list that Node makes may be circular. */
const longestChain = 16

const shown = (socket: TLSSocket): ReadonlyArray<Uint8Array> => {
  const ders: Array<Uint8Array> = []
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (next?.raw !== undefined && ders.length < longestChain) {
    ders.push(next.raw)
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate
  }
  return ders
}

/** A judge for handshakes: why the other side is refused, or undefined. `now` is the real time, milliseconds. */
export const shiftedJudge =
  (
    shift: Duration.Duration,
    usage: "serverAuth" | "clientAuth",
    roots: () => ReadonlyArray<X509Certificate>,
    now: () => number = Date.now
  ) =>
  (socket: TLSSocket): string | undefined => {
    const [leaf, ...intermediates] = shown(socket)
    if (leaf === undefined) return "tls: no certificate was shown"
    if (socket.authorized) return undefined
    const parsed = parseCertificate(leaf)
    if (Either.isLeft(parsed)) return parsed.left.message
    const verdict = verifyChains(parsed.right, {
      roots: poolOf(roots().map((root) => root.raw)),
      intermediates: poolOf(intermediates),
      at: now() - Duration.toMillis(shift),
      usage
    })
    return Either.isLeft(verdict) ? verdict.left.message : undefined
  }
