/**
 * Keeps small what counts as this process's memory of LMDB's maps. A page of the database that was read once stays
 * resident until the system wants the memory back, so that the process seems to grow with the ledger. The maps are read
 * only copies of a file that the system's cache holds: given back (madvise, MADV_DONTNEED), a page costs a minor fault
 * when it is read again, nothing else. On Linux alone, and where the optional package koffi is installed.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Log from "../../runtime/Log.js"

const log = Log.module("kvledger")

export interface MappedPagesOptions {
  /** The databases in this folder and those below it. */
  readonly folder: string
  /** Bytes of mapped files that may become resident before they are given back. */
  readonly limit: number
}

class MapsNotReleased extends Data.TaggedError("MapsNotReleased")<{ readonly cause: unknown }> {
  override get message(): string {
    return `cannot give back the pages of the database: ${this.cause instanceof Error ? this.cause.message : this.cause}`
  }
}

/**
 * Between two looks at the memory. A read maps what the cache has around its page as well, 64 KiB: a thousand reads are
 * 64 MiB. A look costs some 50 us.
 */
const pause = "50 millis"

/** Linux's number for MADV_DONTNEED. */
const dontNeed = 4

interface AddressRange {
  readonly start: bigint
  readonly length: bigint
}

type Release = (range: AddressRange) => Effect.Effect<void, MapsNotReleased>

/** Bytes of files in this process's memory (RssFile of proc(5)). */
const residentOfFiles = (): number => {
  const found = /^RssFile:\s*(\d+) kB$/m.exec(fs.readFileSync("/proc/self/status", "latin1"))
  return Number(found?.[1] ?? 0) * 1024
}

/** Where LMDB maps the databases of a folder, from the text of /proc/self/maps: shared and read only, nothing else. */
export const databaseMaps = (maps: string, folder: string): ReadonlyArray<AddressRange> => {
  const ranges: Array<AddressRange> = []
  for (const line of maps.split("\n")) {
    const found = /^([0-9a-f]+)-([0-9a-f]+) r--s \S+ \S+ \d+\s+(.+)$/.exec(line)
    const file = found?.[3]
    if (file === undefined || !file.startsWith(folder + path.sep) || path.basename(file) !== "data.mdb") continue
    const start = BigInt(`0x${found?.[1] ?? 0}`)
    ranges.push({ start, length: BigInt(`0x${found?.[2] ?? 0}`) - start })
  }
  return ranges
}

/** Loaded when first needed: most peers never hold that much. */
const loadRelease: Effect.Effect<Release, MapsNotReleased> = Effect.tryPromise({
  try: async () => {
    const { load } = await import("koffi")
    const madvise = load(null).func("int madvise(uintptr_t start, size_t length, int advice)")
    return ({ length, start }: AddressRange) =>
      Effect.async<void, MapsNotReleased>((resume) => {
        // in the thread pool: some milliseconds for a hundred MiB
        madvise.async(start, length, dontNeed, (error: unknown, result: unknown) =>
          resume(
            result === 0
              ? Effect.void
              : Effect.fail(new MapsNotReleased({ cause: error ?? new Error(`madvise answers ${result}`) }))
          )
        )
      })
  },
  catch: (cause) => new MapsNotReleased({ cause })
})

/** Looks at the process's memory for the scope, beside other work; what fails is said once, and nothing else happens. */
export const limitMappedPages = (options: MappedPagesOptions): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    if (process.platform !== "linux") return
    const folder = yield* Effect.try({
      try: () => fs.realpathSync(options.folder),
      catch: (cause) => new MapsNotReleased({ cause })
    })
    const release = yield* Effect.cached(loadRelease)
    /** What other files hold: the program itself, its libraries. */
    const others = residentOfFiles()
    const look = Effect.gen(function* () {
      if (residentOfFiles() - others <= options.limit) return
      const giveBack = yield* release
      for (const range of databaseMaps(fs.readFileSync("/proc/self/maps", "utf8"), folder)) yield* giveBack(range)
    })
    yield* look.pipe(
      Effect.repeat(Schedule.spaced(pause)),
      Effect.catchAllCause((cause) =>
        log.info("pages of the database stay in memory until the system takes them back", {
          cause: Cause.pretty(cause)
        })
      ),
      Effect.forkScoped
    )
  }).pipe(
    Effect.catchAllCause((cause) => log.info("pages of the database are not looked at", { cause: Cause.pretty(cause) }))
  )
