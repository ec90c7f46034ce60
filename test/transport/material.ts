/** TLS material for tests, made on the spot: authorities, server and client certificates on P-256. */
import { certificatePem } from "../../src/crypto/certificate.js"
import { encodeName, extensions, issueCertificate, spkiOf } from "../../src/crypto/certificateWriter.js"
import { ExtendedKeyUsage, KeyUsage } from "../../src/crypto/extensions.js"
import { encodePrivateKey, generateKey } from "../../src/crypto/privateKey.js"

export interface Pair {
  /** PEM. */
  readonly certificate: Uint8Array
  readonly key: Uint8Array
  readonly der: Uint8Array
}

export interface Authority extends Pair {
  readonly issue: (name: string, options?: IssueOptions) => Pair
}

export interface IssueOptions {
  readonly dns?: ReadonlyArray<string>
  /** Leaves 127.0.0.1 out of its names. */
  readonly noAddress?: boolean
  readonly notBefore?: number
  readonly notAfter?: number
}

const hour = 3_600_000
const nameOf = (commonName: string): Uint8Array =>
  encodeName([
    [{ oid: "2.5.4.6", value: "US" }],
    [{ oid: "2.5.4.7", value: "San Francisco" }],
    [{ oid: "2.5.4.3", value: commonName }]
  ])

const keyPem = encodePrivateKey

let serial = 1n
const serialNumber = (): Uint8Array => {
  serial += 1n
  return Buffer.from(serial.toString(16).padStart(16, "0"), "hex")
}

export const authority = (name: string): Authority => {
  const caKey = generateKey()
  const issuer = nameOf(name)
  const ca = issueCertificate(
    {
      serialNumber: serialNumber(),
      issuer,
      subject: issuer,
      notBefore: Date.now() - hour,
      notAfter: Date.now() + hour,
      spki: spkiOf(caKey),
      extensions: [
        extensions.keyUsage(KeyUsage.certSign | KeyUsage.digitalSignature),
        extensions.basicConstraints(true),
        extensions.subjectKeyId(caKey.ski)
      ]
    },
    caKey
  )
  return {
    certificate: certificatePem(ca),
    key: keyPem(caKey),
    der: ca.der,
    issue: (subject, options = {}) => {
      const key = generateKey()
      const made = issueCertificate(
        {
          serialNumber: serialNumber(),
          issuer,
          subject: nameOf(subject),
          notBefore: options.notBefore ?? Date.now() - hour,
          notAfter: options.notAfter ?? Date.now() + hour,
          spki: spkiOf(key),
          extensions: [
            extensions.keyUsage(KeyUsage.digitalSignature | KeyUsage.keyEncipherment),
            extensions.extendedKeyUsage([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
            extensions.basicConstraints(false),
            extensions.authorityKeyId(caKey.ski),
            extensions.alternativeNames(
              options.dns ?? ["localhost"],
              options.noAddress === true ? [] : [Uint8Array.of(127, 0, 0, 1)]
            )
          ]
        },
        caKey
      )
      return { certificate: certificatePem(made), key: keyPem(key), der: made.der }
    }
  }
}
