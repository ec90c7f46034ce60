/**
 * PEM as Go's encoding/pem reads and writes it (sheet rule 1): a block starts at the beginning of a line, text before it
 * is skipped, LF or CRLF, blocks that do not hold together are passed over, the label is the caller's business.
 */
import { view } from "./der.js"

/** One block; `headers` are the `Key: value` lines before the base64 text. */
export interface PemBlock {
  readonly type: string
  readonly headers: ReadonlyMap<string, string>
  readonly bytes: Uint8Array
  /** What follows the line of the END marker. */
  readonly rest: Uint8Array
}

const BEGIN = "-----BEGIN "
const END = "\n-----END "
const DASHES = "-----"
const SPACES = /[ \t]+$/
// Base64 without the line ends, which Go's decoder skips; padding only at the end.
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

interface Line {
  readonly text: string
  readonly next: number
}

const lineAt = (data: Buffer, from: number): Line => {
  const newline = data.indexOf(0x0a, from)
  if (newline < 0) return { text: data.toString("latin1", from).replace(SPACES, ""), next: data.length }
  const end = newline > from && data[newline - 1] === 0x0d ? newline - 1 : newline
  return { text: data.toString("latin1", from, end).replace(SPACES, ""), next: newline + 1 }
}

const decodeBase64 = (text: string): Uint8Array | undefined => {
  const packed = text.replace(/[\r\n \t]/g, "")
  return packed.length % 4 === 0 && BASE64.test(packed) ? Buffer.from(packed, "base64") : undefined
}

/** The first block of the input, or undefined when there is none. */
export const decodePem = (input: Uint8Array): PemBlock | undefined => {
  const data = view(input)
  let from = 0
  for (;;) {
    const end = data.indexOf(END, from, "latin1")
    if (end < 0) return undefined
    const trailer = end + END.length
    // Searching a slice keeps the whole linear: a search backwards over all of the input would not be.
    const offset = data.subarray(from, end).lastIndexOf(BEGIN, undefined, "latin1")
    const begin = from + offset
    if (offset < 0 || (offset > 0 && data[begin - 1] !== 0x0a)) {
      from = trailer
      continue
    }
    const label = lineAt(data, begin + BEGIN.length)
    if (!label.text.endsWith(DASHES)) {
      from = trailer
      continue
    }
    const type = label.text.slice(0, -DASHES.length)
    const headers = new Map<string, string>()
    let body = label.next
    for (;;) {
      if (body >= data.length) return undefined
      const line = lineAt(data, body)
      const colon = line.text.indexOf(":")
      if (colon < 0) break
      headers.set(line.text.slice(0, colon).trim(), line.text.slice(colon + 1).trim())
      body = line.next
    }
    // Headers that ran over the END marker: Go gives up here.
    if (trailer < body) return undefined
    from = trailer
    if (headers.size > 0 && end < body) continue
    const closing = lineAt(data, trailer)
    if (data.toString("latin1", trailer, trailer + type.length + DASHES.length) !== type + DASHES) continue
    if (closing.text.length > type.length + DASHES.length) continue
    const bytes = end > body ? decodeBase64(data.toString("latin1", body, end)) : new Uint8Array()
    if (bytes === undefined) continue
    return { type: Buffer.from(type, "latin1").toString("utf8"), headers, bytes, rest: input.subarray(closing.next) }
  }
}

/** Every block of the input, in order (bundles of TLS roots). */
export const decodePemAll = (input: Uint8Array): ReadonlyArray<PemBlock> => {
  const blocks: Array<PemBlock> = []
  for (let block = decodePem(input); block !== undefined; block = decodePem(block.rest)) blocks.push(block)
  return blocks
}

/** A block with lines of 64 characters, LF, and a final LF: the form of serialized identities (sheet section 4). */
export const encodePem = (type: string, bytes: Uint8Array): Uint8Array => {
  const body = view(bytes)
    .toString("base64")
    .replace(/.{64}(?!$)/g, "$&\n")
  return Buffer.from(`-----BEGIN ${type}-----\n${body}${body === "" ? "" : "\n"}-----END ${type}-----\n`, "latin1")
}
