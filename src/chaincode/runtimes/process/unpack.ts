/**
 * Lays a code package out on disk. Only plain files below `src/` are written, never through a link and never outside of
 * the target: the package came from a client. Source: chaincode.md R19, R66, R71.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { textOf } from "../../../runtime/Stage.js"
import { EOF } from "../../packages/byteReader.js"
import { gunzip } from "../../packages/gzip.js"
import { runScan } from "../../packages/platforms.js"
import { TarReader } from "../../packages/tar.js"
import { TypeFlag } from "../../packages/tarHeader.js"
import { UnpackFailed } from "./errors.js"

/** Bounds on what one package may put on disk. */
const MAX_FILES = 100_000
const MAX_BYTES = 1 << 30

/** Where an entry goes below the target, undefined when it is not for the disk. */
const placeOf = (name: string): string | undefined => {
  const relative = name.replace(/^\/+/, "")
  if (!relative.startsWith("src/")) return undefined
  return relative.slice("src/".length)
}

const isSafe = (place: string): boolean =>
  !place.includes("\0") && !path.posix.isAbsolute(place) && place.split("/").every((part) => part !== "..")

/** Writes the package's `src/` files below `target`, which must exist and be ours alone. */
export const unpack = (codePackage: Uint8Array, target: string): Effect.Effect<void, UnpackFailed> =>
  Effect.gen(function* () {
    const fail = (reason: string) => new UnpackFailed({ reason })
    const source = gunzip(codePackage)
    if (typeof source === "string") return yield* fail(source)
    const archive = new TarReader(source)
    let files = 0
    let bytes = 0
    for (;;) {
      const entry = yield* runScan(archive.next())
      if (typeof entry === "string") {
        if (entry === EOF) return
        return yield* fail(entry)
      }
      const place = placeOf(entry.name)
      if (place === undefined || place === "" || entry.type === TypeFlag.xGlobalHeader) continue
      if (!isSafe(place)) return yield* fail(`"${entry.name}" leads out of the package`)
      if (entry.type === TypeFlag.directory) continue
      if (entry.type !== TypeFlag.regular && entry.type !== TypeFlag.gnuSparse) {
        return yield* fail(`"${entry.name}" is not a plain file`)
      }
      files += 1
      if (files > MAX_FILES || bytes + Number(entry.size) > MAX_BYTES) {
        return yield* fail(`it holds more than ${MAX_FILES} files or ${MAX_BYTES} bytes`)
      }
      const content = yield* runScan(archive.content(MAX_BYTES - bytes))
      if ("error" in content) return yield* fail(content.error)
      bytes += content.length
      const file = path.join(target, place)
      yield* Effect.tryPromise({
        try: async () => {
          await fs.mkdir(path.dirname(file), { recursive: true })
          await fs.writeFile(file, content)
        },
        catch: (error) => fail(textOf(error))
      })
    }
  })
