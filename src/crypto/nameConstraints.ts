/**
 * Name constraints of CA certificates: parsing, and the check of a chain's alternative names against them, with the
 * verdicts of Go's crypto/x509 (sheet rule 20).
 */
import { contextTag, DerReader, hex, Tag, view } from "./der.js"
import { malformed } from "./malformed.js"
import { domainNameValid, isAscii, type Mailbox, parseMailbox, uriHost } from "./names.js"

/** One address range; 4 or 16 octets each. */
export interface IpRange {
  readonly ip: Uint8Array
  readonly mask: Uint8Array
}

/** One list of subtrees, by kind of name. */
export interface Subtrees {
  readonly dns: ReadonlyArray<string>
  readonly ips: ReadonlyArray<IpRange>
  readonly emails: ReadonlyArray<string>
  readonly uris: ReadonlyArray<string>
}

export interface NameConstraints {
  readonly permitted: Subtrees
  readonly excluded: Subtrees
  /** Whether a kind of name occurs that Go does not handle; fatal when the extension is critical. */
  readonly unhandled: boolean
}

const isMask = (mask: Uint8Array): boolean =>
  /^1*0*$/.test([...mask].map((octet) => octet.toString(2).padStart(8, "0")).join(""))

const IP_LITERAL = /^\d{1,3}(\.\d{1,3}){3}$|:/

const constraintText = (bytes: Uint8Array): string =>
  isAscii(bytes) ? view(bytes).toString("latin1") : malformed("x509: invalid constraint value: not an IA5String")

const readSubtrees = (list: DerReader | undefined): Subtrees & { readonly unhandled: boolean } => {
  const out = { dns: [] as string[], ips: [] as IpRange[], emails: [] as string[], uris: [] as string[] }
  let unhandled = false
  while (list !== undefined && !list.empty) {
    const { tag, content } = list.read(Tag.SEQUENCE)?.any() ?? malformed("x509: invalid NameConstraints extension")
    const bytes = content.rest
    switch (tag) {
      case contextTag(2): {
        const domain = constraintText(bytes)
        if (!domainNameValid(domain, true)) malformed(`x509: failed to parse dnsName constraint "${domain}"`)
        out.dns.push(domain)
        break
      }
      case contextTag(7): {
        if (bytes.length !== 8 && bytes.length !== 32)
          malformed(`x509: IP constraint contained value of length ${bytes.length}`)
        const ip = bytes.subarray(0, bytes.length / 2)
        const mask = bytes.subarray(bytes.length / 2)
        if (!isMask(mask)) malformed(`x509: IP constraint contained invalid mask ${hex(mask)}`)
        out.ips.push({ ip, mask })
        break
      }
      case contextTag(1): {
        const text = constraintText(bytes)
        const valid = text.includes("@") ? parseMailbox(text) !== undefined : domainNameValid(text, true)
        if (!valid) malformed(`x509: failed to parse rfc822Name constraint "${text}"`)
        out.emails.push(text)
        break
      }
      case contextTag(6): {
        const domain = constraintText(bytes)
        if (IP_LITERAL.test(domain)) malformed(`x509: failed to parse URI constraint "${domain}": cannot be IP address`)
        if (!domainNameValid(domain, true)) malformed(`x509: failed to parse URI constraint "${domain}"`)
        out.uris.push(domain)
        break
      }
      default:
        unhandled = true
    }
  }
  return { ...out, unhandled }
}

/** Reads the extension's value. Throws `Malformed` with Go's reason. */
export const parseNameConstraints = (value: Uint8Array): NameConstraints => {
  const fail = () => malformed("x509: invalid NameConstraints extension")
  const outer = new DerReader(value)
  const content = outer.read(Tag.SEQUENCE) ?? fail()
  const optional = (number: number) =>
    content.peek(contextTag(number, true)) ? (content.read(contextTag(number, true)) ?? fail()) : undefined
  if (!outer.empty) fail()
  const permittedList = optional(0)
  const excludedList = optional(1)
  if (!content.empty) fail()
  if ((permittedList?.empty ?? true) && (excludedList?.empty ?? true))
    malformed("x509: empty name constraints extension")
  const permitted = readSubtrees(permittedList)
  const excluded = readSubtrees(excludedList)
  return { permitted, excluded, unhandled: permitted.unhandled || excluded.unhandled }
}

const suffixOf = (constraint: string, name: string): boolean => {
  const wanted = constraint.toLowerCase()
  const own = name.toLowerCase()
  if (wanted === "") return true
  if (!own.endsWith(wanted)) return false
  return wanted.startsWith(".") || own.length === wanted.length || own[own.length - wanted.length - 1] === "."
}

