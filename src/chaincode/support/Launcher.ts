/**
 * Brings chaincode up: one launch at a time per chaincode, everyone else waits for it. A launch belongs to the service,
 * not to the call that asked first: that caller may go away.
 * Source: chaincode.md R9-R12, R16, T13, T31; core/chaincode/runtime_launcher.go.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Log from "../../runtime/Log.js"
import type { ContainerInfo } from "../context.js"
import type { PackageStore } from "../packages/PackageStore.js"
import { platformOf } from "../packages/platforms.js"
import type { ContainerRuntime, LaunchRequest } from "../runtimes/ContainerRuntime.js"
import type { Authenticator } from "../server/Authenticator.js"
import type { Handler } from "../shim/Handler.js"
import { canonicalName } from "../text.js"
import { LaunchFailed } from "./errors.js"
import type { HandlerRegistry, LaunchState } from "./HandlerRegistry.js"
import type { ChaincodeMetrics } from "./metrics.js"
import type { ChaincodeSettings } from "./settings.js"

const log = Log.module("chaincode")

export interface LauncherServices {
  readonly registry: HandlerRegistry<Handler>
  readonly runtime: ContainerRuntime["Type"]
  readonly packages: PackageStore["Type"]
  readonly metrics: ChaincodeMetrics
  readonly settings: ChaincodeSettings
  /** Makes client certificates; undefined without TLS. */
  readonly authenticator: Authenticator | undefined
  /** What chaincode dials. */
  readonly peerAddress: string
  readonly now: () => number
  readonly scope: Scope.Scope
}

/** The environment of R16 without its TLS lines, in order, and what the image would add. */
export const commonEnvironment = (
  settings: ChaincodeSettings,
  chaincode: string
): ReadonlyArray<readonly [key: string, value: string]> => [
  ["CORE_CHAINCODE_LOGGING_LEVEL", settings.logLevel],
  ["CORE_CHAINCODE_LOGGING_SHIM", settings.shimLogLevel],
  ["CORE_CHAINCODE_LOGGING_FORMAT", settings.logFormat],
  ["CORE_CHAINCODE_ID_NAME", chaincode],
  ["CORE_CHAINCODE_BUILDLEVEL", settings.peerVersion]
]

export class Launcher {
  constructor(private readonly services: LauncherServices) {}

  /** Succeeds when the chaincode is ready; whoever comes second waits for the first. */
  readonly launch = (info: ContainerInfo): Effect.Effect<void, LaunchFailed> =>
    Effect.suspend(() => {
      const { metrics, now, registry, scope } = this.services
      const chaincode = canonicalName(info.name, info.version)
      const since = now()
      const { first, state } = registry.launching(chaincode)
      const observe = (success: boolean) =>
        Effect.sync(() =>
          metrics.launchDuration.with({ chaincode, success: String(success) }).observe((now() - since) / 1000)
        )
      if (!first) {
        // those who wait count as successes, whatever they are told (T31)
        return state.result.pipe(
          Effect.mapError(({ reason }) => failed(chaincode, `chaincode registration failed: ${reason}`)),
          Effect.ensuring(observe(true))
        )
      }
      return Effect.gen(this, function* () {
        const done = yield* Deferred.make<void, LaunchFailed>()
        yield* this.bringUp(info, chaincode, state).pipe(
          Effect.tapBoth({ onSuccess: () => observe(true), onFailure: () => observe(false) }),
          Effect.onInterrupt(() => Effect.sync(() => state.fail(failed(chaincode, "the peer is stopping")))),
          Effect.intoDeferred(done),
          Effect.forkIn(scope)
        )
        return yield* Deferred.await(done)
      })
    })

  private bringUp(info: ContainerInfo, chaincode: string, state: LaunchState): Effect.Effect<void, LaunchFailed> {
    const { metrics, registry, runtime, settings } = this.services
    const registered = state.result.pipe(
      Effect.mapError(({ reason }) => failed(chaincode, `chaincode registration failed: ${reason}`))
    )
    const run = Effect.gen(this, function* () {
      const request = yield* this.requestOf(info, chaincode)
      const startFailure = yield* Deferred.make<never, LaunchFailed>()
      const refuse = (reason: string) => {
        metrics.launchFailures.with({ chaincode }).add(1)
        return Deferred.fail(startFailure, failed(chaincode, `error starting container: ${reason}`))
      }
      if (platformOf(info.type) === undefined) yield* refuse(`unknown chaincodeType: ${info.type}`)
      else {
        yield* runtime.start(request).pipe(
          Effect.matchEffect({
            onFailure: (error) => refuse(`error starting container: ${error.message}`),
            onSuccess: () =>
              Effect.match(runtime.wait(info), {
                onFailure: (error) =>
                  state.fail(failed(chaincode, `failed to wait on container exit: ${error.message}`)),
                onSuccess: (code) => state.fail(failed(chaincode, `container exited with ${code}`))
              })
          }),
          Effect.forkScoped
        )
      }
      yield* Effect.raceFirst(registered, Deferred.await(startFailure))
    })
    return Effect.scoped(run).pipe(
      Effect.timeoutFail({
        duration: Duration.millis(settings.startupTimeout),
        onTimeout: () => {
          metrics.launchTimeouts.with({ chaincode }).add(1)
          return failed(chaincode, `timeout expired while starting chaincode ${chaincode} for transaction`)
        }
      }),
      Effect.tapError((error) =>
        Effect.gen(function* () {
          state.fail(error)
          yield* log.debug(`stopping due to error while launching: ${error.reason}`)
          yield* runtime.stop(info)
          registry.abandon(chaincode, state) // last: the next launch must not meet this stop
        })
      ),
      Effect.withSpan("ChaincodeSupport.launch", { captureStackTrace: false, attributes: { chaincode } })
    )
  }

  private requestOf(info: ContainerInfo, chaincode: string): Effect.Effect<LaunchRequest, LaunchFailed> {
    const { authenticator, packages, peerAddress, settings } = this.services
    return packages.codePackage(info.name, info.version).pipe(
      Effect.mapError((error) => failed(chaincode, `failed to get chaincode package: ${error.message}`)),
      Effect.map((codePackage) => ({
        ...info,
        codePackage,
        peerAddress,
        environment: commonEnvironment(settings, chaincode),
        credentials: authenticator?.generate(chaincode)
      }))
    )
  }
}

const failed = (chaincode: string, reason: string): LaunchFailed => new LaunchFailed({ chaincode, reason })
