/** Readers of bytes that hand out what they have before they report what is wrong, as the reference's do. */

/** The error of a read: `EOF` at a proper end, otherwise the text that the reference would report. */
export type ReadError = string

export const EOF: ReadError = "EOF"
export const UNEXPECTED_EOF: ReadError = "unexpected EOF"

/** Bytes that come piecewise. `read` fills a part of `into`, says how much, and leaves its error in `error`. */
export interface ByteReader {
  read(into: Uint8Array): number
  /** The error of the last `read`; bytes and an error may come together. */
  readonly error: ReadError | undefined
}

/** An input that ends where more had to come. */
export const noEof = (error: ReadError): ReadError => (error === EOF ? UNEXPECTED_EOF : error)

/** A byte slice read from front to back. */
export class SliceInput {
  position = 0
  constructor(readonly bytes: Uint8Array) {}

  /** Fills `into` or returns the error; `EOF` only when not a single byte was left. */
  readFull(into: Uint8Array): ReadError | undefined {
    const left = this.bytes.length - this.position
    const count = Math.min(left, into.length)
    into.set(this.bytes.subarray(this.position, this.position + count))
    this.position += count
    if (count === into.length) return undefined
    return count === 0 ? EOF : UNEXPECTED_EOF
  }
}
