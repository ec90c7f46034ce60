/** A small certificate authority for tests: every field that a verdict may depend on can be set. */
import { randomBytes } from "node:crypto"
import * as Either from "effect/Either"
import {
  type ExtensionTemplate,
  encodeName,
  extensions,
  type Rdn,
  spkiOf,
  writeCertificate,
  writeCrl
} from "../../src/crypto/certificateWriter.js"
import {
  type Certificate,
  ExtendedKeyUsage,
  encodePem,
  generateKey,
  KeyUsage,
  type PrivateKey,
  parseCertificate
} from "../../src/crypto/index.js"
import { ATTRIBUTE } from "../../src/crypto/name.js"
import { type Msp, type MspError, type MspVersion, makeMsp } from "../../src/msp/index.js"
import { common, msp } from "../../src/wire/index.js"

export const DAY = 24 * 3600 * 1000
/** A fixed day in the middle of every certificate that is meant to be current. */
export const NOW = Date.UTC(2026, 0, 15, 12)

/** A key and its certificate, which may be one that does not parse. */
export class Holder {
  constructor(
    readonly key: PrivateKey,
    readonly der: Uint8Array
  ) {}

  get certificate(): Certificate {
    return Either.getOrThrowWith(parseCertificate(this.der), (error) => error)
  }
}

export interface IssueOptions {
  readonly cn?: string
  /** Each inner list is one RDN. */
  readonly ous?: ReadonlyArray<ReadonlyArray<string>>
  readonly isCA?: boolean
  readonly maxPathLen?: number
  readonly notBefore?: number
  readonly notAfter?: number
  readonly keyUsage?: number
  readonly eku?: ReadonlyArray<string>
  readonly ski?: boolean
  readonly aki?: boolean
  readonly basicConstraints?: boolean
  readonly serial?: Uint8Array
  readonly dns?: ReadonlyArray<string>
  readonly ips?: ReadonlyArray<Uint8Array>
  readonly extra?: ReadonlyArray<ExtensionTemplate>
  readonly key?: PrivateKey
  readonly hash?: "sha256" | "sha384" | "sha512"
  readonly rewrite?: (signature: Uint8Array) => Uint8Array
  readonly spki?: Uint8Array
}

export const nameOf = (cn: string, ous: ReadonlyArray<ReadonlyArray<string>> = []): Uint8Array =>
  encodeName([
    [{ oid: ATTRIBUTE.country, value: "US" }],
    ...ous.map((rdn): Rdn => rdn.map((value) => ({ oid: ATTRIBUTE.organizationalUnit, value }))),
    [{ oid: ATTRIBUTE.commonName, value: cn }]
  ])

export const issue = (issuer: Holder | undefined, options: IssueOptions = {}): Holder => {
  const key = options.key ?? generateKey()
  const isCA = options.isCA ?? false
  const subject = nameOf(options.cn ?? (isCA ? "ca" : "leaf"), options.ous)
  const signer = issuer?.key ?? key
  const wanted = options.keyUsage ?? (isCA ? KeyUsage.certSign | KeyUsage.crlSign : KeyUsage.digitalSignature)
  const template = {
    serialNumber: options.serial ?? Uint8Array.of(1, ...randomBytes(15)),
    issuer: issuer?.certificate.subject.raw ?? subject,
    subject,
    notBefore: options.notBefore ?? NOW - 30 * DAY,
    notAfter: options.notAfter ?? NOW + 3650 * DAY,
    spki: options.spki ?? spkiOf(key),
    extensions: [
      ...(wanted === 0 ? [] : [extensions.keyUsage(wanted)]),
      ...(options.eku === undefined ? [] : [extensions.extendedKeyUsage(options.eku)]),
      ...(options.basicConstraints === false ? [] : [extensions.basicConstraints(isCA, options.maxPathLen)]),
      ...((options.ski ?? isCA) ? [extensions.subjectKeyId(key.ski)] : []),
      ...((options.aki ?? true) && issuer !== undefined
        ? [extensions.authorityKeyId(issuer.certificate.subjectKeyId)]
        : []),
      ...(options.dns === undefined && options.ips === undefined
        ? []
        : [extensions.alternativeNames(options.dns ?? [], options.ips ?? [])]),
      ...(options.extra ?? [])
    ]
  }
  return new Holder(key, writeCertificate(template, signer, options.hash, options.rewrite))
}

