/**
 * The certificate authority of the chaincode server: made fresh at each start, never on disk. It issues the server's
 * certificate and one client certificate per launch. Source: chaincode.md R4, R18, section 4.9; common/crypto/tlsgen.
 */
import { createHash } from "node:crypto"
import * as net from "node:net"
import {
  type CertificateTemplate,
  encodeName,
  extensions,
  spkiOf,
  writeCertificate
} from "../../crypto/certificateWriter.js"
import { ExtendedKeyUsage, KeyUsage } from "../../crypto/extensions.js"
import { encodePem } from "../../crypto/pem.js"
import { generateKey, type PrivateKey } from "../../crypto/privateKey.js"

/** A certificate with its key, both PEM. */
export interface CertKeyPair {
  readonly certificate: Uint8Array
  readonly key: Uint8Array
  /** Hex SHA-256 of the certificate's DER: how the authenticator knows it. */
  readonly hash: string
}

export interface ChaincodeCA {
  /** The CA's certificate, PEM. */
  readonly certificate: Uint8Array
  /** A certificate for the server; `host` is an IP address or a DNS name. */
  readonly serverPair: (host: string) => CertKeyPair
  /** A certificate for one chaincode process. */
  readonly clientPair: () => CertKeyPair
}

/** Where the CA gets its time and its randomness from. */
export interface CaSources {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly randomBytes: (size: number) => Uint8Array
}

const HOUR = 3_600_000
const DAY = 24 * HOUR
const TEN_YEARS = 3650 * DAY
const BASE_USAGE = KeyUsage.keyEncipherment | KeyUsage.digitalSignature
const SERIAL_NUMBER = "2.5.4.5"

/** Hex SHA-256 of a certificate's DER. */
export const certificateHash = (der: Uint8Array): string => createHash("sha256").update(der).digest("hex")

/** The octets of an IP address: 4 or 16. */
const ipOctets = (host: string): Uint8Array => {
  if (net.isIPv4(host)) return Uint8Array.from(host.split(".").map(Number))
  const hostname = new URL(`http://[${host}]`).hostname.slice(1, -1)
  const [head = "", tail] = hostname.split("::")
  const groups = (text: string) => text.split(":").filter((group) => group !== "")
  const front = groups(head)
  const back = groups(tail ?? "")
  const all = [...front, ...Array.from({ length: 8 - front.length - back.length }, () => "0"), ...back]
  return Uint8Array.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]))
}

/** A new authority. Key generation is synchronous: about a millisecond each. */
export const makeChaincodeCA = ({ now, randomBytes }: CaSources): ChaincodeCA => {
  const { clientAuth, serverAuth } = ExtendedKeyUsage
  const template = (key: PrivateKey, lifetime: number) => {
    const serialNumber = randomBytes(16)
    const serial = BigInt(`0x${Buffer.from(serialNumber).toString("hex")}`)
    const at = now()
    return {
      serialNumber,
      subject: encodeName([[{ oid: SERIAL_NUMBER, value: serial.toString() }]]),
      notBefore: at - DAY,
      notAfter: at + lifetime,
      spki: spkiOf(key)
    }
  }
  const pair = (key: PrivateKey, content: CertificateTemplate, issuerKey: PrivateKey): CertKeyPair => {
    const der = writeCertificate(content, issuerKey)
    return {
      certificate: encodePem("CERTIFICATE", der),
      // the label says SEC1 and the body is PKCS#8: so the reference writes it, and every shim reads it
      key: encodePem("EC PRIVATE KEY", key.signing.key.export({ format: "der", type: "pkcs8" })),
      hash: certificateHash(der)
    }
  }

  const caKey = generateKey()
  const own = template(caKey, TEN_YEARS)
  const ca = pair(
    caKey,
    {
      ...own,
      issuer: own.subject,
      extensions: [
        extensions.keyUsage(BASE_USAGE | KeyUsage.certSign | KeyUsage.crlSign),
        // The reference says "any" alone, which OpenSSL takes for none of the two: Node's shims would refuse the server
        // (and our own server its clients) with "invalid purpose".
        extensions.extendedKeyUsage([ExtendedKeyUsage.any, serverAuth, clientAuth]),
        extensions.basicConstraints(true)
      ]
    },
    caKey
  )
  const issue = (lifetime: number, further: CertificateTemplate["extensions"]): CertKeyPair => {
    const key = generateKey()
    const content = template(key, lifetime)
    return pair(
      key,
      { ...content, issuer: own.subject, extensions: [extensions.keyUsage(BASE_USAGE), ...further] },
      caKey
    )
  }
  return {
    certificate: ca.certificate,
    serverPair: (host) =>
      issue(TEN_YEARS, [
        extensions.extendedKeyUsage([clientAuth, serverAuth]),
        net.isIP(host) === 0
          ? extensions.alternativeNames([host], [])
          : extensions.alternativeNames([], [ipOctets(host)])
      ]),
    clientPair: () => issue(DAY, [extensions.extendedKeyUsage([clientAuth])])
  }
}
