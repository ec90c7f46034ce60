/**
 * Certificate extensions with the verdicts of Go's crypto/x509: which are understood, which content is refused, which
 * critical ones make a certificate unusable in a chain (sheet rule 20).
 */
import { contextTag, DerReader, hex, Tag, view } from "./der.js"
import { malformed } from "./malformed.js"
import { type NameConstraints, parseNameConstraints } from "./nameConstraints.js"
import { domainNameValid, isAscii, uriHost } from "./names.js"

/** One extension as it stands in the certificate. */
export interface Extension {
  readonly oid: string
  readonly critical: boolean
  readonly value: Uint8Array
}

/** Bits of the key usage extension, numbered as Go numbers them; 0 also means that there is no such extension. */
export const KeyUsage = { digitalSignature: 1, keyEncipherment: 4, certSign: 32, crlSign: 64 } as const

/** OIDs of extended key usages that the chain check asks about. */
export const ExtendedKeyUsage = {
  any: "2.5.29.37.0",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2"
} as const

/** Alternative names of a subject. */
export interface AlternativeNames {
  readonly dns: ReadonlyArray<string>
  readonly emails: ReadonlyArray<string>
  /** 4 or 16 octets each. */
  readonly ips: ReadonlyArray<Uint8Array>
  readonly uris: ReadonlyArray<string>
}

/** Content of the policy extensions; numbers are undefined where the certificate says nothing. */
export interface PolicyFields {
  /** OIDs as hexadecimal content octets. */
  readonly policies: ReadonlyArray<string>
  readonly mappings: ReadonlyArray<{ readonly issuer: string; readonly subject: string }>
  readonly requireExplicitPolicy: number | undefined
  readonly inhibitPolicyMapping: number | undefined
  readonly inhibitAnyPolicy: number | undefined
}

/** Everything that the extensions of one certificate say. */
export interface ExtensionFields {
  keyUsage: number
  basicConstraints: { readonly isCA: boolean; readonly maxPathLen: number | undefined } | undefined
  /** Undefined when there is no such extension. */
  alternativeNames: AlternativeNames | undefined
  nameConstraints: NameConstraints | undefined
  authorityKeyId: Uint8Array
  subjectKeyId: Uint8Array
  extendedKeyUsages: ReadonlyArray<string>
  policy: PolicyFields
  /** OIDs of critical extensions that Go does not handle. */
  unhandledCritical: ReadonlyArray<string>
}

const KEY_USAGE_BITS = 9

