/** Archives are read as the reference reads them: recorded answers of Go's library, and properties against node:zlib. */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { deflateRawSync, gzipSync } from "node:zlib"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { gunzip } from "../../../src/chaincode/packages/gzip.js"
import { finish, TarReader } from "../../../src/chaincode/packages/tar.js"
import { tarGzOf, tarOf } from "../../../src/chaincode/packages/tarWriter.js"

interface Recorded {
  readonly input: string
  /** `|name,mode,size,type` per entry, every second one followed by the hash of its content, then the error. */
  readonly go: string
}

const recorded: ReadonlyArray<Recorded> = JSON.parse(
  fs.readFileSync(new URL("../vectors/archives.json", import.meta.url), "utf8")
)

const listing = (bytes: Uint8Array): string => {
  const source = gunzip(bytes)
  if (typeof source === "string") return `open ${source}`
  const archive = new TarReader(source)
  let text = ""
  for (let index = 1; ; index++) {
    const entry = finish(archive.next())
    if (typeof entry === "string") return `${text}|${entry}`
    const mode = entry.mode < 0n ? `-${(-entry.mode).toString(8)}` : entry.mode.toString(8)
    text += `|${JSON.stringify(entry.name)},${mode},${entry.size},${String.fromCharCode(entry.type)}`
    if (index % 2 === 1) continue
    const content = finish(archive.content(1 << 20))
    text += "error" in content ? `!${content.error}` : `#${createHash("sha256").update(content).digest("hex")}`
  }
}

const readAll = (bytes: Uint8Array, piece: number): { bytes: Buffer; error: string } => {
  const source = gunzip(bytes)
  if (typeof source === "string") return { bytes: Buffer.alloc(0), error: source }
  const parts: Array<Buffer> = []
  for (;;) {
    const into = Buffer.alloc(piece)
    const count = source.read(into)
    parts.push(into.subarray(0, count))
    if (source.error !== undefined) return { bytes: Buffer.concat(parts), error: source.error }
  }
}

describe("archives", () => {
  it("are listed with Go's entries and Go's errors", () => {
    expect(recorded.length).toBeGreaterThan(100)
    for (const { go, input } of recorded) expect(listing(Buffer.from(input, "base64"))).toBe(go)
  })

  it("decompress what node:zlib compresses, in pieces of any size", () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 3_000 }),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 4_000 }))
        .map(([unit, times]) => Buffer.concat(Array.from({ length: times }, () => unit)))
    )
    const options = fc.record({ level: fc.integer({ min: 0, max: 9 }), strategy: fc.integer({ min: 0, max: 4 }) })
    fc.assert(
      fc.property(content, options, fc.integer({ min: 1, max: 70_000 }), (bytes, how, piece) => {
        const read = readAll(gzipSync(bytes, how), Math.max(piece, 7))
        expect(read.error).toBe("EOF")
        expect(read.bytes.equals(Buffer.from(bytes))).toBe(true)
      }),
      { numRuns: 200 }
    )
  })

  it("never throw and never loop, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
        const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])
        expect(typeof listing(Buffer.concat([header, noise]))).toBe("string")
        expect(typeof listing(Buffer.concat([header, deflateRawSync(noise)]))).toBe("string")
        expect(typeof listing(gzipSync(noise))).toBe("string")
      }),
      { numRuns: 500 }
    )
  })

  it("hand out what was decoded before a fault", () => {
    const whole = gzipSync(Buffer.from("abcdefgh".repeat(2_000)), { level: 0 })
    const cut = readAll(whole.subarray(0, 5_000), 1_000)
    expect(cut.error).toBe("unexpected EOF")
    expect(cut.bytes.length).toBe(5_000 - 10 - 5)
  })

  it("come back as they were written, long and foreign names too", () => {
    const part = fc.stringMatching(/^[a-zA-Z0-9_.é日-]{1,60}$/)
    const name = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => `src/${parts.join("/")}`)
    const files = fc.array(fc.record({ name, content: fc.uint8Array({ maxLength: 1_200 }) }), { maxLength: 8 })
    fc.assert(
      fc.property(files, (written) => {
        const source = gunzip(tarGzOf(written))
        if (typeof source === "string") throw new Error(source)
        const archive = new TarReader(source)
        for (const file of written) {
          const entry = finish(archive.next())
          if (typeof entry === "string") throw new Error(entry)
          expect(entry).toMatchObject({ name: file.name, mode: 0o100644n, size: BigInt(file.content.length) })
          expect(finish(archive.content(1 << 20))).toEqual(Buffer.from(file.content))
        }
        expect(finish(archive.next())).toBe("EOF")
      }),
      { numRuns: 100 }
    )
  })

  it("are the same bytes for the same files", () => {
    const files = [{ name: "src/a", content: Buffer.from("a") }]
    expect(Buffer.from(tarGzOf(files)).equals(Buffer.from(tarGzOf(files)))).toBe(true)
    expect(tarOf(files).length).toBe(4 * 512)
  })
})
