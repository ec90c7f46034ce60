/**
 * Running a proposal's chaincode and collecting what it would change. Everything that fails here is an answer of status
 * 500, not a broken call.
 * Source: peer-endorse-validate.md 3.4 rules 7-13; SimulateProposal and callChaincode in core/endorser/endorser.go.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { chaincodeTypeName, validateDeploymentSpec } from "../../chaincode/packages/platforms.js"
import type { ExecutionResult } from "../../chaincode/support/ChaincodeSupport.js"
import { andThen, isSuccess, using } from "../../runtime/eager.js"
import * as Log from "../../runtime/Log.js"
import { textOf } from "../../runtime/Stage.js"
import type { CheckedProposal } from "../../validation/index.js"
import { type ccprovider, protos } from "../../wire/index.js"
import { toText } from "../../wire/protoutil.js"
import { EndorsementFailed } from "../errors.js"
import { isSystem } from "../scc/names.js"
import { decorate } from "./decorators.js"
import { assemblePrivateData } from "./privateData.js"
import type { EndorserChannel, EndorserSupport, Simulator } from "./support.js"

const simulateLog = Log.module("endorser", "SimulateProposal")

export interface SimulatedProposal extends ExecutionResult {
  /** The chaincode's definition on the channel; undefined for system chaincodes. */
  readonly definition: ccprovider.ChaincodeData | undefined
  /** `rwset.TxReadWriteSet`; undefined without a simulator. */
  readonly results: Uint8Array | undefined
}

type TxParams = Parameters<EndorserSupport["chaincode"]["execute"]>[0]
type Result<A> = Effect.Effect<A, EndorsementFailed>

const failed = (reason: string, cause?: unknown): EndorsementFailed => new EndorsementFailed({ reason, cause })
const decode = <A>(what: string, read: () => A): Result<A> =>
  Effect.try({ try: read, catch: (error) => failed(`error unmarshaling ${what}: ${textOf(error)}`, error) })

/** A chaincode reports a status from here on as an error: it is not endorsed. */
export const ERROR_THRESHOLD = 400

/** Neither reads through a simulator: one that they held would keep commits waiting (trap 30). */
const withoutSimulator: ReadonlySet<string> = new Set(["qscc", "cscc"])

/** What a proposal hands to its chaincode. */
const inputOf = (checked: CheckedProposal): Either.Either<protos.ChaincodeInput, EndorsementFailed> => {
  let reading = "ChaincodeProposalPayload"
  try {
    const payload = protos.ChaincodeProposalPayload.decode(checked.proposal.payload)
    reading = "ChaincodeInvocationSpec"
    const input = protos.ChaincodeInvocationSpec.decode(payload.input).chaincodeSpec?.input
    // the reference dereferences both without looking
    return input === undefined ? Either.left(failed("the proposal has no chaincode input")) : Either.right(input)
  } catch (error) {
    return Either.left(failed(`error unmarshaling ${reading}: ${textOf(error)}`, error))
  }
}

/** The installed package's spec without code and with the client's arguments: what Init is called with. */
const sanitizedSpec = (
  support: EndorserSupport,
  request: protos.ChaincodeDeploymentSpec
): Result<{ readonly spec: protos.ChaincodeDeploymentSpec; readonly name: string; readonly version: string }> =>
  Effect.gen(function* () {
    const wanted = request.chaincodeSpec?.chaincodeId
    if (wanted === undefined) return yield* failed("chaincode id is missing in the deployment spec")
    const found = yield* Effect.mapError(support.packages.get(wanted.name, wanted.version), (error) =>
      failed(
        `cannot deploy a chaincode which is not installed: could not get chaincode from fs: ${error.message}`,
        error
      )
    )
    const { name, spec, version } = found
    const { input } = request.chaincodeSpec ?? {}
    const chaincodeSpec = protos.ChaincodeSpec.create({ ...spec.chaincodeSpec, input })
    return { spec: { ...spec, codePackage: new Uint8Array(), chaincodeSpec }, name, version }
  })

/** After lscc has written the record: Init on the same simulator. Its answer is dropped, only a failure counts (trap 22). */
const runInit = (support: EndorserSupport, params: TxParams, specBytes: Uint8Array): Result<void> =>
  Effect.gen(function* () {
    const request = yield* decode("ChaincodeDeploymentSpec", () => protos.ChaincodeDeploymentSpec.decode(specBytes))
    yield* Effect.mapError(
      validateDeploymentSpec(chaincodeTypeName(request.chaincodeSpec?.type ?? 0), request.codePackage),
      (error) => failed(error.message, error)
    )
    const { name, spec, version } = yield* sanitizedSpec(support, request)
    if (isSystem(name)) return yield* failed(`attempting to deploy a system chaincode ${name}/${params.channelId}`)
    yield* Effect.mapError(support.chaincode.executeLegacyInit(params, { name, version }, spec), (error) => {
      support.metrics.initFailed.with({ channel: params.channelId, chaincode: `${name}:${version}` }).add(1)
      return failed(error.message, error)
    })
  })

const isDeployment = (name: string, args: ReadonlyArray<Uint8Array>): boolean => {
  const [action] = args
  if (name !== "lscc" || action === undefined || args.length < 3) return false
  const text = toText(action)
  return text === "deploy" || text === "upgrade"
}

