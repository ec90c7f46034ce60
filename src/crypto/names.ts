/** Host names, mailboxes and URIs inside certificates, judged as Go's crypto/x509 judges them. */

/** Whether all octets are ASCII. */
export const isAscii = (bytes: Uint8Array): boolean => bytes.every((octet) => octet < 0x80)

/** Go's loose check of a domain name: printable labels of 1 to 63 octets, no final dot; a constraint may start with one. */
export const domainNameValid = (name: string, constraint: boolean): boolean => {
  if (name.length === 0) return true
  if (name.endsWith(".")) return false
  const labels = (constraint && name.startsWith(".") ? name.slice(1) : name).split(".")
  return labels.every((label) => label.length > 0 && label.length < 64 && /^[\x21-\x7e]*$/.test(label))
}

const URI = /^[A-Za-z][A-Za-z0-9+.-]*:(?:\/\/([^/?#]*))?/
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/

const hasControl = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}

/**
 * The host part of a URI with its port, empty when it has none, undefined when the text is no URI. Follows Go's
 * net/url in what matters for certificates: scheme, control characters, escapes, numeric port.
 */
export const uriHost = (text: string): string | undefined => {
  if (text === "" || hasControl(text)) return undefined
  const match = URI.exec(text)
  if (match === null) return /^[/?#]|^[^:]*$|^[^:]*[/?#]/.test(text) && !BAD_ESCAPE.test(text) ? "" : undefined
  const authority = match[1]
  if (authority === undefined) return ""
  const [beforeFragment = "", fragment = ""] = text.slice(match[0].length).split(/#(.*)/s)
  const path = beforeFragment.split("?")[0] ?? ""
  const userInfo = authority.slice(0, Math.max(0, authority.lastIndexOf("@")))
  if (BAD_ESCAPE.test(path) || BAD_ESCAPE.test(fragment) || BAD_ESCAPE.test(userInfo)) return undefined
  if (!/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(userInfo)) return undefined
  const host = authority.slice(authority.lastIndexOf("@") + 1)
  if (host.includes("%") && !host.startsWith("[")) return undefined
  const port = host.startsWith("[") ? /\](.*)$/.exec(host)?.[1] : /(:[^:]*)?$/.exec(host)?.[1]
  if (port !== undefined && port !== "" && !/^:\d*$/.test(port)) return undefined
  if (host.lastIndexOf("[") > 0 || (host.startsWith("[") && !host.includes("]"))) return undefined
  if (/[ <>"\\^`{|}]/.test(host)) return undefined
  return host
}

/** A mailbox: `local` with its quoting removed. */
export interface Mailbox {
  readonly local: string
  readonly domain: string
}

const ATOM = /^[0-9A-Za-z!#$%&'*+\-/=?^_`{|}~.]$/

/** Reads an RFC 2821 mailbox with Go's tolerance; undefined when it is none. */
export const parseMailbox = (text: string): Mailbox | undefined => {
  const quoted = text.startsWith('"')
  let local = ""
  let at = quoted ? 1 : 0
  if (quoted) {
    for (; ; at++) {
      const character = text[at]
      if (character === undefined) return undefined
      if (character === '"') break
      if (character === "\\") {
        at++
        const escaped = text.charCodeAt(at)
        if (
          !(escaped === 11 || escaped === 12 || (escaped >= 1 && escaped <= 9) || (escaped >= 14 && escaped <= 127))
        ) {
          return undefined
        }
        local += text[at]
        continue
      }
      const code = character.charCodeAt(0)
      if (code === 0 || code === 9 || code === 10 || code === 13 || code > 127) return undefined
      local += character
    }
    at++
  } else {
    for (; at < text.length; at++) {
      let character = text[at] ?? ""
      if (character === "\\") {
        at++
        character = text[at] ?? ""
        if (character === "") return undefined
      } else if (!ATOM.test(character)) break
      local += character
    }
    if (local === "" || local.startsWith(".") || local.endsWith(".") || local.includes("..")) return undefined
  }
  if (text[at] !== "@") return undefined
  const domain = text.slice(at + 1)
  return isLabelled(domain) ? { local, domain } : undefined
}

/** Whether a domain splits into printable labels without empty ones (Go's domainToReverseLabels); empty passes. */
const isLabelled = (domain: string): boolean =>
  domain === "" || domain.split(".").every((label) => label.length > 0 && /^[\x21-\x7e]*$/.test(label))
