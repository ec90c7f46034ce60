/**
 * What containers and builds print: frames of an attached container, messages of an image build. Plain
 * functions; nothing grows without bound, whatever a container prints.
 */

const HEADER = 8

/**
 * Takes the frames of an attached container apart: eight bytes (stream, three zeros, length) before each piece.
 * A stream that is not framed so is handed on as it is.
 */
export const demultiplexer = (piece: (bytes: Buffer) => void): ((chunk: Buffer) => void) => {
  let header = Buffer.alloc(0)
  let left = 0
  let raw = false
  return (chunk) => {
    let rest = chunk
    while (rest.length > 0) {
      if (raw) return piece(rest)
      if (left > 0) {
        const part = rest.subarray(0, left)
        left -= part.length
        rest = rest.subarray(part.length)
        piece(part)
        continue
      }
      const wanted = HEADER - header.length
      header = Buffer.concat([header, rest.subarray(0, wanted)])
      rest = rest.subarray(wanted)
      if (header.length < HEADER) return
      if ((header[0] ?? 9) > 2 || header.readUIntBE(1, 3) !== 0) {
        raw = true
        piece(header)
      } else left = header.readUInt32BE(4)
      header = Buffer.alloc(0)
    }
  }
}

/** Keeps the end of what is printed. */
export class Tail {
  private text = ""
  constructor(private readonly limit: number) {}
  readonly add = (bytes: Buffer | string): void => {
    this.text = (this.text + bytes.toString()).slice(-this.limit)
  }
  get content(): string {
    return this.text
  }
}

/** One line of an image build or a pull. */
export interface ProgressLine {
  readonly text: string
  /** The operation has failed. */
  readonly error: string | undefined
}

const textProperty = (value: object, name: string): string | undefined => {
  const found: unknown = Reflect.get(value, name)
  return typeof found === "string" ? found : undefined
}

/** Reads a line of Docker's progress stream; what is no JSON is its own text. */
export const progressLine = (line: string): ProgressLine => {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value !== "object" || value === null) return { text: line, error: undefined }
    const error = textProperty(value, "error")
    const text = textProperty(value, "stream") ?? textProperty(value, "status") ?? ""
    return { text: error === undefined ? text : error, error }
  } catch {
    return { text: line, error: undefined }
  }
}