/** Calls the chaincode, Init of what it deploys as well, and goes on with the result. */
const call = <A>(
  support: EndorserSupport,
  params: TxParams,
  chaincode: { readonly name: string; readonly version: string },
  input: protos.ChaincodeInput,
  next: (result: ExecutionResult) => Result<A>
): Result<A> => {
  const { channelId, txId } = params
  const { log } = support
  const tells = log.enabled("info")
  const at = `[${channelId}][${txId.slice(0, 8)}]`
  if (tells) log.info(`${at} Entry chaincode: name:"${chaincode.name}" `)
  const started = performance.now()
  const left = (): void => {
    if (!tells) return
    log.info(`${at} Exit chaincode: name:"${chaincode.name}"  (${Math.round(performance.now() - started)}ms)`)
  }
  const broken = (error: { readonly message: string }): Result<never> =>
    Effect.zipRight(
      simulateLog.error(`${at} failed to invoke chaincode name:"${chaincode.name}" , error: ${error.message}`),
      failed(error.message, error)
    )
  return Effect.matchEffect(support.chaincode.execute(params, chaincode, input), {
    onFailure: (error): Result<A> => {
      left()
      return broken(error)
    },
    onSuccess: (result) => {
      left()
      if (result.response.status >= ERROR_THRESHOLD) return next({ response: result.response, event: undefined })
      const [, , spec] = input.args
      return spec !== undefined && isDeployment(chaincode.name, input.args)
        ? Effect.matchEffect(runInit(support, params, spec), { onFailure: broken, onSuccess: () => next(result) })
        : next(result)
    }
  })
}

/** The read-write set; private writes go their own way first. The simulator is let go before anybody else is asked. */
const collect = (
  support: EndorserSupport,
  channelId: string,
  channel: EndorserChannel,
  txId: string,
  chaincode: string,
  simulator: Simulator
): Result<Uint8Array> => {
  let results: ReturnType<Simulator["getTxSimulationResults"]>
  try {
    results = simulator.getTxSimulationResults()
  } catch (error) {
    return failed(textOf(error), error)
  }
  if (results.private === undefined) {
    simulator.done()
    return Effect.succeed(results.public)
  }
  if (chaincode === "lscc") return failed("Private data is forbidden to be used in instantiate")
  const assembled = assemblePrivateData(
    results.private,
    (namespace, key) => simulator.getState(namespace, key),
    channel.height()
  )
  simulator.done()
  if (Either.isLeft(assembled)) return failed(`failed to obtain collections config: ${assembled.left}`)
  const { right: data } = assembled
  return Effect.mapBoth(support.distributePrivateData(channelId, txId, data, data.endorsedAt), {
    onFailure: (error) => failed(error.message, error),
    onSuccess: () => results.public
  })
}

/** The chaincode's definition on the channel, whose instantiation policy is the installed package's. */
const definitionOf = (
  support: EndorserSupport,
  name: string,
  simulator: Simulator | undefined
): Result<ccprovider.ChaincodeData | undefined> => {
  if (isSystem(name)) return Effect.succeed(undefined)
  const found = support.definitions.definition(name, simulator)
  const definition: Result<ccprovider.ChaincodeData> = isSuccess(found)
    ? found
    : Effect.mapError(found, (error) =>
        failed(
          `make sure the chaincode ${name} has been successfully instantiated and try again: ${error.message}`,
          error
        )
      )
  return andThen(definition, (known) => {
    const checked = support.packages.checkInstantiationPolicy(name, known.version, known.instantiationPolicy)
    return isSuccess(checked)
      ? Effect.succeed(known)
      : Effect.mapBoth(checked, { onFailure: (error) => failed(error.message, error), onSuccess: () => known })
  })
}

/** What is known already is not given to the runtime. */
const refusedAs500 = <A>(effect: Effect.Effect<A, { readonly message: string }>): Result<A> =>
  isSuccess(effect) ? effect : Effect.mapError(effect, (error) => failed(error.message, error))

const noHistory: Result<undefined> = Effect.succeed(undefined)

const run = (
  support: EndorserSupport,
  checked: CheckedProposal,
  channel: EndorserChannel | undefined,
  simulator: Simulator | undefined
): Result<SimulatedProposal> => {
  const { channelId, txId } = checked.channelHeader
  const { name } = checked.chaincodeId
  const history: Result<TxParams["history"]> =
    channel === undefined || simulator === undefined ? noHistory : refusedAs500(channel.newHistoryQueryExecutor)
  return andThen(history, (history) => {
    const input = inputOf(checked)
    if (Either.isLeft(input)) return input.left
    return andThen(definitionOf(support, name, simulator), (definition) => {
      let decorations: TxParams["decorations"]
      try {
        decorations = decorate(support.decorators, checked.proposal)
      } catch (error) {
        return failed(textOf(error), error)
      }
      const { proposal, signed: signedProposal } = checked
      const params: TxParams = { txId, channelId, signedProposal, proposal, simulator, history, decorations }
      const version = definition?.version ?? support.systemVersion
      return call(support, params, { name, version }, input.right, ({ event, response }): Result<SimulatedProposal> => {
        if (channel === undefined || simulator === undefined)
          return Effect.succeed({ response, event, definition, results: undefined })
        return andThen(collect(support, channelId, channel, txId, name, simulator), (results) =>
          Effect.succeed({ response, event, definition, results })
        )
      })
    })
  })
}

/**
 * Rules 7 to 12. The simulator holds a snapshot: it is let go however the call ends. One step follows the other at once
 * where nothing has to be waited for.
 */
export const simulate = (
  support: EndorserSupport,
  checked: CheckedProposal,
  channel: EndorserChannel | undefined
): Result<SimulatedProposal> =>
  channel === undefined || withoutSimulator.has(checked.chaincodeId.name)
    ? Effect.suspend(() => run(support, checked, channel, undefined))
    : using(
        refusedAs500(channel.newTxSimulator(checked.channelHeader.txId)),
        (simulator) => run(support, checked, channel, simulator),
        (simulator) => simulator.done()
      )
