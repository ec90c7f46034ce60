/**
 * Launches and executes chaincode for the endorser, for calls between chaincodes and for system chaincode deployment.
 * Source: chaincode.md 3.2, 3.9, 3.11 and section 5; core/chaincode/chaincode_support.go.
 */

import { randomUUID } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as Log from "../../runtime/Log.js"
import { Metrics } from "../../runtime/Metrics.js"
import { textOf } from "../../runtime/Stage.js"
import { type CallEvents, type RawHandler, rawHandler } from "../../transport/index.js"
import { protos } from "../../wire/index.js"
import {
  AclProvider,
  ApplicationConfigs,
  ChaincodeDefinitions,
  type ContainerInfo,
  LedgerGetter,
  SystemChaincodes,
  type TxSimulator
} from "../context.js"
import { PackageStore } from "../packages/PackageStore.js"
import { chaincodeTypeName } from "../packages/platforms.js"
import { type ChaincodeRef, ContainerRuntime } from "../runtimes/ContainerRuntime.js"
import { authenticated } from "../server/authenticated.js"
import { ChaincodeServer } from "../server/ChaincodeServer.js"
import { type ChaincodeStream, Handler, type Timer } from "../shim/Handler.js"
import { MessageType } from "../shim/messages.js"
import type { RequestEnvironment } from "../shim/requests.js"
import type { TxParams } from "../shim/TransactionContext.js"
import { canonicalName } from "../text.js"
import { ExecutionFailed, LaunchFailed } from "./errors.js"
import { HandlerRegistry } from "./HandlerRegistry.js"
import { makeInvokeChaincode } from "./invokeChaincode.js"
import { Launcher } from "./Launcher.js"
import { declareMetrics } from "./metrics.js"
import { monotonicMillis, SystemHandler } from "./SystemChaincode.js"
import type { ChaincodeSettings } from "./settings.js"

/** What an execution came to. */
export interface ExecutionResult {
  readonly response: protos.Response
  /** Set by the chaincode; its name and the transaction id are put in by the peer (R48). */
  readonly event: protos.ChaincodeEvent | undefined
}

export interface ChaincodeSupportShape {
  /**
   * Runs a transaction, launching the chaincode when it does not run. Any response of the chaincode is a success here,
   * whatever its status; the failures carry the texts of section 5.2 to 5.5.
   */
  readonly execute: (
    params: TxParams,
    chaincode: ChaincodeRef,
    input: protos.ChaincodeInput
  ) => Effect.Effect<ExecutionResult, ExecutionFailed>
  /**
   * Runs Init of the chaincode in a deployment spec, of the version given: for deploy and upgrade. Nothing is looked up
   * in lscc (R8). Launch failures come without a prefix (5.4).
   */
  readonly executeLegacyInit: (
    params: TxParams,
    chaincode: ChaincodeRef,
    spec: protos.ChaincodeDeploymentSpec
  ) => Effect.Effect<ExecutionResult, ExecutionFailed | LaunchFailed>
  /** Makes sure that the chaincode of this version runs; what to launch is looked up through `simulator` (R7). */
  readonly launch: (
    channelId: string,
    chaincode: ChaincodeRef,
    simulator: TxSimulator | undefined
  ) => Effect.Effect<void, LaunchFailed>
  /** Ends a chaincode's process; its stream ends with it. */
  readonly stop: (chaincode: ChaincodeRef) => Effect.Effect<void>
  /**
   * Runs Init of every registered system chaincode, on a channel or (empty) without one: `DeploySysCCs` (R77).
   * Failures are logged.
   */
  readonly deploySystemChaincodes: (channelId: string, simulator: TxSimulator | undefined) => Effect.Effect<void>
  /** Names of the user chaincodes that have a stream, `name:version`. */
  readonly running: Effect.Effect<ReadonlyArray<string>>
  /** Takes a stream of a chaincode: the handler of the `Register` method. */
  readonly register: RawHandler
}

export class ChaincodeSupport extends Context.Tag("chaincode/support/ChaincodeSupport")<
  ChaincodeSupport,
  ChaincodeSupportShape
>() {}

const log = Log.module("chaincode")

const realTimer: Timer = (milliseconds, callback) => {
  const handle = setTimeout(callback, milliseconds)
  return () => clearTimeout(handle)
}

/** What to launch for a deployment spec (R8). */
const containerInfoOf = ({ chaincodeSpec }: protos.ChaincodeDeploymentSpec, version: string): ContainerInfo => ({
  name: chaincodeSpec?.chaincodeId?.name ?? "",
  version,
  path: chaincodeSpec?.chaincodeId?.path ?? "",
  type: chaincodeTypeName(chaincodeSpec?.type ?? 0)
})

