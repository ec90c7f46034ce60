/** Submitting and evaluating, as an application would. */
import * as Effect from "effect/Effect"
import { type Endorsed, endorse, type ProposalParts, query } from "../../client/index.js"
import type { Channel } from "../../transport/index.js"
import { protos } from "../../wire/index.js"
import { StepFailed } from "../errors.js"
import type { Shape } from "../layout.js"
import type { Commits } from "./Commits.js"
import type { Connections } from "./connections.js"
import { failing, LONG } from "./failing.js"

/** One call of a chaincode. */
export interface TransactionRequest {
  readonly chaincode: string
  /** Function name first. */
  readonly args: ReadonlyArray<string | Uint8Array>
  /** Who calls, by the wallet's label; the first organisation's admin unless said otherwise. */
  readonly identity?: string
  /** Never leaves the endorsers. */
  readonly transient?: ReadonlyMap<string, Uint8Array>
  /** Names of the organisations whose peers endorse; all unless said otherwise. */
  readonly endorsers?: ReadonlyArray<string>
}

/** What happened to a submitted transaction. */
export interface SubmitResult {
  readonly txId: string
  readonly payload: Uint8Array
  readonly block: bigint
  /** Name of the validation code: `VALID`, `MVCC_READ_CONFLICT`, … */
  readonly code: string
}

export interface Transactions {
  /** Endorsed, ordered and committed by the first peer. */
  readonly submit: (request: TransactionRequest) => Effect.Effect<SubmitResult, StepFailed>
  /** Asks the first peer of the organisations named; orders nothing. */
  readonly evaluate: (request: TransactionRequest) => Effect.Effect<Uint8Array, StepFailed>
}

export const codeName = (code: number): string => protos.TxValidationCodeInfo.nameOf(code) ?? String(code)

type Parts = Omit<ProposalParts, "now" | "nonce">

/** Has a proposal endorsed, orders it and waits for its block. */
export const commitThrough =
  (connections: Connections, commits: Commits) =>
  (
    parts: Parts,
    endorsers: Effect.Effect<ReadonlyArray<Channel>, StepFailed>
  ): Effect.Effect<{ readonly endorsed: Endorsed; readonly block: bigint; readonly code: number }, StepFailed> =>
    Effect.scoped(
      Effect.gen(function* () {
        const endorsed = yield* endorse(yield* endorsers, parts, { deadline: LONG })
        const committed = yield* commits.expect(endorsed.txId)
        yield* connections.order(endorsed.envelope)
        return { endorsed, ...(yield* committed) }
      })
    ).pipe(
      Effect.timeoutFail({
        duration: LONG,
        onTimeout: () => new Error(`the transaction was not committed within ${LONG}`)
      }),
      failing("transaction")
    )

/** What a gateway works on. */
export interface GatewayPlace {
  readonly channelId: string
  /** The network as it is now. */
  readonly shape: () => Shape
  readonly connections: Connections
  readonly commits: Commits
}

export const makeTransactions = ({ channelId, commits, connections, shape }: GatewayPlace): Transactions => {
  const commit = commitThrough(connections, commits)

  const partsOf = ({ args, chaincode, identity, transient }: TransactionRequest): Effect.Effect<Parts, StepFailed> =>
    Effect.map(identity === undefined ? connections.admin() : connections.identity(identity), (signer) => ({
      channelId,
      chaincode,
      args,
      signer,
      ...(transient === undefined ? {} : { transient })
    }))

  /** One peer of each organisation: enough for any policy over organisations. */
  const endorsersOf = ({ endorsers }: TransactionRequest) =>
    Effect.forEach(
      endorsers === undefined ? shape().spec.orgs.map(({ name }) => name) : endorsers,
      (wanted): Effect.Effect<Channel, StepFailed> => {
        const org = shape().spec.orgs.find(({ mspId, name }) => name === wanted || mspId === wanted)
        return org === undefined
          ? new StepFailed({ step: "transaction", reason: `there is no organisation ${wanted}`, cause: undefined })
          : connections.firstPeer(org)
      }
    )

  return {
    submit: (request) =>
      Effect.gen(function* () {
        const { block, code, endorsed } = yield* commit(yield* partsOf(request), endorsersOf(request))
        return { txId: endorsed.txId, payload: endorsed.response.payload, block, code: codeName(code) }
      }),
    evaluate: (request) =>
      Effect.gen(function* () {
        const [peer = yield* connections.firstPeer()] = yield* endorsersOf(request)
        return (yield* query(peer, yield* partsOf(request), { deadline: LONG })).payload
      }).pipe(failing(`query ${request.chaincode}`))
  }
}
