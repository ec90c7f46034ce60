/**
 * Where chaincode runs: one interface, media beside it (process, docker, user). A runtime starts, watches and ends; who
 * may register and when a launch has succeeded is not its business. Source: chaincode.md R13-R18.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { ChaincodeCredentials } from "../server/Authenticator.js"

/** What names a chaincode to a runtime. */
export interface ChaincodeRef {
  readonly name: string
  readonly version: string
}

/** Everything that a start needs. */
export interface LaunchRequest extends ChaincodeRef {
  /** `GOLANG`, `NODE`, `JAVA` or `CAR`. */
  readonly type: string
  /** The path in the chaincode spec: the import path of Go code. */
  readonly path: string
  readonly codePackage: Uint8Array
  /** What chaincode dials. */
  readonly peerAddress: string
  /** R16 without the TLS lines, in order. */
  readonly environment: ReadonlyArray<readonly [key: string, value: string]>
  /** Present with TLS. */
  readonly credentials: ChaincodeCredentials | undefined
}

/** A chaincode could not be started. */
export class StartFailed extends Data.TaggedError("StartFailed")<{
  readonly chaincode: string
  readonly reason: string
}> {
  override get message() {
    return this.reason
  }
}

/** The end of a chaincode cannot be waited for. */
export class NotRunning extends Data.TaggedError("NotRunning")<{
  readonly chaincode: string
  readonly reason?: string
}> {
  override get message() {
    return this.reason ?? `chaincode ${this.chaincode} is not running`
  }
}

export class ContainerRuntime extends Context.Tag("chaincode/runtimes/ContainerRuntime")<
  ContainerRuntime,
  {
    /** `vm.type`: for health checks and log lines. */
    readonly kind: "process" | "user" | "docker"
    /**
     * Starts the chaincode; a leftover of the same name is ended first. Succeeds when the process runs, which says
     * nothing about its registration. Building what the package needs happens here and outlives an interrupted start.
     */
    readonly start: (request: LaunchRequest) => Effect.Effect<void, StartFailed>
    /** Ends the chaincode at once; succeeds when it is gone or never was. */
    readonly stop: (chaincode: ChaincodeRef) => Effect.Effect<void>
    /** Ends what must not outlive the peer: all processes; containers stay, as in the reference (R14). */
    readonly stopAll: Effect.Effect<void>
    /** Waits for the end of a started chaincode: its exit code, 128 + n for signal n. */
    readonly wait: (chaincode: ChaincodeRef) => Effect.Effect<number, NotRunning>
    /** Whether a debugger is attached to `name:version`: its executions then have no limit. */
    readonly debugged?: (chaincode: string) => boolean
    /** Why the runtime cannot work at the moment; succeeds when it can. */
    readonly healthy: Effect.Effect<void, StartFailed>
  }
>() {}
