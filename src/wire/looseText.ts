/**
 * Go's strings hold any bytes. Where such a string is only looked up and shown again, it is kept here as text whose
 * bytes that are no UTF-8 stand as lone surrogates U+DC80..U+DCFF, so that nothing is confused with anything else and
 * the reference's refusals of such texts can be told. Pure.
 * Source: Go's unicode/utf8 (each wrong byte stands alone) and strconv.Quote.
 */

const WRONG = 0xdc00
const well = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The length of the character at a place, 0 when the byte there is none. */
const lengthAt = (bytes: Uint8Array, at: number): number => {
  const first = bytes[at] ?? 0
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
  if (length < 2) return length
  try {
    well.decode(bytes.subarray(at, at + length))
    return length
  } catch {
    return 0
  }
}

/** Bytes as text, without loss. */
export const looseText = (bytes: Uint8Array): string => {
  try {
    return well.decode(bytes)
  } catch {
    let text = ""
    for (let at = 0; at < bytes.length; ) {
      const length = lengthAt(bytes, at)
      text +=
        length === 0 ? String.fromCharCode(WRONG + (bytes[at] ?? 0)) : well.decode(bytes.subarray(at, at + length))
      at += length || 1
    }
    return text
  }
}

/** Whether a text is UTF-8 in Go: without wrong bytes. */
export const isUtf8Text = (text: string): boolean => !/\p{Surrogate}/u.test(text)

const named: ReadonlyMap<string, string> = new Map([
  ["\u0007", "\\a"],
  ["\b", "\\b"],
  ["\f", "\\f"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\v", "\\v"],
  ['"', '\\"'],
  ["\\", "\\\\"]
])

const quotedCharacter = (character: string): string => {
  const code = character.codePointAt(0) ?? 0
  const hex = (digits: number): string => code.toString(16).padStart(digits, "0")
  const name = named.get(character)
  if (name !== undefined) return name
  if (code >= WRONG && code <= WRONG + 0xff) return `\\x${(code - WRONG).toString(16)}`
  if (code < 0x20 || code === 0x7f) return `\\x${hex(2)}`
  // letters, marks, numbers, punctuation, symbols and the blank are shown
  if (character === " " || /[\p{L}\p{M}\p{N}\p{P}\p{S}]/u.test(character)) return character
  return code > 0xffff ? `\\U${hex(8)}` : `\\u${hex(4)}`
}

/** Go's `%q` of a {@link looseText}. */
export const goQuoted = (text: string): string => `"${[...text].map(quotedCharacter).join("")}"`
