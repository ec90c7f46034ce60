/** Certificate authorities of an organization: made, loaded again, issuing (sheet rule 95; cryptogen's ca package). */
import { randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { isIP } from "node:net"
import { join } from "node:path"
import * as Either from "effect/Either"
import { encodeName, extensions, type Rdn, spkiOf, writeCertificate } from "../../crypto/certificateWriter.js"
import {
  ExtendedKeyUsage,
  encodePem,
  encodePrivateKey,
  generateKey,
  KeyUsage,
  keyFileName,
  type PrivateKey,
  parseCertificatePem,
  parsePrivateKeyPem,
  sameBytes
} from "../../crypto/index.js"
import { ATTRIBUTE } from "../../crypto/name.js"
import type { NodeSpec } from "./config.js"

const MINUTE = 60_000
const LIFETIME = 3650 * 24 * 60 * MINUTE

/** A CA in memory. `certificate` is PEM. */
export interface Authority {
  /** Its common name, also the stem of its file. */
  readonly name: string
  readonly key: PrivateKey
  readonly certificate: Uint8Array
  /** The encoded subject, which becomes the issuer of what it signs. */
  readonly subject: Uint8Array
  readonly keyId: Uint8Array
  /** Where its subject's place attributes come from. */
  readonly spec: NodeSpec
}

/** File name of a certificate. */
export const certificateFile = (name: string): string => `${name}-cert.pem`

const or = (value: string, fallback: string): string => (value === "" ? fallback : value)

const rdn = (oid: string, values: ReadonlyArray<string>): ReadonlyArray<Rdn> =>
  values.length === 0 ? [] : [values.map((value) => ({ oid, value }))]
const optional = (oid: string, value: string): ReadonlyArray<Rdn> => rdn(oid, value === "" ? [] : [value])

/** Subject in Go's order of attributes; several organizational units stand in one RDN. */
const subjectOf = (spec: NodeSpec, name: string, organization: string, ous: ReadonlyArray<string>): Uint8Array =>
  encodeName([
    ...rdn(ATTRIBUTE.country, [or(spec.country, "US")]),
    ...rdn(ATTRIBUTE.province, [or(spec.province, "California")]),
    ...rdn(ATTRIBUTE.locality, [or(spec.locality, "San Francisco")]),
    ...optional(ATTRIBUTE.streetAddress, spec.streetAddress),
    ...optional(ATTRIBUTE.postalCode, spec.postalCode),
    ...optional(ATTRIBUTE.organization, organization),
    ...rdn(ATTRIBUTE.organizationalUnit, [
      ...(spec.organizationalUnit === "" ? [] : [spec.organizationalUnit]),
      ...ous
    ]),
    ...optional(ATTRIBUTE.commonName, name)
  ])

/** Ten years, from five minutes before the nearest full minute. */
const validity = (now: number) => {
  const notBefore = Math.round(now / MINUTE) * MINUTE - 5 * MINUTE
  return { notBefore, notAfter: notBefore + LIFETIME }
}

/** A new self-signed CA, its key and certificate written into the folder. */
export const createAuthority = (
  folder: string,
  name: string,
  domain: string,
  spec: NodeSpec,
  now: number
): Authority => {
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const key = generateKey()
  const subject = subjectOf(spec, name, domain, [])
  const der = writeCertificate(
    {
      serialNumber: randomBytes(16),
      issuer: subject,
      subject,
      ...validity(now),
      spki: spkiOf(key),
      extensions: [
        extensions.keyUsage(
          KeyUsage.digitalSignature | KeyUsage.keyEncipherment | KeyUsage.certSign | KeyUsage.crlSign
        ),
        extensions.extendedKeyUsage([ExtendedKeyUsage.clientAuth, ExtendedKeyUsage.serverAuth]),
        extensions.basicConstraints(true),
        extensions.subjectKeyId(key.ski)
      ]
    },
    key
  )
  const certificate = encodePem("CERTIFICATE", der)
  writeFileSync(join(folder, keyFileName(key)), encodePrivateKey(key), { mode: 0o600 })
  writeFileSync(join(folder, certificateFile(name)), certificate)
  return { name, key, certificate, subject, keyId: key.ski, spec }
}

/** Whether a folder holds anything of a CA. */
export const hasAuthority = (folder: string): boolean =>
  existsSync(folder) && readdirSync(folder).some((file) => file.endsWith("_sk") || file.endsWith(".pem"))

/**
 * The CA of a folder: its certificate and the key that belongs to it. The reference goes on with nothing when one of them
 * is missing, and crashes; here that is an error.
 */
export const loadAuthority = (folder: string, name: string, spec: NodeSpec): Either.Either<Authority, string> => {
  let files: ReadonlyArray<string>
  try {
    files = readdirSync(folder)
  } catch (error) {
    return Either.left(error instanceof Error ? error.message : String(error))
  }
  const pemFile = files.includes(certificateFile(name))
    ? certificateFile(name)
    : files.find((file) => file.endsWith(".pem"))
  if (pemFile === undefined) return Either.left(`no certificate in ${folder}`)
  const pem = readFileSync(join(folder, pemFile))
  const parsed = parseCertificatePem(pem)
  if (parsed === undefined) return Either.left(`${pemFile}: wrong PEM encoding`)
  if (Either.isLeft(parsed)) return Either.left(`${pemFile}: ${parsed.left.message}`)
  const certificate = parsed.right
  for (const file of files.filter((candidate) => candidate.endsWith("_sk"))) {
    const key = parsePrivateKeyPem(readFileSync(join(folder, file)))
    if (Either.isLeft(key) || "kind" in key.right || !sameBytes(key.right.ski, certificate.ski)) continue
    return Either.right({
      name,
      key: key.right,
      certificate: encodePem("CERTIFICATE", certificate.der),
      subject: certificate.subject.raw,
      keyId: certificate.subjectKeyId,
      spec
    })
  }
  return Either.left(`no key in ${folder} belongs to ${pemFile}`)
}

/** What an issued certificate is for. */
export type Purpose = "sign" | "tls"

/** The octets of an IP address in Go's reading, undefined when the text is a name. */
export const addressOctets = (text: string): Uint8Array | undefined => {
  if (isIP(text) === 4) return Uint8Array.from(text.split(".").map(Number))
  if (isIP(text) !== 6 || text.includes("%")) return undefined
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const tail = dotted?.[2]?.split(".").map(Number) ?? []
  const hexTail = [0, 2].map((i) => (((tail[i] ?? 0) << 8) | (tail[i + 1] ?? 0)).toString(16)).join(":")
  const [head = "", back] = (dotted === null ? text : `${dotted[1]}${hexTail}`).split("::")
  const groups = (part: string) => (part === "" ? [] : part.split(":"))
  const front = groups(head)
  const rear = back === undefined ? [] : groups(back)
  const all = [...front, ...new Array<string>(8 - front.length - rear.length).fill("0"), ...rear]
  const octets = Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex")
  // An IPv4 address in IPv6 clothes is written as the former.
  const mapped = octets.subarray(0, 10).every((octet) => octet === 0) && octets[10] === 0xff && octets[11] === 0xff
  return mapped ? octets.subarray(12) : octets
}

/** A certificate over the key, in PEM. Names that are not ASCII cannot stand in a certificate. */
export const issue = (
  authority: Authority,
  options: {
    readonly name: string
    readonly ous: ReadonlyArray<string>
    readonly sans: ReadonlyArray<string>
    readonly purpose: Purpose
    readonly key: PrivateKey
    readonly now: number
  }
): Either.Either<Uint8Array, string> => {
  const ips = options.sans.map(addressOctets).filter((ip) => ip !== undefined)
  const dns = options.sans.filter((san) => addressOctets(san) === undefined)
  const foreign = dns.find((name) => /[^\x20-\x7e]/.test(name))
  if (foreign !== undefined) return Either.left(`x509: "${foreign}" cannot be encoded as an IA5String`)
  const der = writeCertificate(
    {
      serialNumber: randomBytes(16),
      issuer: authority.subject,
      subject: subjectOf(authority.spec, options.name, "", options.ous),
      ...validity(options.now),
      spki: spkiOf(options.key),
      extensions: [
        extensions.keyUsage(
          options.purpose === "sign" ? KeyUsage.digitalSignature : KeyUsage.digitalSignature | KeyUsage.keyEncipherment
        ),
        ...(options.purpose === "tls"
          ? [extensions.extendedKeyUsage([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth])]
          : []),
        extensions.basicConstraints(false),
        extensions.authorityKeyId(authority.keyId),
        ...(options.sans.length === 0 ? [] : [extensions.alternativeNames(dns, ips)])
      ]
    },
    authority.key
  )
  return Either.right(encodePem("CERTIFICATE", der))
}
