/**
 * Nodes as processes: our own launchers, each in a process group of its own, so that a Ctrl-C at the terminal reaches
 * only us and the nodes are stopped in order.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import { closing } from "../../runtime/closing.js"
import { connect } from "../../transport/index.js"
import { NodeFailed } from "../errors.js"
import { makeFolder } from "../folders.js"
import { type NodeRequest, Nodes, type RunningNode } from "./Nodes.js"

export interface ProcessNodesOptions {
  /** Folder of `orderer.mjs` and `peer.mjs`. */
  readonly home: string
  /** What the nodes inherit besides their own variables. */
  readonly inherited: Readonly<Record<string, string | undefined>>
  /** Arguments of Node itself: profilers, debuggers. */
  readonly nodeArguments?: ReadonlyArray<string>
  /** Leave the nodes running when the scope closes without a failure (`--detach`). */
  readonly detach: boolean
  /** Told of each process. */
  readonly observer: {
    readonly started: (name: string, pid: number) => Effect.Effect<void>
    readonly stopped: (name: string) => Effect.Effect<void>
  }
}

const START = "30 seconds"
const STOP = "10 seconds"

/** The end of a log, for the one line that says why a node did not start. */
const lastLines = (file: string): string => {
  try {
    const lines = readFileSync(file, "utf8").trimEnd().split("\n")
    const error = lines.findIndex((line) => line.startsWith("Error:"))
    return (error >= 0 ? lines.slice(error, error + 3) : lines.slice(-1)).map((line) => line.trim()).join(" ")
  } catch {
    return ""
  }
}

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null

/** SIGTERM, and SIGKILL when that is not heard. */
const stop = (child: ChildProcess, name: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (ended(child)) return
    const exit = () =>
      new Promise<void>((resolve) => {
        child.once("exit", () => resolve())
        child.kill("SIGTERM")
      })
    yield* closing(name, exit, STOP)
    if (!ended(child)) child.kill("SIGKILL")
  })

/** A node in our foreground does not outlive us, even when we end without our releases (a second Ctrl-C). */
const endWithUs = (child: ChildProcess): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        const kill = () => void child.kill("SIGKILL")
        process.once("exit", kill)
        return kill
      }),
      (kill) => Effect.sync(() => process.off("exit", kill))
    )
  )

const start = (
  options: ProcessNodesOptions,
  launcher: string,
  args: ReadonlyArray<string>,
  request: NodeRequest
): Effect.Effect<RunningNode, NodeFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { environment, log, name, port } = request
    const gone = yield* Deferred.make<never, NodeFailed>()
    const fork = Runtime.runFork(yield* Effect.runtime<never>())
    const fail = (reason: string) => fork(Deferred.fail(gone, new NodeFailed({ node: name, reason, log })))
    const child = yield* Effect.acquireRelease(
      Effect.try({
        try: () => {
          makeFolder(dirname(log))
          const out = openSync(log, "a")
          try {
            return spawn(process.execPath, [...(options.nodeArguments ?? []), join(options.home, launcher), ...args], {
              detached: true,
              stdio: ["ignore", out, out],
              env: { ...options.inherited, ...environment }
            })
          } finally {
            closeSync(out)
          }
        },
        catch: (error) =>
          new NodeFailed({
            node: name,
            reason: `could not be started: ${error instanceof Error ? error.message : error}`,
            log
          })
      }),
      (made, exit) =>
        options.detach && Exit.isSuccess(exit)
          ? Effect.sync(() => made.unref())
          : Effect.zipRight(stop(made, name), options.observer.stopped(name))
    )
    if (!options.detach) yield* endWithUs(child)
    child.on("error", (error) => fail(`could not be started: ${error.message}`))
    child.on("exit", (code, signal) => fail(`ended with ${signal ?? code}: ${lastLines(log)}`))
    yield* options.observer.started(name, child.pid ?? 0)
    // the port answers before the service does: the node is up once a connection is ready
    const ready = Effect.scoped(
      connect(`127.0.0.1:${port}`, {
        connectTimeout: START,
        patient: true,
        reconnect: { initial: "20 millis", max: "50 millis" },
        ...tlsOf(request)
      })
    )
    yield* Effect.raceFirst(
      Effect.mapError(
        ready,
        (error) => new NodeFailed({ node: name, reason: `does not answer: ${error.message}`, log })
      ),
      Deferred.await(gone)
    )
    return { name, pid: child.pid ?? 0, failure: Deferred.await(gone) }
  })

/** With TLS on, readiness is asked for with the node's own root. */
const tlsOf = ({ environment, name }: NodeRequest) => {
  const file =
    environment.CORE_PEER_TLS_ROOTCERT_FILE ?? environment.ORDERER_GENERAL_TLS_ROOTCAS?.replace(/^\[|\]$/g, "")
  return file === undefined ? {} : { tls: { rootCerts: [readFileSync(file)], serverNameOverride: name } }
}

export const layer = (options: ProcessNodesOptions): Layer.Layer<Nodes> =>
  Layer.succeed(Nodes, {
    orderer: (request) => start(options, "orderer.mjs", ["start"], request),
    peer: (request) => start(options, "peer.mjs", ["node", "start"], request)
  })
