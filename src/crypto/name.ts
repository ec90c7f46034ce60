/** Distinguished names as Go's crypto/x509 reads them, attribute by attribute over multi-valued RDNs (sheet rule 31). */
import { DerReader, Tag, view } from "./der.js"
import { malformed } from "./malformed.js"

/** A name: the octets that chains compare, and every attribute in order. */
export interface Name {
  readonly raw: Uint8Array
  readonly attributes: ReadonlyArray<{ readonly oid: string; readonly value: string }>
  /** The last common name, or empty. */
  readonly commonName: string
}

/** Attribute types that other files look for. */
export const ATTRIBUTE = {
  commonName: "2.5.4.3",
  country: "2.5.4.6",
  locality: "2.5.4.7",
  province: "2.5.4.8",
  streetAddress: "2.5.4.9",
  organization: "2.5.4.10",
  organizationalUnit: "2.5.4.11",
  postalCode: "2.5.4.17"
} as const

// What Go admits in a PrintableString: the standard's set plus * and &.
const PRINTABLE = /^[A-Za-z0-9'()+,\-./ :=?*&]*$/
const strictUtf8 = () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const bmpText = (content: Uint8Array): string => {
  if (content.length % 2 !== 0)
    return malformed("x509: invalid RDNSequence: invalid attribute value: invalid BMPString")
  const terminated = content.length >= 2 && content[content.length - 1] === 0 && content[content.length - 2] === 0
  let text = ""
  for (let i = 0; i < content.length - (terminated ? 2 : 0); i += 2) {
    const point = (content[i] ?? 0) * 256 + (content[i + 1] ?? 0)
    const reserved = point >= 0xfffe || (point >= 0xfdd0 && point <= 0xfdef) || (point >= 0xd800 && point <= 0xdfff)
    if (reserved) return malformed("x509: invalid RDNSequence: invalid attribute value: invalid BMPString")
    text += String.fromCharCode(point)
  }
  return text
}

const bad = (what: string) => malformed(`x509: invalid RDNSequence: invalid attribute value: ${what}`)

const stringValue = (tag: number, content: Uint8Array): string => {
  const latin = () => view(content).toString("latin1")
  switch (tag) {
    case Tag.T61_STRING:
      return latin()
    case Tag.PRINTABLE_STRING:
      return PRINTABLE.test(latin()) ? latin() : bad("invalid PrintableString")
    case Tag.UTF8_STRING:
      try {
        return strictUtf8().decode(content)
      } catch {
        return bad("invalid UTF-8 string")
      }
    case Tag.BMP_STRING:
      return bmpText(content)
    case Tag.IA5_STRING:
      return content.every((octet) => octet < 0x80) ? latin() : bad("invalid IA5String")
    case Tag.NUMERIC_STRING:
      return /^[0-9 ]*$/.test(latin()) ? latin() : bad("invalid NumericString")
    default:
      return bad(`unsupported string type: ${tag}`)
  }
}

/** Reads a Name from its whole encoding. Throws `Malformed` with Go's reason. */
export const parseName = (raw: Uint8Array): Name => {
  const sequence = new DerReader(raw).read(Tag.SEQUENCE) ?? malformed("x509: invalid RDNSequence")
  const attributes: Array<{ oid: string; value: string }> = []
  let commonName = ""
  while (!sequence.empty) {
    const set = sequence.read(Tag.SET) ?? malformed("x509: invalid RDNSequence")
    while (!set.empty) {
      const pair = set.read(Tag.SEQUENCE) ?? malformed("x509: invalid RDNSequence: invalid attribute")
      const oid = pair.oid() ?? malformed("x509: invalid RDNSequence: invalid attribute type")
      const value = pair.any() ?? malformed("x509: invalid RDNSequence: invalid attribute value")
      const text = stringValue(value.tag, value.content.rest)
      attributes.push({ oid, value: text })
      if (oid === ATTRIBUTE.commonName) commonName = text
    }
  }
  return { raw, attributes, commonName }
}

/** All values of one attribute type, in order. */
export const valuesOf = (name: Name, oid: string): ReadonlyArray<string> =>
  name.attributes.filter((attribute) => attribute.oid === oid).map((attribute) => attribute.value)
