/**
 * TxValidator: a block in, one validation code per transaction out.
 *
 * Two steps, so that they may overlap with the commit of the block before. `prepare` takes the block apart and starts
 * every signature in other threads; it depends on the MSPs in force only. `validate` gives the verdicts, in the order
 * of the block; it reads committed state (definitions, key-level policies, transaction ids) and applies config
 * transactions, so it must not begin before the block before is committed. When the configuration has changed in
 * between, `validate` prepares anew. Verdicts never depend on which signature was ready first.
 *
 * Source: peer-endorse-validate.md 3.9-3.11; core/committer/txvalidator/validator.go.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import type { Bundle } from "../channelconfig/index.js"
import type { SignedData } from "../policy/index.js"
import { breathe } from "../runtime/breathe.js"
import { textOf } from "../runtime/Stage.js"
import { span } from "../runtime/span.js"
import { protos } from "../wire/index.js"
import { EMPTY } from "../wire/protoutil.js"
import { BlockJudgement, ChannelRules, type JudgementSupport, type Refused, type Signed } from "./BlockJudgement.js"
import { ValidationHalted } from "./errors.js"
import type { OpenedTransaction, Transaction } from "./message.js"
import { checkTransaction, openTransaction } from "./message.js"
import { ValidationPlugins } from "./plugin.js"
import { SignatureVerifier, type SignatureVerifierShape } from "./SignatureVerifier.js"
import {
  addCreator,
  addEndorsements,
  BlockSignatures,
  endorsementSet,
  type StartedEndorsement,
  type Verdicts,
  verifyFrom
} from "./signatures.js"
import type { ValidationState } from "./state.js"
import { SystemChaincodeNames } from "./state.js"

const Code = protos.TxValidationCode

/** What a channel gives its validator. */
export interface ValidatorSupport extends JudgementSupport {
  /** A view of the state as of the last committed block, let go with the scope. */
  readonly state: Effect.Effect<ValidationState, unknown, Scope.Scope>
}

/** The part of a block that validation needs. */
export interface BlockToValidate {
  readonly number: bigint
  readonly entries: ReadonlyArray<Uint8Array>
}

/** One transaction with its signatures on their way. */
type Candidate =
  | Refused
  | {
      readonly _tag: "Open"
      readonly opened: OpenedTransaction
      /** Number of the creator's signature in the block's verdicts. */
      readonly creator: number
      readonly transaction: Either.Either<Transaction, number>
      readonly endorsements: ReadonlyArray<SignedData>
      /** Of an endorser transaction. */
      readonly started: ReadonlyArray<StartedEndorsement> | undefined
    }

export interface PreparedBlock {
  readonly block: BlockToValidate
  readonly bundle: Bundle
  readonly candidates: ReadonlyArray<Candidate>
  readonly verdicts: Promise<Verdicts>
}

export interface TxValidator {
  /** Starts the block's signatures. */
  readonly prepare: (block: BlockToValidate) => Effect.Effect<PreparedBlock>
  /** A code for each entry (`protos.TxValidationCode`), or why none can be given. */
  readonly validate: (prepared: PreparedBlock) => Effect.Effect<Uint8Array, ValidationHalted>
}

/** What validators need of the node. */
export type ValidationServices = SignatureVerifier | SystemChaincodeNames | ValidationPlugins

/** Milliseconds that a loop may hold the thread. */
const SLICE = 2

// ---- Prepare -----------------------------------------------------------------------------------------------------

const candidateOf = (
  entry: Uint8Array,
  support: ValidatorSupport,
  bundle: Bundle,
  signatures: BlockSignatures
): Candidate => {
  const opened = openTransaction(entry)
  if (Either.isLeft(opened)) return { _tag: "Refused", code: opened.left }
  const { channelId } = opened.right.channelHeader
  const msps = channelId === support.channelId ? bundle.mspManager : support.deserializerOf(channelId)
  const creator = addCreator(signatures, opened.right.creator, msps)
  if (creator === false) return { _tag: "Refused", code: Code.BAD_CREATOR_SIGNATURE, opened: opened.right }
  const transaction = checkTransaction(opened.right)
  const parts =
    Either.isRight(transaction) && transaction.right._tag === "Endorser" ? transaction.right.parts : undefined
  const endorsements = parts === undefined ? [] : endorsementSet(parts)
  const started = parts === undefined ? undefined : addEndorsements(signatures, endorsements, bundle.mspManager)
  return { _tag: "Open", opened: opened.right, creator, transaction, endorsements, started }
}

