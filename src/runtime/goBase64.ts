/**
 * Base64 as Go's decoder takes it: line ends anywhere, padding demanded, spare bits not looked at, faults at Go's places.
 * Pure. Source: Go's encoding/base64 (StdEncoding).
 */
import * as Either from "effect/Either"

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
const values: ReadonlyMap<number, number> = new Map([...alphabet].map((letter, value) => [letter.charCodeAt(0), value]))
const PAD = 0x3d
const isLineEnd = (byte: number | undefined): boolean => byte === 0x0a || byte === 0x0d

/** The bytes, or Go's text about the first fault. */
export const decodeGoBase64 = (text: string): Either.Either<Uint8Array, string> => {
  const source = Buffer.from(text)
  const bytes: Array<number> = []
  const fault = (at: number) => Either.left(`illegal base64 data at input byte ${at}`)
  let bits = 0
  let letters = 0
  let at = 0
  const skip = (): void => {
    while (isLineEnd(source[at])) at += 1
  }
  for (; at < source.length; at += 1) {
    const byte = source[at] ?? 0
    const value = values.get(byte)
    if (value !== undefined) {
      bits = (bits << 6) | value
      letters += 1
      if (letters === 4) {
        bytes.push((bits >> 16) & 0xff, (bits >> 8) & 0xff, bits & 0xff)
        bits = 0
        letters = 0
      }
      continue
    }
    if (isLineEnd(byte)) continue
    if (byte !== PAD || letters < 2) return fault(at)
    at += 1
    if (letters === 2) {
      skip()
      if (at === source.length) return fault(at)
      if (source[at] !== PAD) return fault(at - 1)
      at += 1
      bytes.push((bits >> 4) & 0xff)
    } else bytes.push((bits >> 10) & 0xff, (bits >> 2) & 0xff)
    skip()
    return at < source.length ? fault(at) : Either.right(Uint8Array.from(bytes))
  }
  return letters === 0 ? Either.right(Uint8Array.from(bytes)) : fault(at - letters)
}
