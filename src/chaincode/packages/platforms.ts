/**
 * The four platforms: what a code package of each may hold, and its state database artifacts. Endorsement of
 * deploy/upgrade and commit validation run the same check: it must come out the same on every node (T23).
 * Source: chaincode.md R66, R70, R71.
 */
import * as Effect from "effect/Effect"
import { breathe } from "../../runtime/breathe.js"
import { PackageRefused } from "../errors.js"
import { EOF } from "./byteReader.js"
import { gunzip } from "./gzip.js"
import { metadataFault } from "./metadata.js"
import type { Scan } from "./tar.js"
import { TarReader } from "./tar.js"

export type PlatformName = "GOLANG" | "NODE" | "JAVA" | "CAR"

/** The name of a ChaincodeSpec.Type as Fabric prints it: unknown numbers print as digits. */
export const chaincodeTypeName = (type: number): string =>
  ["UNDEFINED", "GOLANG", "NODE", "CAR", "JAVA"][type] ?? String(type)

/** The platform of a type name, undefined for `UNDEFINED` and everything unknown. */
export const platformOf = (typeName: string): PlatformName | undefined =>
  typeName === "GOLANG" || typeName === "NODE" || typeName === "JAVA" || typeName === "CAR" ? typeName : undefined

const unknownType = (typeName: string): string => `Unknown chaincodeType: ${typeName}`

// the expressions are those of the reference: open at the end where it leaves them open
const SOURCES = /^(\/)?(src|META-INF)\//
const JAVA_SOURCES = /^(\/)?src\/((src|META-INF)\/|(build\.gradle|settings\.gradle|pom\.xml))/
const ALLOWED_MODE = 0o100666n

const octal = (mode: bigint): string => (mode < 0n ? `-${(-mode).toString(8)}` : mode.toString(8))

/** Why a code package is refused, undefined when it passes. An empty one passes: clients send none on deploy. */
export function* codePackageFault(typeName: string, code: Uint8Array): Scan<string | undefined> {
  const platform = platformOf(typeName)
  if (platform === undefined) return unknownType(typeName)
  if (platform === "CAR" || code.length === 0) return undefined
  const source = gunzip(code)
  if (typeof source === "string") return `failure opening codepackage gzip stream: ${source}`
  const archive = new TarReader(source)
  let packageJson = false
  for (;;) {
    const entry = yield* archive.next()
    if (typeof entry === "string") {
      if (platform === "JAVA" && entry !== EOF) return entry
      break
    }
    const { mode, name } = entry
    const legal = platform === "JAVA" ? JAVA_SOURCES.test(name) && !name.endsWith(".class") : SOURCES.test(name)
    if (!legal) return `illegal file detected in payload: "${name}"`
    if (name === "src/package.json") packageJson = true
    if ((mode & ~ALLOWED_MODE) !== 0n) return `illegal file mode detected for file ${name}: ${octal(mode)}`
    yield
  }
  return platform === "NODE" && !packageJson ? "no package.json found at the root of the chaincode package" : undefined
}

/** A file under META-INF/statedb of a code package. */
export interface StatedbArtifact {
  readonly name: string
  readonly content: Uint8Array
}

const STATEDB = "META-INF/statedb/"
/** What one package may bring in artifacts; the reference has no bound but the message size. */
const MAX_ARTIFACTS = 100 * 1024 * 1024

/** The state database artifacts of a code package, or why they cannot be had. CAR packages have none. */
export function* artifactsOf(typeName: string, code: Uint8Array): Scan<ReadonlyArray<StatedbArtifact> | string> {
  const platform = platformOf(typeName)
  if (platform === undefined) return "invalid deployment spec"
  if (platform === "CAR") return []
  if (code.length === 0) return "nil code package"
  const source = gunzip(code)
  if (typeof source === "string") return source
  const archive = new TarReader(source)
  const artifacts: Array<StatedbArtifact> = []
  let total = 0
  for (;;) {
    const entry = yield* archive.next()
    if (entry === EOF) return artifacts
    if (typeof entry === "string") return entry
    if (!entry.name.startsWith(STATEDB)) continue
    const content = yield* archive.content(MAX_ARTIFACTS - total + 1)
    if ("error" in content) return content.error
    total += content.length
    if (total > MAX_ARTIFACTS) return `state database artifacts are larger than ${MAX_ARTIFACTS} bytes`
    artifacts.push({ name: entry.name, content })
  }
}

/** The first artifact that may not be there, undefined when all may. */
export const artifactsFault = (artifacts: ReadonlyArray<StatedbArtifact>): string | undefined => {
  for (const { content, name } of artifacts) {
    const fault = metadataFault(name, content)
    if (fault !== undefined) return fault
  }
  return undefined
}

// ---- Effects: the same, giving the thread back on long packages ----------------------------------------------------

/** Milliseconds that a scan may hold the thread. */
const SLICE = 5

/** Runs a scan, handing the thread back every few milliseconds. */
export const runScan = <A>(scan: Scan<A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const until = performance.now() + SLICE
    for (;;) {
      const step = scan.next()
      if (step.done === true) return Effect.succeed(step.value)
      if (performance.now() > until) return Effect.flatMap(breathe, () => runScan(scan))
    }
  })

/**
 * `ValidateDeploymentSpec`: fails with the reference's text when the type is unknown or the package holds what it may
 * not (R70, R71).
 */
export const validateDeploymentSpec = (typeName: string, code: Uint8Array): Effect.Effect<void, PackageRefused> =>
  Effect.flatMap(runScan(codePackageFault(typeName, code)), (fault) =>
    fault === undefined ? Effect.void : new PackageRefused({ reason: fault })
  )

/** The state database artifacts of a package, not yet checked (R66). */
export const statedbArtifacts = (
  typeName: string,
  code: Uint8Array
): Effect.Effect<ReadonlyArray<StatedbArtifact>, PackageRefused> =>
  Effect.flatMap(runScan(artifactsOf(typeName, code)), (found) =>
    typeof found === "string" ? new PackageRefused({ reason: found }) : Effect.succeed(found)
  )
