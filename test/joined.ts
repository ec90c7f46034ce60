/**
 * Programs for tests to start as processes: a source file and all that it imports joined into one, as the build does it,
 * from the sources as they are now. Such a process starts in a fraction of the time that one from the sources needs. Not
 * a test.
 */
import { createHash } from "node:crypto"
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import { joining } from "../scripts/joining.mjs"

/** In the repository, so that packages which stay outside are found. */
const folder = fileURLToPath(new URL("../node_modules/.cache/fabric-effect/joined", import.meta.url))

const DAY = 86_400_000

/** Puts beside joined programs what they start threads from. */
export const putThreads = (place: string): void =>
  copyFileSync(new URL("../src/validation/signatureWorker.mjs", import.meta.url), join(place, "signatureWorker.mjs"))

const make = async (entry: string): Promise<string> => {
  const { outputFiles } = await build({ ...joining, entryPoints: [entry], write: false })
  const text = outputFiles[0]?.contents ?? new Uint8Array()
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 16)
  const file = join(folder, `${basename(entry, ".ts")}-${hash}.mjs`)
  mkdirSync(folder, { recursive: true })
  for (const name of readdirSync(folder)) {
    const { mtimeMs } = statSync(join(folder, name), { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() }
    if (mtimeMs < Date.now() - DAY) rmSync(join(folder, name), { force: true })
  }
  putThreads(folder)
  // whole or not at all: others make the same file at the same time
  const unfinished = `${file}.${process.pid}`
  writeFileSync(unfinished, text)
  renameSync(unfinished, file)
  return file
}

const made = new Map<string, Promise<string>>()

/** In: a source file. Out: the joined program, to be started with Node. */
export const joined = (entry: string): Promise<string> => {
  const known = made.get(entry) ?? make(entry)
  made.set(entry, known)
  return known
}
