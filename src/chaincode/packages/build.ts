/**
 * `GetDeploymentPayload` for folders (NODE, JAVA) and files (CAR): collects the sources of a chaincode into a code
 * package. GOLANG needs the Go tool and is in buildGo.ts. Client side. Source: chaincode.md R72, R73.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Log from "../../runtime/Log.js"
import { textOf } from "../../runtime/Stage.js"
import { PackageRefused } from "../errors.js"
import { compareNames } from "../text.js"
import { metadataFault } from "./metadata.js"
import { ownerReader } from "./owners.js"
import type { ArchiveFile } from "./tarWriter.js"
import { tarGzOf } from "./tarWriter.js"

const log = Log.module("container")

/** Fails with one text for everything that goes wrong on disk. */
export const refuse =
  (prefix: string) =>
  (error: unknown): PackageRefused =>
    new PackageRefused({ reason: `${prefix}${textOf(error)}` })

const NO_FILE = "no such file or directory"
const missing = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOENT"

/** All files below a folder, directories in byte order of their names, as paths below `root`. Links are followed. */
export const walk = async (root: string, below = ""): Promise<Array<string>> => {
  const entries = await fs.readdir(path.join(root, below), { withFileTypes: true })
  const found: Array<string> = []
  for (const entry of entries.sort((a, b) => compareNames(a.name, b.name))) {
    const place = path.join(below, entry.name)
    if (entry.isDirectory()) found.push(...(await walk(root, place)))
    else found.push(place)
  }
  return found
}

interface FolderRules {
  /** Folders at the top that are left out. */
  readonly excludedFolders: ReadonlyArray<string>
  /** File name endings that are left out. */
  readonly excludedEndings: ReadonlyArray<string>
}

const NODE_RULES: FolderRules = { excludedFolders: ["node_modules"], excludedEndings: [] }
const JAVA_RULES: FolderRules = { excludedFolders: ["target", "build", "out"], excludedEndings: [".class"] }

/** A hidden file among the metadata: left out with a warning, since people do not see that they have one. */
export const warnHidden = (name: string): Effect.Effect<void> =>
  log.warning(`Ignoring hidden file in metadata directory: ${name}`)

const folderFiles = (folder: string, rules: FolderRules): Effect.Effect<Array<ArchiveFile>, PackageRefused> =>
  Effect.gen(function* () {
    const root = folder.replace(/\/$/, "")
    const paths = yield* Effect.tryPromise({
      try: () => walk(root),
      catch: (error) => refuse("")(missing(error) ? `lstat ${root}: ${NO_FILE}` : error)
    })
    const ownerOf = ownerReader()
    const files: Array<ArchiveFile> = []
    for (const place of paths) {
      if (path.join(root, place).includes(".git")) continue
      if (rules.excludedFolders.some((excluded) => place.startsWith(`${excluded}/`))) continue
      if (rules.excludedEndings.some((ending) => path.extname(place) === ending)) continue
      const metadata = place.startsWith("META-INF")
      if (metadata && path.basename(place).startsWith(".")) {
        yield* warnHidden(place)
        continue
      }
      const content = yield* Effect.tryPromise({
        try: () => fs.readFile(path.join(root, place)),
        catch: refuse("Error writing file to package: ")
      })
      const owner = yield* Effect.tryPromise({
        try: () => ownerOf(path.join(root, place)),
        catch: refuse("Error writing file to package: ")
      })
      const fault = metadata ? metadataFault(place, content) : undefined
      if (fault !== undefined) return yield* new PackageRefused({ reason: fault })
      files.push({ name: metadata ? place : `src/${place}`, content, owner })
    }
    if (files.length === 0) return yield* new PackageRefused({ reason: `no source files found in '${root}'` })
    return files
  })

const folderPayload = (folder: string, rules: FolderRules): Effect.Effect<Uint8Array, PackageRefused> =>
  Effect.gen(function* () {
    if (folder === "") return yield* new PackageRefused({ reason: "ChaincodeSpec's path cannot be empty" })
    const files = yield* folderFiles(folder, rules).pipe(
      Effect.mapError(
        ({ reason }) => new PackageRefused({ reason: `Error writing Chaincode package contents: ${reason}` })
      )
    )
    return tarGzOf(files)
  })

/** The code package of a Node project: everything but the top `node_modules` and what has `.git` in its path. */
export const nodePayload = (folder: string): Effect.Effect<Uint8Array, PackageRefused> =>
  folderPayload(folder, NODE_RULES)

/** The code package of a Java project: the same without build output. */
export const javaPayload = (folder: string): Effect.Effect<Uint8Array, PackageRefused> =>
  folderPayload(folder, JAVA_RULES)

/** The code package of a `.car` file: its bytes. */
export const carPayload = (file: string): Effect.Effect<Uint8Array, PackageRefused> =>
  Effect.tryPromise({
    try: () => fs.readFile(file),
    catch: (error) => refuse("")(missing(error) ? `open ${file}: ${NO_FILE}` : error)
  })
