/**
 * From a code package to something that can be started: unpacked once per package, dependencies installed once per lock
 * file, Go and Java built with the machine's tools. Source: chaincode.md R17, R19; issue 7 part 2.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type { LaunchRequest } from "../ContainerRuntime.js"
import { StartFailed } from "../ContainerRuntime.js"
import type { Environment } from "./environment.js"
import { toolEnvironment } from "./environment.js"
import type { DiskFailed, ToolFailed, UnpackFailed } from "./errors.js"
import { disk } from "./errors.js"
import type { Folders, User } from "./Folders.js"
import { runTool } from "./tools.js"
import { unpack } from "./unpack.js"

/** What to run where. */
export interface Prepared {
  readonly command: ReadonlyArray<string>
  readonly directory: string
  /** Replaces what the chaincode's environment says. */
  readonly environment: Environment
  /** It runs in the folder it was installed from and is restarted when that changes. */
  readonly inPlace?: boolean
}

export interface BuildOptions extends User {
  readonly folders: Folders
  /** The peer's own environment. */
  readonly environment: Environment
  /** A folder of ready-made Go binaries, named `<name>-<version>` or `<name>`; empty for none. */
  readonly prebuilt: string
}

export type BuildError = StartFailed | UnpackFailed | ToolFailed | DiskFailed

export const refuse = (request: LaunchRequest, reason: string): StartFailed =>
  new StartFailed({ chaincode: `${request.name}:${request.version}`, reason })

/** The folder of a build: its sources in `<folder>/src`, completed by `fill` on first use. */
export const buildOnce = (
  request: LaunchRequest,
  { folders, uid }: BuildOptions,
  fill: (folder: string) => Effect.Effect<void, BuildError>
): Effect.Effect<string, BuildError> => {
  const hash = createHash("sha256").update(request.codePackage).update(`\0${request.type}\0${request.path}`)
  const machine = `${process.platform}-${process.arch}-${process.versions.modules}`
  return folders.once(folders.builds, `${hash.digest("hex").slice(0, 40)}-${machine}`, (folder) =>
    Effect.gen(function* () {
      const sources = path.join(folder, "src")
      yield* disk(() => fs.mkdir(sources))
      yield* unpack(request.codePackage, sources)
      if (uid !== undefined) yield* disk(() => folders.giveTree(folder))
      yield* fill(folder)
    })
  )
}

/** Runs a build tool as the chaincode's user, with the peer's environment less what configures the peer. */
export const buildTool = (
  { environment, folders, gid, uid }: BuildOptions,
  directory: string,
  command: string,
  args: ReadonlyArray<string>,
  further: Environment = {}
): Effect.Effect<void, ToolFailed> =>
  runTool({
    command,
    args,
    directory,
    // another user has no business in the home of the peer's
    environment: { ...toolEnvironment(environment, uid === undefined ? undefined : folders.home), ...further },
    uid,
    gid
  })
