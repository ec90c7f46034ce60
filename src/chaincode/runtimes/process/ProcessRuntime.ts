/**
 * Chaincode as processes of this machine (`vm.type: process`): each in its own process group, with a clean environment,
 * under the peer's eyes. Ended with the peer: by the release here, by a watcher in each group when the peer dies
 * without release, and by the marks on disk that the next start finds. Source: chaincode.md R13-R19; issue 7 part 2.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { closingEffect } from "../../../runtime/closing.js"
import * as Log from "../../../runtime/Log.js"
import { canonicalName } from "../../text.js"
import type { ChaincodeRef, LaunchRequest } from "../ContainerRuntime.js"
import { ContainerRuntime, NotRunning, type StartFailed } from "../ContainerRuntime.js"
import { containerName, fileNameOf, type NameParts } from "../names.js"
import { prepareGo, prepareJava } from "./buildCompiled.js"
import { prepareInPlace, prepareNode } from "./buildNode.js"
import { type BuildError, type BuildOptions, type Prepared, refuse } from "./builds.js"
import { CrashLoop, type CrashLoopLimit } from "./crashLoop.js"
import { type DebugPort, openDebugPort } from "./DebugPort.js"
import { chaincodeEnvironment, type Environment } from "./environment.js"
import type { DiskFailed } from "./errors.js"
import { disk } from "./errors.js"
import { Folders } from "./Folders.js"
import { sweep } from "./leftovers.js"
import { exceeded, heapEnvironment } from "./memory.js"
import { type ProcessMark, startTimeOf } from "./owner.js"
import { type KeysExposed, type Secrets, seal } from "./privacy.js"
import { type ProcessLimits, type Supervised, supervise } from "./Supervised.js"
import { onChange, watchedFolder } from "./watch.js"

export interface ProcessRuntimeOptions extends NameParts {
  /** A folder below the peer's, the launcher's own. */
  readonly folder: string
  /** The peer's environment, as data from the launcher. */
  readonly environment: Environment
  /** `vm.process.uid` and `gid`: the user that chaincode runs as; the group is the same number unless it is given. */
  readonly uid?: number
  readonly gid?: number
  /** What that user must not reach. */
  readonly secrets?: Secrets
  readonly limits?: ProcessLimits
  /** A folder of Go binaries made beforehand; see builds.ts. */
  readonly prebuilt?: string
  readonly crashLoop?: CrashLoopLimit
  /** `chaincode.watch`; see watch.ts. */
  readonly watch?: boolean
  /** A debugger port for each Node chaincode: this one for the first, the next ones up for others; 0 takes any. */
  readonly inspect?: number
}

/** Another user was asked for, which only root may give. */
export class UserRefused extends Data.TaggedError("UserRefused")<{ readonly uid: number }> {
  override get message() {
    return `vm.process.uid ${this.uid}: only a peer that runs as root can run chaincode as another user`
  }
}

const log = Log.module("chaincode.process")

/** How long a process has between SIGTERM and SIGKILL when the peer stops. */
const GRACE = Duration.millis(1500)

interface Running {
  readonly debugPort: DebugPort | undefined
  /** What belongs to this process alone: its debugger port, the watch on its folder. */
  readonly scope: Scope.CloseableScope
  readonly key: string
  readonly file: string
  readonly process: Supervised
  alive: boolean
  /** Set when its end is wished for: not a crash. */
  stopping: boolean
}

class ProcessRuntime {
  /** By `name:version`; one that has ended stays until the next start, for those who ask how it ended. */
  private readonly running = new Map<string, Running>()
  private readonly builds = new Map<string, Deferred.Deferred<Prepared, BuildError>>()
  private readonly crashes: CrashLoop
  private starts = 0

  constructor(
    private readonly options: ProcessRuntimeOptions,
    private readonly folders: Folders,
    private readonly scope: Scope.Scope,
    /** The node's log: a start may come from a fiber that knows none. */
    private readonly nodeLog: Log.NodeLog
  ) {
    this.crashes = new CrashLoop(options.crashLoop)
  }