/** Goes on with a block's entries for a slice of time. */
const takeApart = (
  entries: ReadonlyArray<Uint8Array>,
  candidates: Array<Candidate>,
  support: ValidatorSupport,
  bundle: Bundle,
  signatures: BlockSignatures
): void => {
  const until = performance.now() + SLICE
  while (candidates.length < entries.length) {
    candidates.push(candidateOf(entries[candidates.length] ?? EMPTY, support, bundle, signatures))
    if (performance.now() > until) return
  }
}

const prepareWith = (
  support: ValidatorSupport,
  verifier: SignatureVerifierShape,
  block: BlockToValidate
): Effect.Effect<PreparedBlock> =>
  Effect.gen(function* () {
    const bundle = support.bundles.current()
    const candidates: Array<Candidate> = []
    const signatures = new BlockSignatures(verifier)
    for (;;) {
      takeApart(block.entries, candidates, support, bundle, signatures)
      if (candidates.length === block.entries.length) break
      yield* breathe
    }
    return { block, bundle, candidates, verdicts: signatures.verdicts() }
  })

/** A transaction once its signatures are known; its refusal where it ends here. */
const signed = (candidate: Candidate, verdicts: Verdicts): Signed | Refused => {
  if (candidate._tag === "Refused") return candidate
  const { creator, endorsements, opened, started, transaction } = candidate
  if (!verdicts(creator)) return { _tag: "Refused", code: Code.BAD_CREATOR_SIGNATURE, opened }
  if (Either.isLeft(transaction)) return { _tag: "Refused", code: transaction.left, opened }
  const verify = started === undefined ? undefined : verifyFrom(started, verdicts)
  return { _tag: "Signed", opened, kind: transaction.right, endorsements, verify }
}

const allSigned = (candidates: ReadonlyArray<Candidate>, verdicts: Verdicts): ReadonlyArray<Signed | Refused> => {
  const all: Array<Signed | Refused> = []
  for (const candidate of candidates) all.push(signed(candidate, verdicts))
  return all
}

// ---- Validate ----------------------------------------------------------------------------------------------------

export const makeTxValidator = (support: ValidatorSupport): Effect.Effect<TxValidator, never, ValidationServices> =>
  Effect.gen(function* () {
    const system = yield* SystemChaincodeNames
    const verifier = yield* SignatureVerifier
    const { byName } = yield* ValidationPlugins
    const { channelId } = support
    const rules = new ChannelRules(support, system, byName)

    const verdicts = ({
      block: { number },
      bundle,
      candidates,
      verdicts: coming
    }: PreparedBlock): Effect.Effect<Uint8Array, ValidationHalted, Scope.Scope> =>
      Effect.gen(function* () {
        const signatures = yield* Effect.promise(() => coming)
        const state = yield* Effect.mapError(
          support.state,
          (cause) =>
            new ValidationHalted({ channel: channelId, block: number, transaction: 0, reason: textOf(cause), cause })
        )
        const judgement = new BlockJudgement(rules, number, bundle, allSigned(candidates, signatures), state)
        let until = performance.now() + SLICE
        while (!judgement.done) {
          const waits = judgement.step(until)
          if (waits !== undefined) yield* waits
          if (performance.now() <= until) continue
          // also behind what had to be waited for: a block full of refused transactions must not hold the thread
          yield* breathe
          until = performance.now() + SLICE
        }
        return judgement.finish()
      })

    return {
      prepare: (block) => prepareWith(support, verifier, block),
      validate: (prepared) =>
        Effect.gen(function* () {
          const current = prepared.bundle === support.bundles.current()
          const fresh = current ? prepared : yield* prepareWith(support, verifier, prepared.block)
          return yield* Effect.scoped(verdicts(fresh))
        }).pipe(span("TxValidator.validate", () => ({ channel: channelId, block: String(prepared.block.number) })))
    }
  })