export const ca = (options: IssueOptions = {}): Holder => issue(undefined, { isCA: true, ...options })
export const subCa = (issuer: Holder, options: IssueOptions = {}): Holder =>
  issue(issuer, { cn: "intermediate", isCA: true, ...options })

export const pem = (holder: Holder): Uint8Array => encodePem("CERTIFICATE", holder.der)

export const serialized = (mspId: string, idBytes: Uint8Array): Uint8Array =>
  msp.SerializedIdentity.encode({ mspid: mspId, idBytes })
export const creator = (holder: Holder, mspId = "Org1MSP"): Uint8Array => serialized(mspId, pem(holder))

export const crl = (issuer: Holder, revoked: ReadonlyArray<Holder>, authorityKeyId?: Uint8Array | null): Uint8Array =>
  encodePem(
    "X509 CRL",
    writeCrl(
      {
        issuer: issuer.certificate.subject.raw,
        thisUpdate: NOW - 2 * DAY,
        nextUpdate: NOW - DAY,
        revoked: revoked.map((holder) => holder.certificate.serialNumber),
        authorityKeyId: authorityKeyId === null ? undefined : (authorityKeyId ?? issuer.certificate.subjectKeyId)
      },
      issuer.key
    )
  )

export interface OrgOptions {
  readonly name?: string
  readonly roots: ReadonlyArray<Holder>
  readonly intermediates?: ReadonlyArray<Holder>
  readonly admins?: ReadonlyArray<Holder>
  readonly crls?: ReadonlyArray<Uint8Array>
  readonly tlsRoots?: ReadonlyArray<Holder>
  readonly tlsIntermediates?: ReadonlyArray<Holder>
  readonly ous?: ReadonlyArray<readonly [string, Holder]>
  readonly nodeOus?: Parameters<typeof msp.FabricNodeOUs.create>[0]
  readonly crypto?: Parameters<typeof msp.FabricCryptoConfig.create>[0]
}

export const configOf = (options: OrgOptions): msp.FabricMSPConfig =>
  msp.FabricMSPConfig.create({
    name: options.name ?? "Org1MSP",
    rootCerts: options.roots.map(pem),
    intermediateCerts: (options.intermediates ?? []).map(pem),
    admins: (options.admins ?? []).map(pem),
    revocationList: [...(options.crls ?? [])],
    tlsRootCerts: (options.tlsRoots ?? []).map(pem),
    tlsIntermediateCerts: (options.tlsIntermediates ?? []).map(pem),
    organizationalUnitIdentifiers: (options.ous ?? []).map(([name, holder]) =>
      msp.FabricOUIdentifier.create({ organizationalUnitIdentifier: name, certificate: pem(holder) })
    ),
    ...(options.nodeOus === undefined ? {} : { fabricNodeOus: msp.FabricNodeOUs.create(options.nodeOus) }),
    ...(options.crypto === undefined ? {} : { cryptoConfig: msp.FabricCryptoConfig.create(options.crypto) })
  })

export const build = (
  config: msp.FabricMSPConfig,
  version: MspVersion = "1.3",
  now = NOW
): Either.Either<Msp, MspError> =>
  makeMsp(msp.MSPConfig.create({ type: 0, config: msp.FabricMSPConfig.encode(config) }), { version, now })

export const mspOf = (options: OrgOptions, version: MspVersion = "1.3"): Msp =>
  Either.getOrThrowWith(build(configOf(options), version), (error) => error)

/** The text of a refusal, or empty. */
export const textOf = (result: Either.Either<unknown, { readonly message: string }>): string =>
  Either.isLeft(result) ? result.left.message : ""

export const ou = (name: string, certificate: Uint8Array = new Uint8Array()) =>
  msp.FabricOUIdentifier.create({ organizationalUnitIdentifier: name, certificate })

export const ALL_NODE_OUS = {
  enable: true,
  clientOuIdentifier: ou("client"),
  peerOuIdentifier: ou("peer"),
  adminOuIdentifier: ou("admin"),
  ordererOuIdentifier: ou("orderer")
}

export const role = (name: keyof typeof common.MSPRole_MSPRoleType, mspIdentifier = "Org1MSP"): common.MSPPrincipal =>
  common.MSPPrincipal.create({
    principalClassification: common.MSPPrincipal_Classification.ROLE,
    principal: common.MSPRole.encode({ mspIdentifier, role: common.MSPRole_MSPRoleType[name] })
  })

export { ExtendedKeyUsage, KeyUsage }
