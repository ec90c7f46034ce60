/**
 * TLS settings of servers and clients as Fabric pins them: protocol versions, suites, ALPN, no session tickets. Every
 * context, also one made for a reload, comes from here, so that versions and suites are never lost.
 * Source: peer-endorse-validate.md 2.3, orderer.md 3.10, core/comm/config.go and client.go.
 */
import * as crypto from "node:crypto"
import * as tls from "node:tls"
import type * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { cipherList } from "../config/suites.js"
import { decodePemAll } from "../crypto/pem.js"
import { TlsMaterialInvalid } from "./errors.js"

/** A certificate with its key, both PEM. The certificate may be followed by its intermediates. */
export interface KeyPair {
  readonly certificate: Uint8Array
  readonly key: Uint8Array
}

export interface ServerTls extends KeyPair {
  /** Mutual TLS: clients must show a certificate from `clientRootCAs`. Without it one is asked for and not verified. */
  readonly requireClientCert: boolean
  /** PEM bundles; read only under mutual TLS. */
  readonly clientRootCAs: ReadonlyArray<Uint8Array>
  /** Fabric pins 1.2; 1.3 is our addition. */
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3"
  /** Judges client certificates as of that long ago, so that expired ones pass (TLSHandshakeTimeShift). */
  readonly timeShift?: Duration.Duration
}

export interface ClientTls {
  /** PEM bundles. Undefined means the roots that Node ships, an empty list trusts nobody. */
  readonly rootCerts?: ReadonlyArray<Uint8Array>
  /** Both or neither. */
  readonly clientCert?: Uint8Array
  readonly clientKey?: Uint8Array
  /** The name that the server's certificate must carry instead of the address's host. */
  readonly serverNameOverride?: string
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The certificates of PEM bundles, each alone and once. A block that is no certificate is an error, as in the reference. */
export const certificatesOf = (
  what: string,
  bundles: ReadonlyArray<Uint8Array>
): Either.Either<ReadonlyArray<crypto.X509Certificate>, TlsMaterialInvalid> => {
  const found = new Map<string, crypto.X509Certificate>()
  for (const bundle of bundles) {
    for (const block of decodePemAll(bundle)) {
      if (block.type !== "CERTIFICATE") continue
      try {
        const certificate = new crypto.X509Certificate(block.bytes)
        found.set(certificate.fingerprint256, certificate)
      } catch (error) {
        return Either.left(new TlsMaterialInvalid({ what, reason: reasonOf(error) }))
      }
    }
  }
  return Either.right([...found.values()])
}

/** The first certificate of a PEM text, checked against its key. */
export const checkKeyPair = (
  what: string,
  { certificate, key }: KeyPair
): Either.Either<crypto.X509Certificate, TlsMaterialInvalid> => {
  const invalid = (reason: string) => Either.left(new TlsMaterialInvalid({ what, reason }))
  try {
    const leaf = decodePemAll(certificate).find((block) => block.type === "CERTIFICATE")
    if (leaf === undefined) return invalid("tls: failed to find any PEM data in certificate input")
    const parsed = new crypto.X509Certificate(leaf.bytes)
    const privateKey = crypto.createPrivateKey(Buffer.from(key))
    if (!parsed.checkPrivateKey(privateKey)) return invalid("tls: private key does not match public key")
    return Either.right(parsed)
  } catch (error) {
    return invalid(reasonOf(error))
  }
}

/**
 * Options of a server's secure context. Without mutual TLS nobody is trusted, yet certificates are asked for: their
 * bytes identify the caller (TLS binding, gossip), their chain is not our business.
 */
export const serverContext = (
  options: ServerTls,
  roots: ReadonlyArray<crypto.X509Certificate>
): tls.SecureContextOptions => ({
  cert: Buffer.from(options.certificate),
  key: Buffer.from(options.key),
  // An empty list, never undefined: with undefined Node would trust the public roots.
  ca: options.requireClientCert ? roots.map((root) => root.toString()) : [],
  minVersion: "TLSv1.2",
  maxVersion: options.maxVersion ?? "TLSv1.2",
  ciphers: cipherList,
  honorCipherOrder: true,
  secureOptions: crypto.constants.SSL_OP_NO_TICKET
})

/** A client's secure context: TLS 1.2 at least (1.4 nodes speak no other). */
export const clientContext = (options: ClientTls): Either.Either<tls.SecureContext, TlsMaterialInvalid> =>
  Either.gen(function* () {
    const { clientCert, clientKey, rootCerts } = options
    if ((clientCert === undefined) !== (clientKey === undefined)) {
      return yield* Either.left(
        new TlsMaterialInvalid({
          what: "client certificate",
          reason: "both Key and Certificate are required when using mutual TLS"
        })
      )
    }
    const roots =
      rootCerts === undefined ? undefined : yield* certificatesOf("error adding root certificate", rootCerts)
    const pair =
      clientCert === undefined || clientKey === undefined ? undefined : { certificate: clientCert, key: clientKey }
    if (pair !== undefined) yield* checkKeyPair("failed to load client certificate", pair)
    return tls.createSecureContext({
      minVersion: "TLSv1.2",
      ciphers: cipherList,
      ...(roots === undefined ? {} : { ca: roots.map((root) => root.toString()) }),
      ...(pair === undefined ? {} : { cert: Buffer.from(pair.certificate), key: Buffer.from(pair.key) })
    })
  })

// ---- Names -------------------------------------------------------------------------------------------------------

const goNames: Readonly<Record<string, string>> = {
  C: "C",
  O: "O",
  OU: "OU",
  CN: "CN",
  L: "L",
  ST: "ST",
  serialNumber: "SERIALNUMBER",
  street: "STREET",
  postalCode: "POSTALCODE"
}

/** A subject as Go prints it (RFC 2253, last part first): `CN=peer0.org1,L=San Francisco,C=US`. */
export const subjectText = (certificate: crypto.X509Certificate): string =>
  certificate.subject
    .split("\n")
    .reverse()
    .map((part) => {
      const at = part.indexOf("=")
      const type = part.slice(0, at)
      return `${goNames[type] ?? type}=${part.slice(at + 1)}`
    })
    .join(",")
