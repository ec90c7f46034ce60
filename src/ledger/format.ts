/**
 * Whose folder it is: a file FORMAT names the program, what the folder holds and the layout's number. Newer layouts and
 * folders that a Go node wrote are refused with the remedy (design.md section 6).
 */

import * as fs from "node:fs"
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/**
 * Layouts of the folders by what they hold. Raise one with every change that an older program could not read; what this
 * program reads from 1 on it brings to the new number when it opens a folder. `ledgers` 2: trails in state records
 * (`statedb/trail.ts`).
 */
const formats = { blocks: 1, ledgers: 2, transient: 1 } as const
export type FolderKind = keyof typeof formats
const kinds: ReadonlyArray<FolderKind> = ["blocks", "ledgers", "transient"]

const formatFile = "FORMAT"
const markOf = (kind: FolderKind, number: number = formats[kind]): string => `fabric-effect ${kind} ${number}`

/** Whether a folder with this mark is of a kind, in a layout that this program reads. */
const isOf = (kind: FolderKind, mark: string): boolean =>
  Array.from({ length: formats[kind] }, (_, i) => markOf(kind, i + 1)).includes(mark)

/** A layout that this program does not know. */
export class FormatUnknown extends Data.TaggedError("FormatUnknown")<{
  readonly path: string
  readonly found: string
}> {
  override get message() {
    const known = kinds.map((kind) => `[${markOf(kind)}]`).join(", ")
    return `the data in ${this.path} has format [${this.found}], this program writes ${known}; use the program that wrote it`
  }
}

/** The folder of a Go node. */
export class GoFolder extends Data.TaggedError("GoFolder")<{ readonly path: string }> {
  override get message() {
    // a peer's two folders lie below the one that core.yaml names
    const named = /[/\\](ledgersData|transientStore)[/\\]?$/.test(this.path)
    const from = named ? path.dirname(this.path) : this.path
    return `${this.path} was written by a Go node and stays as it is; bring its blocks into a folder of this program's with: node network.mjs ledger import --from ${from} --to <empty folder>`
  }
}

/** The folder could not be read or written. */
export class FolderUnusable extends Data.TaggedError("FolderUnusable")<{
  readonly path: string
  readonly cause: unknown
}> {
  override get message() {
    return `cannot use the folder ${this.path}: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/** What Go Fabric 1.4 leaves in an orderer's, a peer's ledger and a peer's transient folder. */
const goTraces = [
  "CURRENT",
  "index/CURRENT",
  "chains/index/CURRENT",
  "ledgerProvider/CURRENT",
  "stateLeveldb/CURRENT",
  "chains/chains"
]

/** Whether a folder holds the data of a Go node. Reads only. */
export const isGoFolder = (dir: string): boolean =>
  !fs.existsSync(path.join(dir, formatFile)) && goTraces.some((trace) => fs.existsSync(path.join(dir, trace)))

/**
 * Refuses a Go node's folder. Comes before the lock: a Go peer's transient store has a LOCK of its own, and nothing of
 * a folder that one may go back to is to be touched.
 */
export const refuseGoFolder = (dir: string): Effect.Effect<void, GoFolder> =>
  Effect.suspend(() => (isGoFolder(dir) ? Effect.fail(new GoFolder({ path: dir })) : Effect.void))

/** What this program keeps in a folder; undefined: nothing of this program's. Reads only. @throws when it is newer */
export const kindOfFolder = (dir: string): FolderKind | undefined => {
  const name = path.join(dir, formatFile)
  if (!fs.existsSync(name)) return undefined
  const found = fs.readFileSync(name, "utf8").trim()
  const kind = kinds.find((kind) => isOf(kind, found))
  if (kind === undefined) throw new FormatUnknown({ path: dir, found })
  return kind
}

/** Writes FORMAT into an empty folder, or checks what is there. The folder must be locked. */
export const claimFolder = (
  dir: string,
  kind: FolderKind
): Effect.Effect<void, FormatUnknown | GoFolder | FolderUnusable> =>
  Effect.try({
    try: () => {
      fs.mkdirSync(dir, { recursive: true })
      const name = path.join(dir, formatFile)
      const mine = markOf(kind)
      if (fs.existsSync(name)) {
        const found = fs.readFileSync(name, "utf8").trim()
        if (!isOf(kind, found)) throw new FormatUnknown({ path: dir, found })
        if (found !== mine) replaceMark(name, mine)
        return
      }
      if (isGoFolder(dir)) throw new GoFolder({ path: dir })
      fs.writeFileSync(name, `${mine}\n`, { flush: true })
    },
    catch: (cause) =>
      cause instanceof FormatUnknown || cause instanceof GoFolder ? cause : new FolderUnusable({ path: dir, cause })
  })

/** Before the folder is written to: an older program must not open it any more. */
const replaceMark = (name: string, mark: string): void => {
  fs.writeFileSync(`${name}.new`, `${mark}\n`, { flush: true })
  fs.renameSync(`${name}.new`, name)
}