const parseKeyUsage = (value: DerReader): number => {
  const { bytes, unused } = value.bitString() ?? malformed("x509: invalid key usage")
  let usage = 0
  for (let i = 0; i < KEY_USAGE_BITS && i < bytes.length * 8 - unused; i++) {
    if (((bytes[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0) usage |= 1 << i
  }
  return usage
}

const parseBasicConstraints = (value: DerReader): ExtensionFields["basicConstraints"] => {
  const fail = () => malformed("x509: invalid basic constraints")
  const content = value.read(Tag.SEQUENCE) ?? fail()
  const isCA = content.peek(Tag.BOOLEAN) ? (content.boolean() ?? fail()) : false
  if (!content.peek(Tag.INTEGER)) return { isCA, maxPathLen: undefined }
  const maxPathLen = content.integer() ?? fail()
  if (maxPathLen < 0n || maxPathLen >= 1n << 63n) return fail()
  return { isCA, maxPathLen: Number(maxPathLen) }
}

const parseAlternativeNames = (value: DerReader): AlternativeNames => {
  const content = value.read(Tag.SEQUENCE) ?? malformed("x509: invalid subject alternative names")
  const names = { dns: [] as string[], emails: [] as string[], ips: [] as Uint8Array[], uris: [] as string[] }
  while (!content.empty) {
    const { tag, content: body } = content.any() ?? malformed("x509: invalid subject alternative name")
    const bytes = body.rest
    const text = () => view(bytes).toString("latin1")
    switch (tag) {
      case contextTag(1):
        if (!isAscii(bytes)) malformed("x509: SAN rfc822Name is malformed")
        names.emails.push(text())
        break
      case contextTag(2):
        if (!isAscii(bytes)) malformed("x509: SAN dNSName is malformed")
        names.dns.push(text())
        break
      case contextTag(6): {
        if (!isAscii(bytes)) malformed("x509: SAN uniformResourceIdentifier is malformed")
        const host = uriHost(text()) ?? malformed(`x509: cannot parse URI "${text()}"`)
        if (host.length > 0 && !domainNameValid(host, false))
          malformed(`x509: cannot parse URI "${text()}": invalid domain`)
        names.uris.push(text())
        break
      }
      case contextTag(7):
        if (bytes.length !== 4 && bytes.length !== 16)
          malformed(`x509: cannot parse IP address of length ${bytes.length}`)
        names.ips.push(bytes)
        break
    }
  }
  return names
}

const parseAuthorityKeyId = (extension: Extension): Uint8Array => {
  if (extension.critical) return malformed("x509: authority key identifier incorrectly marked critical")
  const content =
    new DerReader(extension.value).read(Tag.SEQUENCE) ?? malformed("x509: invalid authority key identifier")
  if (!content.peek(contextTag(0))) return new Uint8Array()
  return content.bytes(contextTag(0)) ?? malformed("x509: invalid authority key identifier")
}

const parseExtendedKeyUsages = (value: DerReader): ReadonlyArray<string> => {
  const content = value.read(Tag.SEQUENCE) ?? malformed("x509: invalid extended key usages")
  const usages: Array<string> = []
  while (!content.empty) usages.push(content.oid() ?? malformed("x509: invalid extended key usages"))
  return usages
}

/** Octets of an OID of any size: minimal groups, the last one complete. */
const isOidContent = (content: Uint8Array): boolean =>
  content.length > 0 &&
  (content[content.length - 1] ?? 0x80) < 0x80 &&
  content.every((octet, i) => octet !== 0x80 || (i > 0 && (content[i - 1] ?? 0) >= 0x80))

const parsePolicies = (value: DerReader): ReadonlyArray<string> => {
  const fail = () => malformed("x509: invalid certificate policies")
  const content = value.read(Tag.SEQUENCE) ?? fail()
  const policies = new Set<string>()
  while (!content.empty) {
    const identifier = content.read(Tag.SEQUENCE)?.bytes(Tag.OID) ?? fail()
    const key = hex(identifier)
    if (!isOidContent(identifier) || policies.has(key)) return fail()
    policies.add(key)
  }
  return [...policies]
}

const parseMappings = (value: DerReader): PolicyFields["mappings"] => {
  const fail = () => malformed("x509: invalid policy mappings extension")
  const content = value.read(Tag.SEQUENCE) ?? fail()
  const mappings: Array<{ issuer: string; subject: string }> = []
  while (!content.empty) {
    const pair = content.read(Tag.SEQUENCE) ?? fail()
    const issuer = pair.bytes(Tag.OID) ?? fail()
    const subject = pair.bytes(Tag.OID) ?? fail()
    mappings.push({ issuer: hex(issuer), subject: hex(subject) })
  }
  return mappings
}

const parsePolicyConstraints = (value: DerReader) => {
  const fail = () => malformed("x509: invalid policy constraints extension")
  const content = value.read(Tag.SEQUENCE) ?? fail()
  const optional = (number: number) =>
    content.peek(contextTag(number)) ? (content.smallInteger(contextTag(number)) ?? fail()) : undefined
  return { requireExplicitPolicy: optional(0), inhibitPolicyMapping: optional(1) }
}

const checkDistributionPoints = (value: DerReader): void => {
  const content = value.read(Tag.SEQUENCE) ?? malformed("x509: invalid CRL distribution points")
  while (!content.empty) {
    const fail = () => malformed("x509: invalid CRL distribution point")
    const point = content.read(Tag.SEQUENCE) ?? fail()
    if (!point.peek(contextTag(0, true))) continue
    const full = (point.read(contextTag(0, true)) ?? fail()).read(contextTag(0, true)) ?? fail()
    while (full.peek(contextTag(6))) if (full.read(contextTag(6)) === undefined) fail()
  }
}

const checkAuthorityInfoAccess = (extension: Extension): void => {
  const fail = () => malformed("x509: invalid authority info access")
  if (extension.critical) malformed("x509: authority info access incorrectly marked critical")
  const content = new DerReader(extension.value).read(Tag.SEQUENCE) ?? fail()
  while (!content.empty) {
    const access = content.read(Tag.SEQUENCE) ?? fail()
    if (access.oid() === undefined) fail()
    if (access.peek(contextTag(6)) && access.read(contextTag(6)) === undefined) fail()
  }
}

const AUTHORITY_INFO_ACCESS = "1.3.6.1.5.5.7.1.1"

/** Reads all extensions. Throws `Malformed` with Go's reason. */
export const readExtensions = (extensions: ReadonlyArray<Extension>): ExtensionFields => {
  const unhandledCritical: Array<string> = []
  let policies: ReadonlyArray<string> = []
  let mappings: PolicyFields["mappings"] = []
  let constraints: { requireExplicitPolicy: number | undefined; inhibitPolicyMapping: number | undefined } = {
    requireExplicitPolicy: undefined,
    inhibitPolicyMapping: undefined
  }
  let inhibitAnyPolicy: number | undefined
  const out: Omit<ExtensionFields, "policy" | "unhandledCritical"> = {
    keyUsage: 0,
    basicConstraints: undefined,
    alternativeNames: undefined,
    nameConstraints: undefined,
    authorityKeyId: new Uint8Array(),
    subjectKeyId: new Uint8Array(),
    extendedKeyUsages: []
  }
  for (const extension of extensions) {
    const value = new DerReader(extension.value)
    let handled = true
    switch (extension.oid) {
      case "2.5.29.15":
        out.keyUsage = parseKeyUsage(value)
        break
      case "2.5.29.19":
        out.basicConstraints = parseBasicConstraints(value)
        break
      case "2.5.29.17": {
        const names = parseAlternativeNames(value)
        out.alternativeNames = names
        handled = names.dns.length + names.emails.length + names.ips.length + names.uris.length > 0
        break
      }
      case "2.5.29.30":
        out.nameConstraints = parseNameConstraints(extension.value)
        handled = !out.nameConstraints.unhandled
        break
      case "2.5.29.31":
        checkDistributionPoints(value)
        break
      case "2.5.29.35":
        out.authorityKeyId = parseAuthorityKeyId(extension)
        break
      case "2.5.29.36":
        constraints = parsePolicyConstraints(value)
        break
      case "2.5.29.37":
        out.extendedKeyUsages = parseExtendedKeyUsages(value)
        break
      case "2.5.29.14":
        if (extension.critical) malformed("x509: subject key identifier incorrectly marked critical")
        out.subjectKeyId = value.bytes(Tag.OCTET_STRING) ?? malformed("x509: invalid subject key identifier")
        break
      case "2.5.29.32":
        policies = parsePolicies(value)
        break
      case "2.5.29.33":
        mappings = parseMappings(value)
        break
      case "2.5.29.54":
        inhibitAnyPolicy = value.smallInteger() ?? malformed("x509: invalid inhibit any policy extension")
        break
      case AUTHORITY_INFO_ACCESS:
        checkAuthorityInfoAccess(extension)
        break
      default:
        handled = false
    }
    if (extension.critical && !handled) unhandledCritical.push(extension.oid)
  }
  return { ...out, policy: { policies, mappings, ...constraints, inhibitAnyPolicy }, unhandledCritical }
}
