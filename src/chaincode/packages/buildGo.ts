/**
 * `GetDeploymentPayload` for GOLANG: the package's own files and, under its vendor folder, those of every package that
 * it needs and that neither the chaincode environment nor Go itself brings. Needs the `go` tool; packages are looked up
 * under GOPATH, as the reference does. Client side. Source: chaincode.md R72, R73; core/chaincode/platforms/golang.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { textOf } from "../../runtime/Stage.js"
import { PackageRefused } from "../errors.js"
import { compareNames } from "../text.js"
import { refuse, warnHidden } from "./build.js"
import { metadataFault } from "./metadata.js"
import { ownerReader } from "./owners.js"
import type { ArchiveFile } from "./tarWriter.js"
import { tarGzOf } from "./tarWriter.js"

/** Environment of the tool: a launcher passes its own in. */
export type Environment = Readonly<Record<string, string>>

const SOURCE_ENDINGS = new Set([".c", ".h", ".s", ".go", ".yaml", ".json"])
const PROVIDED = new Set([
  "github.com/hyperledger/fabric/core/chaincode/shim",
  "github.com/hyperledger/fabric/protos/peer"
])
const TOOL_TIMEOUT = 60_000

const runGo = (environment: Environment, ...args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    // outside of modules: the reference's packages are found under GOPATH
    const env = { GO111MODULE: "off", ...environment }
    execFile("go", args, { env, timeout: TOOL_TIMEOUT, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout)
      const why = error.killed ? "timed out after 1m0s" : error.message.split("\n")[0]
      reject(new Error(`command <go ${args.join(" ")}>: failed with error: "${why}"\n${stderr}`))
    })
  })

const lines = (text: string): Array<string> => text.split("\n").filter((line) => line !== "")

interface GoPlaces {
  readonly gopaths: ReadonlyArray<string>
  readonly goroot: string
}

const places = async (environment: Environment): Promise<GoPlaces> => {
  const [gopath = "", goroot = ""] = (await runGo(environment, "env", "GOPATH", "GOROOT")).split("\n")
  const gopaths = gopath.split(path.delimiter).filter((place) => place !== "")
  if (gopaths.length === 0) throw new Error(`invalid GOPATH environment variable value: ${gopath}`)
  return { gopaths, goroot }
}

/** Puts what was being done in front of a failure's text. */
const during = <A>(doing: string, work: Promise<A>): Promise<A> =>
  work.catch((error: unknown) => Promise.reject(new Error(`${doing}: ${textOf(error)}`)))

const exists = (place: string): Promise<boolean> =>
  fs.access(place).then(
    () => true,
    () => false
  )

interface Source {
  /** `src/<package>/<file>`. */
  readonly name: string
  readonly place: string
  readonly metadata: boolean
}

/** The source files of one package: its own folder and its META-INF, no other folders. */
const sourcesOf = async (gopath: string, pkg: string): Promise<Array<Source>> => {
  const top = path.join(gopath, "src", pkg)
  const found: Array<Source> = []
  const visit = async (folder: string): Promise<void> => {
    for (const entry of await fs.readdir(folder, { withFileTypes: true })) {
      const place = path.join(folder, entry.name)
      const metadata = place.startsWith(path.join(top, "META-INF"))
      if (entry.isDirectory()) {
        if (metadata) await visit(place)
      } else if (SOURCE_ENDINGS.has(path.extname(place))) {
        found.push({ name: path.relative(gopath, place), place, metadata })
      }
    }
  }
  await visit(top)
  return found
}

/** The packages that must travel along: what is imported and what that needs in turn. */
const dependencies = async (environment: Environment, pkg: string, where: GoPlaces): Promise<Set<string>> => {
  const list = (what: string, of: string) => runGo(environment, "list", "-f", `{{ join .${what} "\\n"}}`, of)
  const imports = lines(await during("Error obtaining imports", list("Imports", pkg)))
  const needed = new Set<string>()
  for (const imported of imports) {
    if (PROVIDED.has(imported) || imported === "C" || (await exists(path.join(where.goroot, "src", imported)))) continue
    needed.add(imported)
    const further = await during(`Error obtaining dependencies for ${imported}`, list("Deps", imported))
    for (const name of lines(further)) needed.add(name)
  }
  return needed
}

/** Files outside of the package and of the vendor folders above it move under the package's own vendor folder. */
const vendored = (pkg: string, name: string): string => {
  const parts = pkg.split("/")
  const kept = parts.map((_, index) => path.join("src", ...parts.slice(0, index + 1), "vendor"))
  kept.push(path.join("src", pkg))
  return kept.some((prefix) => name.startsWith(prefix)) ? name : name.replace("src", path.join("src", pkg, "vendor"))
}

const collect = async (pkg: string, environment: Environment): Promise<Array<Source>> => {
  const where = await places(environment)
  const [gopath = ""] = where.gopaths
  const own = path.join(gopath, "src", pkg)
  const missing = "Error getting code code does not exist Could not open file"
  const stat = await during(missing, fs.stat(own))
  if (!stat.isDirectory()) throw new Error(`Error getting code code does not exist File ${own} is not dir`)
  const sources = new Map<string, Source>()
  for (const source of await sourcesOf(gopath, pkg)) sources.set(source.name, source)
  for (const needed of await dependencies(environment, pkg, where)) {
    for (const root of where.gopaths) {
      // a package that is nowhere under GOPATH is one of Go's own
      if (!(await exists(path.join(root, "src", needed)))) continue
      for (const source of await sourcesOf(root, needed)) sources.set(source.name, source)
    }
  }
  return [...sources.values()]
    .map((source) => ({ ...source, name: vendored(pkg, source.name) }))
    .sort((a, b) => compareNames(a.name, b.name))
}

/**
 * The code package of a Go chaincode, named by its import path below the first GOPATH entry. Without a `go` tool it
 * fails and says so.
 */
export const golangPayload = (pkg: string, environment: Environment): Effect.Effect<Uint8Array, PackageRefused> =>
  Effect.gen(function* () {
    if (pkg === "") return yield* new PackageRefused({ reason: "Cannot collect files from empty chaincode path" })
    const sources = yield* Effect.tryPromise({
      try: () => collect(pkg, environment),
      catch: refuse("")
    })
    const ownerOf = ownerReader()
    const files: Array<ArchiveFile> = []
    for (const source of sources) {
      const name = source.metadata ? path.relative(path.join("src", pkg), source.name) : source.name
      if (source.metadata && path.basename(name).startsWith(".")) {
        yield* warnHidden(name)
        continue
      }
      const content = yield* Effect.tryPromise({
        try: () => fs.readFile(source.place),
        catch: refuse(`Error writing ${name} to tar: `)
      })
      const owner = yield* Effect.tryPromise({
        try: () => ownerOf(source.place),
        catch: refuse(`Error writing ${name} to tar: `)
      })
      const fault = source.metadata ? metadataFault(name, content) : undefined
      if (fault !== undefined) return yield* new PackageRefused({ reason: fault })
      files.push({ name, content, owner })
    }
    return tarGzOf(files)
  })
