/**
 * Chaincode calling chaincode: who may call whom, on which channel, with which state.
 * Source: chaincode.md R51-R55; HandleInvokeChaincode in core/chaincode/handler.go.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { textOf } from "../../runtime/Stage.js"
import { protos } from "../../wire/index.js"
import type {
  AclProvider,
  ChaincodeDefinitions,
  Failure,
  HistoryQueryExecutor,
  LedgerGetter,
  SystemChaincodes,
  TxSimulator
} from "../context.js"
import type { PackageStore } from "../packages/PackageStore.js"
import type { InvokeChaincode } from "../shim/Handler.js"
import { type ChaincodeInstance, instanceText, parseName } from "../shim/messages.js"
import type { TransactionContext, TxParams } from "../shim/TransactionContext.js"

/** A call that cannot be made. */
export class CallRefused extends Data.TaggedError("CallRefused")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

export interface CallServices {
  readonly system: SystemChaincodes["Type"]
  readonly acl: AclProvider["Type"]
  readonly definitions: ChaincodeDefinitions["Type"]
  readonly ledgers: LedgerGetter["Type"]
  readonly packages: PackageStore["Type"]
  /** Runs the callee: a TRANSACTION, launched if need be. */
  readonly invoke: (
    params: TxParams,
    name: string,
    version: string,
    input: protos.ChaincodeInput
  ) => Effect.Effect<protos.ChaincodeMessage, Failure>
}

const RESOURCE = "peer/ChaincodeToChaincode"
const NO_DECORATIONS: ReadonlyMap<string, Uint8Array> = new Map()

const refuse = (reason: string) => new CallRefused({ reason })

interface Call {
  readonly target: ChaincodeInstance
  readonly input: protos.ChaincodeInput
}

/** Reads the request; without an id or an input the reference would end its process (T14). */
const decodeCall = (payload: Uint8Array, context: TransactionContext): Effect.Effect<Call, CallRefused> =>
  Effect.suspend(() => {
    let spec: protos.ChaincodeSpec
    try {
      spec = protos.ChaincodeSpec.decode(payload)
    } catch (error) {
      return refuse(`unmarshal failed: ${textOf(error)}`)
    }
    if (spec.chaincodeId === undefined) return refuse("chaincode to call is not named")
    if (spec.input === undefined) return refuse("chaincode is called without input")
    const named = parseName(spec.chaincodeId.name)
    const channelId = named.channelId === "" ? context.params.channelId : named.channelId
    return Effect.succeed({ target: { ...named, channelId }, input: spec.input })
  })

/** The state that the callee works on: the caller's on its channel, one to throw away on another (R53). */
const stateOf = (
  services: CallServices,
  params: TxParams,
  channelId: string
): Effect.Effect<
  {
    readonly simulator: TxSimulator | undefined
    readonly history: HistoryQueryExecutor | undefined
    readonly own: boolean
  },
  Failure
> => {
  const { history, simulator } = params
  if (channelId === params.channelId) return Effect.succeed({ simulator, history, own: false })
  const ledger = services.ledgers.of(channelId)
  if (ledger === undefined) return refuse(`failed to find ledger for channel: ${channelId}`)
  return Effect.flatMap(ledger.newTxSimulator(params.txId), (fresh) =>
    ledger.newHistoryQueryExecutor.pipe(
      Effect.map((freshHistory) => ({ simulator: fresh, history: freshHistory, own: true })),
      Effect.tapError(() => Effect.sync(() => fresh.done()))
    )
  )
}

/** Checks in the reference's order: callable at all, system, signed, allowed on the target channel (R52, T21). */
const checkCall = (
  { acl, system }: CallServices,
  target: ChaincodeInstance,
  signedProposal: protos.SignedProposal | undefined
): Effect.Effect<void, Failure> => {
  const { channelId, name } = target
  const isSystem = system.isSystem(name)
  if (isSystem && !system.isCallableByChaincode(name)) {
    return refuse(`system chaincode ${name} cannot be invoked with a cc2cc invocation`)
  }
  if (isSystem) return Effect.void
  if (signedProposal === undefined) {
    return refuse(`signed proposal must not be nil from caller [${instanceText(target)}]`)
  }
  return acl.check(RESOURCE, channelId, signedProposal)
}

/** The version that runs: the peer's for system chaincode, the ledger's otherwise, its instantiation policy checked. */
const versionOf = (
  { definitions, packages, system }: CallServices,
  name: string,
  simulator: TxSimulator | undefined
): Effect.Effect<string, Failure> =>
  system.isSystem(name)
    ? Effect.succeed(system.version)
    : Effect.flatMap(definitions.definition(name, simulator), ({ instantiationPolicy, version }) =>
        Effect.as(packages.checkInstantiationPolicy(name, version, instantiationPolicy), version)
      )

/** Answers INVOKE_CHAINCODE with the callee's COMPLETED or ERROR message, serialised. */
export const makeInvokeChaincode =
  (services: CallServices): InvokeChaincode =>
  (context, payload) =>
    Effect.gen(function* () {
      const { params } = context
      const { input, target } = yield* decodeCall(payload, context)
      yield* checkCall(services, target, params.signedProposal)
      const state = yield* stateOf(services, params, target.channelId)
      const answer = yield* Effect.gen(function* () {
        const version = yield* versionOf(services, target.name, state.simulator)
        const callee: TxParams = {
          txId: params.txId,
          channelId: target.channelId,
          signedProposal: params.signedProposal,
          proposal: params.proposal,
          simulator: state.simulator,
          history: state.history,
          decorations: NO_DECORATIONS
        }
        return yield* services
          .invoke(callee, target.name, version, input)
          .pipe(Effect.mapError((error) => refuse(`execute failed: ${error.message}`)))
      }).pipe(Effect.ensuring(Effect.sync(() => (state.own ? state.simulator?.done() : undefined))))
      return protos.ChaincodeMessage.encode(answer)
    })