  readonly start = (request: LaunchRequest): Effect.Effect<void, StartFailed> =>
    Effect.gen(this, function* () {
      yield* this.refuseCrashLoop(request)
      yield* this.stop(request)
      const prepared = yield* this.prepared(request)
      yield* this.spawn(request, prepared)
    }).pipe(
      Effect.mapError((error) => (error._tag === "StartFailed" ? error : refuse(request, error.message))),
      Effect.provideService(Log.CurrentLog, this.nodeLog),
      Effect.withSpan("ProcessRuntime.start", { captureStackTrace: false })
    )

  readonly stop = (chaincode: ChaincodeRef): Effect.Effect<void> =>
    Effect.suspend(() => {
      const running = this.running.get(canonicalName(chaincode.name, chaincode.version))
      return running === undefined ? Effect.void : this.kill(running)
    })

  private kill(running: Running): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!running.alive) return Effect.void
      running.stopping = true
      running.process.signal("SIGKILL")
      return closingEffect(`chaincode ${running.key}`, this.gone(running))
    })
  }

  /** Whether a debugger is attached to the chaincode. */
  readonly debugged = (chaincode: string): boolean => this.running.get(chaincode)?.debugPort?.attached() ?? false

  readonly wait = (chaincode: ChaincodeRef): Effect.Effect<number, NotRunning> =>
    Effect.suspend(() => {
      const key = canonicalName(chaincode.name, chaincode.version)
      return this.running.get(key)?.process.exited ?? new NotRunning({ chaincode: key })
    })

  /** Ends everything that still runs: first politely. */
  readonly stopAll: Effect.Effect<void> = Effect.suspend(() => {
    const alive = [...this.running.values()].filter((running) => running.alive)
    for (const running of alive) {
      running.stopping = true
      running.process.signal("SIGTERM")
    }
    const end = (running: Running) =>
      this.gone(running).pipe(
        Effect.timeoutOption(GRACE),
        Effect.flatMap((gone) => (Option.isSome(gone) ? Effect.void : this.kill(running)))
      )
    return closingEffect("chaincode processes", Effect.forEach(alive, end, { concurrency: "unbounded", discard: true }))
  })

  // ---- Building --------------------------------------------------------------------------------------------------

  /** One build at a time per package; it goes on when the launch that asked for it gives up. */
  private prepared(request: LaunchRequest): Effect.Effect<Prepared, BuildError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen(this, function* () {
        const key = canonicalName(request.name, request.version)
        const under = this.builds.get(key)
        if (under !== undefined) return yield* restore(Deferred.await(under))
        const done = yield* Deferred.make<Prepared, BuildError>()
        this.builds.set(key, done)
        yield* this.prepare(request).pipe(
          Effect.interruptible,
          Effect.intoDeferred(done),
          Effect.ensuring(Effect.sync(() => this.builds.delete(key))),
          Effect.forkIn(this.scope)
        )
        return yield* restore(Deferred.await(done))
      })
    )
  }

  private prepare(request: LaunchRequest): Effect.Effect<Prepared, BuildError> {
    const { environment, gid, prebuilt, uid, watch } = this.options
    const options: BuildOptions = { folders: this.folders, environment, prebuilt: prebuilt ?? "", uid, gid }
    switch (request.type) {
      case "NODE":
        if (watch !== true) return prepareNode(request, options)
        return Effect.flatMap(
          Effect.promise(() => watchedFolder(request)),
          (folder) =>
            folder === undefined
              ? Effect.zipRight(
                  log.warning(
                    `Chaincode ${canonicalName(request.name, request.version)} is not watched: its package was made of "${request.path}", which is no Node project on this machine`
                  ),
                  prepareNode(request, options)
                )
              : prepareInPlace(request, options, folder)
        )
      case "GOLANG":
        return prepareGo(request, options)
      case "JAVA":
        return prepareJava(request, options)
      case "CAR":
        return refuse(
          request,
          "CAR packages need chaintool, which is not here: package the chaincode as golang instead"
        )
      default:
        return refuse(request, `unknown chaincodeType: ${request.type}`)
    }
  }

  // ---- Running ---------------------------------------------------------------------------------------------------

  private spawn(request: LaunchRequest, prepared: Prepared): Effect.Effect<void, StartFailed | DiskFailed> {
    return Effect.flatMap(Scope.fork(this.scope, ExecutionStrategy.sequential), (scope) =>
      this.spawnIn(request, prepared, scope).pipe(
        Effect.onError(() => Scope.close(scope, Exit.void)),
        Effect.uninterruptible // between the start and its entry in the books nothing may come
      )
    )
  }

  private spawnIn(
    request: LaunchRequest,
    prepared: Prepared,
    scope: Scope.CloseableScope
  ): Effect.Effect<void, StartFailed | DiskFailed> {
    return Effect.gen(this, function* () {
      const { options } = this
      const { name, version } = request
      const key = canonicalName(name, version)
      // a name of its own for each start: what clears away after an old process never meets a new one's files
      this.starts += 1
      const file = `${fileNameOf(options, name, version)}-${this.starts}`
      const environment = yield* this.environmentOf(request, file)
      const debugPort = yield* Scope.extend(this.debugPortOf(request), scope)
      const lines = yield* Log.module(`peer.chaincode.${containerName(options, name, version)}`).sync
      const started = yield* supervise({
        chaincode: key,
        command: prepared.command,
        directory: prepared.directory,
        environment: {
          ...environment,
          ...prepared.environment,
          ...heapEnvironment(
            request.type,
            options.limits?.memory,
            debugPort === undefined ? undefined : `--inspect=127.0.0.1:${debugPort.innerPort}`
          )
        },
        uid: options.uid,
        gid: options.gid,
        limits: options.limits ?? {},
        log: lines
      })
      const running: Running = { debugPort, scope, key, file, process: started, alive: true, stopping: false }
      this.running.set(key, running)
      yield* this.watch(running).pipe(Effect.interruptible, Effect.forkIn(this.scope))
      const memory = options.limits?.memory
      if (memory !== undefined) yield* this.endBeyond(running, memory).pipe(Effect.interruptible, Effect.forkIn(scope))
      const startTime = yield* Effect.promise(() => startTimeOf(started.pid))
      if (startTime !== undefined) {
        const content: ProcessMark = { pid: started.pid, startTime }
        yield* disk(() => fs.writeFile(this.markOf(file), JSON.stringify(content), { mode: 0o600 }))
      }
      if (prepared.inPlace === true) yield* this.restartOnChange(running, prepared.directory)
      yield* log.info(`Started chaincode ${key}`, { pid: started.pid })
    })
  }

  private debugPortOf({ name, type, version }: LaunchRequest) {
    return Effect.gen(this, function* () {
      const { inspect } = this.options
      if (inspect === undefined || type !== "NODE") return undefined
      const taken = [...this.running.values()].filter(({ alive, debugPort }) => alive && debugPort !== undefined).length
      const debugPort = yield* openDebugPort(canonicalName(name, version), inspect === 0 ? 0 : inspect + taken)
      yield* log.info(`Debuggers of chaincode ${name}:${version} connect to 127.0.0.1:${debugPort.port}`)
      return debugPort
    })
  }

  private restartOnChange(running: Running, folder: string): Effect.Effect<void> {
    const { key } = running
    return Effect.gen(this, function* () {
      const { info } = yield* log.sync
      const end = () => {
        if (!running.alive || running.stopping) return
        info(`Chaincode ${key} has changed in ${folder}: it ends, the next invocation starts it anew`)
        running.stopping = true
        running.process.signal("SIGKILL")
      }
      yield* Scope.extend(onChange(folder, end), running.scope)
      yield* log.warning(`Chaincode ${key} runs in ${folder}, not from its package (chaincode.watch)`)
    })
  }

  /** More memory than it may hold is the chaincode's own fault: it counts as a crash. */
  private endBeyond({ key, process: started }: Running, memory: number): Effect.Effect<void> {
    return Effect.flatMap(exceeded(started.pid, memory), (held) =>
      Effect.zipRight(
        log.error(
          `Chaincode ${key} holds ${held} bytes of memory, more than the ${memory} of vm.process.memory: it ends`
        ),
        Effect.sync(() => started.signal("SIGKILL"))
      )
    )
  }

  private markOf(file: string): string {
    return path.join(this.folders.marks, `${file}.json`)
  }

  private environmentOf(request: LaunchRequest, file: string): Effect.Effect<Environment, DiskFailed> {
    const { folders, options } = this
    const { credentials } = request
    if (credentials === undefined) {
      return Effect.succeed(chaincodeEnvironment(request, undefined, options.environment, folders.home))
    }
    const files = {
      "client.key": credentials.clientKey,
      "client.crt": credentials.clientCertificate,
      "peer.crt": credentials.rootCertificate
    }
    return Effect.map(
      disk(() => folders.privateFiles(file, files)),
      (folder) => {
        const place = (name: keyof typeof files) => path.join(folder, name)
        const tls = {
          clientKey: place("client.key"),
          clientCertificate: place("client.crt"),
          rootCertificate: place("peer.crt")
        }
        return chaincodeEnvironment(request, tls, options.environment, folders.home)
      }
    )
  }

  /** Waits for the end of a process and removes its traces. */
  private gone(running: Running): Effect.Effect<number> {
    return Effect.tap(running.process.exited, () => {
      running.alive = false
      const remove = async () => {
        await fs.rm(this.markOf(running.file), { force: true })
        await this.folders.removePrivateFiles(running.file)
      }
      return Effect.zipRight(Scope.close(running.scope, Exit.void), Effect.ignore(disk(remove)))
    })
  }

  /** An end that nobody asked for counts against the chaincode. */
  private watch(running: Running): Effect.Effect<void> {
    return Effect.gen(this, function* () {
      const code = yield* this.gone(running)
      const { key } = running
      if (running.stopping) return yield* log.debug(`Chaincode ${key} ended with ${code}`)
      this.crashes.add(key, yield* Clock.currentTimeMillis)
      yield* log.warning(`Chaincode ${key} ended by itself with ${code}`)
    })
  }

  private refuseCrashLoop(request: LaunchRequest): Effect.Effect<void, StartFailed> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const refusal = this.crashes.refusal(canonicalName(request.name, request.version), now)
      return refusal === undefined ? Effect.void : refuse(request, refusal)
    })
  }
}

