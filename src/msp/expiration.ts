/** When identities and certificates expire, and what nodes log about it (sheet rules 41 and 41b; common/crypto/expiration.go). */
import * as Either from "effect/Either"
import { parseCertificatePem } from "../crypto/index.js"
import { decodeSerialized } from "./X509Msp.js"

/**
 * End of life of a serialized identity's certificate in milliseconds since the epoch, or undefined when it does not parse
 * as one: such identities count as never expiring.
 */
export const expiresAt = (serialized: Uint8Array): number | undefined => {
  const decoded = decodeSerialized(serialized)
  return Either.isLeft(decoded) ? undefined : certificateExpiresAt(decoded.right.idBytes)
}

/** End of life of the first PEM block's certificate, or undefined when there is none. */
export const certificateExpiresAt = (pem: Uint8Array): number | undefined => {
  const parsed = parseCertificatePem(pem)
  return parsed === undefined || Either.isLeft(parsed) ? undefined : parsed.right.notAfter
}

const HOUR = 3_600_000
const DAY = 24 * HOUR
const WEEK = 7 * DAY

/** What to log about one certificate now, and how many milliseconds from now to warn again. */
export interface ExpirationNotice {
  readonly info: string | undefined
  readonly warning: string | undefined
  readonly later: { readonly inMs: number; readonly warning: string } | undefined
}

const goTime = (epochMs: number): string =>
  new Date(epochMs)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z/, " +0000 UTC")

/** `role` is `enrollment`, `server TLS` or `client TLS`; undefined when the certificate does not parse. */
export const expirationNotice = (role: string, pem: Uint8Array, now: number): ExpirationNotice | undefined => {
  const end = certificateExpiresAt(pem)
  if (end === undefined) return undefined
  const left = end - now
  if (left < 0) return { info: undefined, warning: `The ${role} certificate has expired`, later: undefined }
  const info = `The ${role} certificate will expire on ${goTime(end)}`
  if (left < WEEK) {
    const days = Math.floor(left / DAY)
    const hours = Math.floor((left - days * DAY) / HOUR)
    return {
      info,
      warning: `The ${role} certificate expires within ${days} days and ${hours} hours`,
      later: undefined
    }
  }
  return {
    info,
    warning: undefined,
    later: { inMs: left - WEEK, warning: `The ${role} certificate will expire within one week` }
  }
}
