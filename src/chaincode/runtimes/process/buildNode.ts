/**
 * Node packages: dependencies are installed once per package, and packages with the same lock file share them. The
 * offline cache is tried first where a lock file says exactly what is needed. Source: chaincode.md R17, R19.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Log from "../../../runtime/Log.js"
import type { LaunchRequest } from "../ContainerRuntime.js"
import { type BuildError, type BuildOptions, buildOnce, buildTool, type Prepared, refuse } from "./builds.js"
import { searchPathOf } from "./environment.js"
import type { DiskFailed, ToolFailed } from "./errors.js"
import { disk } from "./errors.js"
import { exists } from "./Folders.js"
import { dependenciesKey, type NodeProject, parseProject, scriptEnvironment, startCommand } from "./nodeProject.js"

const log = Log.module("chaincode.process")

const LOCK_FILES = ["npm-shrinkwrap.json", "package-lock.json"]
const COMMON = ["--omit=dev", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]

const readProject = (request: LaunchRequest, directory: string): Effect.Effect<NodeProject, BuildError> =>
  Effect.gen(function* () {
    const text = yield* disk(() => fs.readFile(path.join(directory, "package.json"), "utf8")).pipe(
      Effect.mapError(() => refuse(request, "no package.json found at the root of the chaincode package"))
    )
    return (
      parseProject(text) ?? (yield* refuse(request, "the package.json of the chaincode package is not a JSON object"))
    )
  })

/** Installs what `directory/package.json` asks for into `directory/node_modules`. */
const install = (options: BuildOptions, directory: string, locked: boolean): Effect.Effect<void, ToolFailed> => {
  const npm = (...args: ReadonlyArray<string>) => buildTool(options, directory, "npm", [...args, ...COMMON])
  const online = npm("install", "--prefer-offline")
  if (!locked) return online
  const next = (what: string, step: Effect.Effect<void, ToolFailed>) => (error: ToolFailed) =>
    Effect.zipRight(log.debug(`${what} did not install the dependencies: ${error.message}`), step)
  // a lock file that disagrees with package.json is refused by `ci`; the reference's plain install would have taken it
  return npm("ci", "--offline").pipe(
    Effect.catchAll(next("npm ci --offline", npm("ci", "--prefer-offline"))),
    Effect.catchAll(next("npm ci", online))
  )
}

/** Dependencies that other packages with the same files share; a link is put into `directory`. */
const linkShared = (
  options: BuildOptions,
  directory: string,
  files: ReadonlyArray<string>
): Effect.Effect<void, ToolFailed | DiskFailed> =>
  Effect.gen(function* () {
    const { folders, uid } = options
    const contents = yield* disk(() => Promise.all(files.map((file) => fs.readFile(path.join(directory, file)))))
    const key = dependenciesKey(files.flatMap((file, index) => [file, contents[index] ?? ""]))
    const shared = yield* folders.once(folders.modules, key, (folder) =>
      Effect.gen(function* () {
        for (const [index, file] of files.entries()) {
          yield* disk(() => fs.writeFile(path.join(folder, file), contents[index] ?? ""))
        }
        if (uid !== undefined) yield* disk(() => folders.giveTree(folder))
        yield* install(options, folder, true)
        yield* disk(() => fs.mkdir(path.join(folder, "node_modules"), { recursive: true }))
      })
    )
    // <root>/builds/<key>/src/node_modules, relative: the peer's folder may be moved
    const target = path.join("..", "..", "..", "modules", path.basename(shared), "node_modules")
    yield* disk(() => fs.symlink(target, path.join(directory, "node_modules")))
  })

const installDependencies = (request: LaunchRequest, options: BuildOptions, folder: string) =>
  Effect.gen(function* () {
    const directory = path.join(folder, "src")
    const project = yield* readProject(request, directory)
    if (!project.hasDependencies && !project.needsSources) return
    const there = yield* disk(() => fs.readdir(directory))
    const locks = LOCK_FILES.filter((file) => there.includes(file))
    const bound = project.needsSources || there.includes("node_modules") || there.includes("binding.gyp")
    yield* log.info(`Installing the dependencies of chaincode ${request.name}:${request.version}`)
    if (bound || locks.length === 0) yield* install(options, directory, locks.length > 0)
    else {
      const files = ["package.json", ...locks, ...there.filter((file) => file === ".npmrc")]
      yield* linkShared(options, directory, files)
    }
  })

/** A Node package, ready to start: working directory is its `src/`. */
export const prepareNode = (request: LaunchRequest, options: BuildOptions): Effect.Effect<Prepared, BuildError> =>
  Effect.gen(function* () {
    const folder = yield* buildOnce(request, options, (unfinished) => installDependencies(request, options, unfinished))
    const directory = path.join(folder, "src")
    return yield* nodeCommand(request, options, directory)
  })

/** A Node project run where it lies; dependencies are installed there when there are none yet. */
export const prepareInPlace = (
  request: LaunchRequest,
  options: BuildOptions,
  folder: string
): Effect.Effect<Prepared, BuildError> =>
  Effect.gen(function* () {
    const project = yield* readProject(request, folder)
    const there = yield* disk(() => fs.readdir(folder))
    if (project.hasDependencies && !there.includes("node_modules")) {
      yield* install(
        options,
        folder,
        LOCK_FILES.some((file) => there.includes(file))
      )
    }
    return { ...(yield* nodeCommand(request, options, folder)), inPlace: true }
  })

/** The start command of the Node project in a folder whose dependencies are installed. */
const nodeCommand = (
  request: LaunchRequest,
  options: Pick<BuildOptions, "environment">,
  directory: string
): Effect.Effect<Prepared, BuildError> =>
  Effect.gen(function* () {
    const project = yield* readProject(request, directory)
    const [hasServerJs, hasNpmrc] = yield* disk(() =>
      Promise.all([exists(path.join(directory, "server.js")), exists(path.join(directory, ".npmrc"))])
    )
    return {
      command: startCommand(project, hasServerJs, hasNpmrc, request.peerAddress),
      directory,
      environment: scriptEnvironment(project, directory, searchPathOf(options.environment))
    }
  })