/** What was launched and could not be reached, or did not answer. */
const sendingFailed = (error: ExecutionFailed): ExecutionFailed =>
  error.kind === "launch" ? error : error.within("error sending")

/** `processChaincodeExecutionResult`: what the message that ended a transaction comes to (R48). */
const resultOf = (
  txId: string,
  chaincode: string,
  answer: protos.ChaincodeMessage
): Effect.Effect<ExecutionResult, ExecutionFailed> => {
  const failed = (reason: string) => new ExecutionFailed({ txId, kind: "answer", reason })
  if (answer.type === MessageType.error) {
    return failed(`transaction returned with failure: ${Buffer.from(answer.payload).toString("utf8")}`)
  }
  if (answer.type !== MessageType.completed) {
    return failed(`unexpected response type ${answer.type} for transaction ${txId}`)
  }
  try {
    const event =
      answer.chaincodeEvent === undefined ? undefined : { ...answer.chaincodeEvent, chaincodeId: chaincode, txId }
    return Effect.succeed({ response: protos.Response.decode(answer.payload), event })
  } catch (error) {
    return failed(`failed to unmarshal response for transaction ${txId}: ${textOf(error)}`)
  }
}

/** Made with what the peer provides; serves until its scope closes. */
export const make = (settings: ChaincodeSettings) =>
  Effect.gen(function* () {
    const system = yield* SystemChaincodes
    const acl = yield* AclProvider
    const applications = yield* ApplicationConfigs
    const definitions = yield* ChaincodeDefinitions
    const ledgers = yield* LedgerGetter
    const packages = yield* PackageStore
    const runtime = yield* ContainerRuntime
    const server = yield* ChaincodeServer
    const metrics = declareMetrics(yield* Metrics)
    const scope = yield* Effect.scope
    const now = yield* monotonicMillis
    const handlerLog = yield* log.sync
    const fork = Runtime.runFork(yield* Effect.runtime<never>())

    const admits = (chaincode: string) =>
      settings.devMode || (settings.acceptExternal && packages.isInstalled(chaincode))
    const registry = new HandlerRegistry<Handler>(admits)
    const environment: RequestEnvironment = {
      applications,
      totalQueryLimit: settings.totalQueryLimit,
      newId: randomUUID
    }
    const launcher = new Launcher({
      registry,
      runtime,
      packages,
      metrics,
      settings,
      authenticator: server.authenticator,
      peerAddress: server.endpoint.address,
      now,
      scope
    })
    const systemHandlers = new Map(
      system.registered.map((chaincode) => [
        canonicalName(chaincode.name, system.version),
        new SystemHandler(chaincode, system.version, metrics, environment, now)
      ])
    )

    // ---- Launching -----------------------------------------------------------------------------------------------

    const vanished = (channelId: string, chaincode: string) =>
      new LaunchFailed({
        chaincode,
        reason: `[channel ${channelId}] claimed to start chaincode container for ${chaincode} but could not find handler`
      })

    const launched = (
      channelId: string,
      { name, version }: ChaincodeRef,
      simulator: TxSimulator | undefined
    ): Effect.Effect<Handler, LaunchFailed> => {
      const chaincode = canonicalName(name, version)
      const running = registry.handler(chaincode)
      if (running !== undefined) return Effect.succeed(running)
      const failed = (reason: string) => new LaunchFailed({ chaincode, reason: `[channel ${channelId}] ${reason}` })
      return Effect.gen(function* () {
        const info = yield* definitions.containerInfo(name, simulator).pipe(
          Effect.tapError(() =>
            settings.devMode
              ? log.error(
                  "You are attempting to perform an action other than Deploy on Chaincode that is not ready and you are in developer mode. Did you forget to Deploy your chaincode?"
                )
              : Effect.void
          ),
          Effect.mapError((error) =>
            failed(`failed to get chaincode container info for ${chaincode}: ${error.message}`)
          )
        )
        yield* launcher
          .launch(info)
          .pipe(Effect.mapError((error) => failed(`could not launch chaincode ${chaincode}: ${error.reason}`)))
        return registry.handler(chaincode) ?? (yield* vanished(channelId, chaincode))
      })
    }

    // ---- Executing -----------------------------------------------------------------------------------------------

    const run = (
      handler: Handler,
      params: TxParams,
      type: number,
      input: protos.ChaincodeInput | undefined
    ): Effect.Effect<protos.ChaincodeMessage, ExecutionFailed> => {
      const payload = protos.ChaincodeInput.encode({ args: input?.args ?? [], decorations: params.decorations })
      return handler.execute(params, { type, payload }, settings.executeTimeout)
    }

    const runSystem = (
      handler: SystemHandler,
      params: TxParams,
      type: number,
      args: ReadonlyArray<Uint8Array>
    ): Effect.Effect<protos.ChaincodeMessage, ExecutionFailed> =>
      handler.execute(params, type, args, settings.executeTimeout)

    /** `Invoke`: the message that ends the transaction, whatever it says. Errors are for `sendingFailed`. */
    const invoke = (
      params: TxParams,
      chaincode: ChaincodeRef,
      input: protos.ChaincodeInput
    ): Effect.Effect<protos.ChaincodeMessage, ExecutionFailed> =>
      Effect.suspend(() => {
        const { name, version } = chaincode
        const key = canonicalName(name, version)
        const own = systemHandlers.get(key)
        if (own !== undefined) return runSystem(own, params, MessageType.transaction, input.args)
        const running = registry.handler(key)
        if (running !== undefined) return run(running, params, MessageType.transaction, input)
        return launched(params.channelId, chaincode, params.simulator).pipe(
          Effect.mapError(({ reason }) => new ExecutionFailed({ txId: params.txId, kind: "launch", reason })),
          Effect.flatMap((handler) => run(handler, params, MessageType.transaction, input))
        )
      })

    const execute: ChaincodeSupportShape["execute"] = (params, chaincode, input) =>
      Effect.matchEffect(invoke(params, chaincode, input), {
        onFailure: (error) => sendingFailed(error).within(`failed to execute transaction ${params.txId}`),
        onSuccess: (answer) => resultOf(params.txId, chaincode.name, answer)
      })

    const executeLegacyInit: ChaincodeSupportShape["executeLegacyInit"] = (params, chaincode, spec) =>
      Effect.gen(function* () {
        const { name } = chaincode
        const key = canonicalName(spec.chaincodeSpec?.chaincodeId?.name ?? "", chaincode.version)
        if (registry.handler(key) === undefined) yield* launcher.launch(containerInfoOf(spec, chaincode.version))
        const handler = registry.handler(key) ?? (yield* vanished(params.channelId, key))
        const answer = yield* run(handler, params, MessageType.init, spec.chaincodeSpec?.input).pipe(
          Effect.mapError((error) => sendingFailed(error).within(`failed to execute transaction ${params.txId}`))
        )
        return yield* resultOf(params.txId, name, answer)
      })

    const deploySystemChaincodes: ChaincodeSupportShape["deploySystemChaincodes"] = (channelId, simulator) =>
      Effect.forEach(
        systemHandlers,
        ([name, handler]) => {
          const params: TxParams = {
            txId: randomUUID(),
            channelId,
            signedProposal: undefined,
            proposal: undefined,
            simulator,
            history: undefined,
            decorations: new Map()
          }
          return runSystem(handler, params, MessageType.init, []).pipe(
            Effect.mapError(sendingFailed),
            Effect.flatMap((answer) => resultOf(params.txId, name, answer)),
            Effect.matchEffect({
              onSuccess: () => log.info(`Successfully deployed system chaincode ${name} on channel [${channelId}]`),
              onFailure: (error) => log.error(`Error deploying chaincode spec: ${name}\n\n ${error.message}`)
            })
          )
        },
        { discard: true }
      )

    // ---- Streams -------------------------------------------------------------------------------------------------

    const services = {
      registry,
      metrics,
      environment,
      isSystem: system.isSystem,
      invoke: makeInvokeChaincode({
        system,
        acl,
        definitions,
        ledgers,
        packages,
        invoke: (params, name, version, input) =>
          Effect.mapError(invoke(params, { name, version }, input), sendingFailed)
      }),
      fork: (effect: Effect.Effect<void>) => fork(effect, { scope }),
      timer: realTimer,
      debugged: runtime.debugged ?? (() => false),
      now,
      keepalive: settings.keepalive,
      log: handlerLog
    }
    const open = (stream: ChaincodeStream): CallEvents => new Handler(services, stream).open()
    const { authenticator } = server
    // their connections end with them, and the server below need not wait for that
    yield* Effect.addFinalizer(() => runtime.stopAll)

    return ChaincodeSupport.of({
      execute,
      executeLegacyInit,
      launch: (channelId, chaincode, simulator) => Effect.asVoid(launched(channelId, chaincode, simulator)),
      stop: runtime.stop,
      deploySystemChaincodes,
      running: Effect.sync(() => registry.names),
      register:
        authenticator === undefined
          ? rawHandler(open)
          : rawHandler((call) => authenticated(authenticator, call, open, handlerLog.warning))
    })
  })

/** Stage: chaincode support. */
export const layer = (
  settings: ChaincodeSettings
): Layer.Layer<
  ChaincodeSupport,
  never,
  | SystemChaincodes
  | AclProvider
  | ApplicationConfigs
  | ChaincodeDefinitions
  | LedgerGetter
  | PackageStore
  | ContainerRuntime
  | ChaincodeServer
  | Metrics
> => Layer.scoped(ChaincodeSupport, make(settings))