const inRange = (range: IpRange, ip: Uint8Array): boolean =>
  range.ip.length === ip.length && ip.every((octet, i) => ((octet ^ (range.ip[i] ?? 0)) & (range.mask[i] ?? 0)) === 0)

const wildcardExcluded = (constraint: string, name: string): boolean => {
  // A wildcard could stand for exactly the excluded host: compare what follows the first label of both.
  const dot = constraint.indexOf(".")
  return (
    name.startsWith("*") &&
    dot >= 0 &&
    name.slice(name.indexOf(".")).toLowerCase() === constraint.slice(dot).toLowerCase()
  )
}

const sameMailbox = (constraint: string, mailbox: Mailbox): boolean => {
  if (!constraint.includes("@")) return suffixOf(constraint, mailbox.domain)
  const wanted = parseMailbox(constraint)
  return wanted?.local === mailbox.local && wanted.domain.toLowerCase() === mailbox.domain.toLowerCase()
}

/** The names of one certificate as the check wants them. */
export interface ConstrainedNames {
  readonly dns: ReadonlyArray<string>
  readonly emails: ReadonlyArray<string>
  readonly ips: ReadonlyArray<Uint8Array>
  readonly uris: ReadonlyArray<string>
}

interface Match<A, C> {
  readonly permitted: ReadonlyArray<C>
  readonly excluded: ReadonlyArray<C>
  readonly covers: (constraint: C, name: A) => boolean
  /** Whether an excluded subtree hits the name in more ways than a permitted one. */
  readonly hits?: (constraint: C, name: A) => boolean
  readonly showName: (name: A) => string
  readonly showConstraint: (constraint: C) => string
}

const firstBreach = <A, C>(kind: string, names: ReadonlyArray<A>, match: Match<A, C>): string | undefined => {
  for (const name of names) {
    const shown = `${kind} "${match.showName(name)}"`
    if (match.permitted.length > 0 && !match.permitted.some((constraint) => match.covers(constraint, name))) {
      return `${shown} is not permitted by any constraint`
    }
    const hit = match.excluded.find(
      (constraint) => match.covers(constraint, name) || match.hits?.(constraint, name) === true
    )
    if (hit !== undefined) return `${shown} is excluded by constraint "${match.showConstraint(hit)}"`
  }
  return undefined
}

const same = (text: string): string => text

const ipText = (ip: Uint8Array): string => {
  if (ip.length === 4) return ip.join(".")
  const groups = hex(ip).match(/.{4}/g) ?? []
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1)
}

const prefixLength = (mask: Uint8Array): number =>
  [...mask].reduce((bits, octet) => bits + octet.toString(2).replaceAll("0", "").length, 0)

/** Why these names break the constraints, or undefined when they keep them. */
export const constraintBreach = (constraints: NameConstraints, names: ConstrainedNames): string | undefined => {
  const { permitted, excluded } = constraints
  const hosts: Array<string> = []
  for (const uri of names.uris) {
    const host = (uriHost(uri) ?? "").toLowerCase().replace(/:\d*$/, "")
    if (host === "") return `URI with empty host ("${uri}") cannot be matched against constraints`
    if (host.startsWith("[") || IP_LITERAL.test(host))
      return `URI with IP ("${uri}") cannot be matched against constraints`
    hosts.push(host)
  }
  const mailboxes: Array<Mailbox> = []
  for (const email of names.emails) {
    const mailbox = parseMailbox(email)
    if (mailbox === undefined) return `cannot parse rfc822Name "${email}"`
    mailboxes.push(mailbox)
  }
  const badName = names.dns.find((name) => !domainNameValid(name, false))
  return (
    firstBreach("IP address", names.ips, {
      permitted: permitted.ips,
      excluded: excluded.ips,
      covers: inRange,
      showName: ipText,
      showConstraint: (range) => `${ipText(range.ip)}/${prefixLength(range.mask)}`
    }) ??
    (badName === undefined ? undefined : `x509: cannot parse dnsName "${badName}"`) ??
    firstBreach("DNS name", names.dns, {
      permitted: permitted.dns,
      excluded: excluded.dns,
      covers: suffixOf,
      hits: wildcardExcluded,
      showName: same,
      showConstraint: same
    }) ??
    firstBreach("URI", hosts, {
      permitted: permitted.uris,
      excluded: excluded.uris,
      covers: suffixOf,
      showName: same,
      showConstraint: same
    }) ??
    firstBreach("email address", mailboxes, {
      permitted: permitted.emails,
      excluded: excluded.emails,
      covers: sameMailbox,
      showName: (mailbox) => `${mailbox.local}@${mailbox.domain}`,
      showConstraint: same
    })
  )
}
