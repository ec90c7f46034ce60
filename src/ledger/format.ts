/**
 * Whose folder it is: a file FORMAT names the program, what the folder holds and the layout's number. Newer layouts and
 * folders that a Go node wrote are refused with the remedy (design.md section 6).
 */

import * as fs from "node:fs"
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** Layout of all folders under a ledger root. Raise it with every change that an older program could not read. */
export const formatNumber = 1

export type FolderKind = "blocks" | "ledgers" | "transient"

/** A layout that this program does not know. */
export class FormatUnknown extends Data.TaggedError("FormatUnknown")<{
  readonly path: string
  readonly found: string
}> {
  override get message() {
    return `the data in ${this.path} has format [${this.found}], this program writes fabric-effect format ${formatNumber}; use the program that wrote it`
  }
}

/** The folder of a Go node. */
export class GoFolder extends Data.TaggedError("GoFolder")<{ readonly path: string }> {
  override get message() {
    return `${this.path} was written by a Go node; bring its blocks in with: node network.mjs ledger import --from ${this.path}`
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

/** What Go Fabric 1.4 leaves in an orderer's and in a peer's ledger folder. */
const goTraces = [
  "index/CURRENT",
  "chains/index/CURRENT",
  "ledgerProvider/CURRENT",
  "stateLeveldb/CURRENT",
  "chains/chains"
]

/** Writes FORMAT into an empty folder, or checks what is there. The folder must be locked. */
export const claimFolder = (
  dir: string,
  kind: FolderKind
): Effect.Effect<void, FormatUnknown | GoFolder | FolderUnusable> =>
  Effect.try({
    try: () => {
      fs.mkdirSync(dir, { recursive: true })
      const name = path.join(dir, "FORMAT")
      const mine = `fabric-effect ${kind} ${formatNumber}`
      if (fs.existsSync(name)) {
        const found = fs.readFileSync(name, "utf8").trim()
        if (found !== mine) throw new FormatUnknown({ path: dir, found })
        return
      }
      if (goTraces.some((trace) => fs.existsSync(path.join(dir, trace)))) throw new GoFolder({ path: dir })
      fs.writeFileSync(name, `${mine}\n`, { flush: true })
    },
    catch: (cause) =>
      cause instanceof FormatUnknown || cause instanceof GoFolder ? cause : new FolderUnusable({ path: dir, cause })
  })