/** `vm.type: process`. */
export const layer = (
  given: ProcessRuntimeOptions
): Layer.Layer<ContainerRuntime, DiskFailed | UserRefused | KeysExposed> =>
  Layer.scoped(
    ContainerRuntime,
    Effect.gen(function* () {
      const { uid } = given
      const gid = given.gid ?? uid // without a group of its own chaincode would keep the peer's
      const options = { ...given, ...(gid === undefined ? {} : { gid }) }
      if (uid !== undefined && process.getuid?.() !== 0 && process.getuid?.() !== uid)
        return yield* new UserRefused({ uid })
      if (uid === undefined) {
        yield* log.warning(
          "Chaincode runs as the peer's own user and can read its keys and ledgers: set vm.process.uid and vm.process.gid"
        )
      }
      if (uid !== undefined && gid !== undefined && options.secrets !== undefined)
        yield* seal(options.secrets, { uid, gid })
      const folders = new Folders(options.folder, { uid, gid })
      yield* folders.open
      yield* sweep(folders)
      const runtime = new ProcessRuntime(options, folders, yield* Effect.scope, yield* Log.CurrentLog)
      yield* Effect.addFinalizer(() => runtime.stopAll)
      return ContainerRuntime.of({
        kind: "process",
        start: runtime.start,
        stop: runtime.stop,
        stopAll: runtime.stopAll,
        wait: runtime.wait,
        debugged: runtime.debugged,
        healthy: Effect.void
      })
    })
  )
