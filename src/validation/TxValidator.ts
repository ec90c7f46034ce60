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
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { Bundle, BundleSource } from "../channelconfig/index.js"
import type { NamespaceSet } from "../ledger/rwset/index.js"
import type { IdentityDeserializer } from "../msp/index.js"
import type { SignedData, Verify } from "../policy/index.js"
import { breathe } from "../runtime/breathe.js"
import * as Log from "../runtime/Log.js"
import { span } from "../runtime/span.js"
import { common, protos } from "../wire/index.js"
import type { ValidTransaction } from "./conflicts.js"
import { markRepeatedIds, markUpgradeConflicts, upgradedChaincode } from "./conflicts.js"
import { dispatch } from "./dispatch.js"
import { ValidationHalted } from "./errors.js"
import type { EndorserTransaction, OpenedTransaction, Transaction } from "./message.js"
import { checkTransaction, openTransaction } from "./message.js"
import type { PluginFailure, ValidationPlugin } from "./plugin.js"
import { ValidationPlugins } from "./plugin.js"
import { PolicyCache } from "./policies.js"
import type { Refusal, RefusalDetail } from "./refusal.js"
import { chaincodeDetail, policyDetail, Report } from "./report.js"
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
import { metadataKeys } from "./vscc/keyLevel.js"

const Code = protos.TxValidationCode

/** What a channel gives its validator. */
export interface ValidatorSupport {
  readonly channelId: string
  readonly bundles: BundleSource
  /** The MSPs of a channel that the peer has joined; the local MSP for the empty id. */
  readonly deserializerOf: (channelId: string) => IdentityDeserializer | undefined
  /** Whether the ledger holds a transaction of that id; throws when it cannot be told. */
  readonly hasTransaction: (txId: string) => boolean
  /** A view of the state as of the last committed block, let go with the scope. */
  readonly state: Effect.Effect<ValidationState, unknown, Scope.Scope>
  /** Checks a config transaction against the configuration in force and puts it in force (3.6 rule 6). */
  readonly applyConfig: (envelope: common.ConfigEnvelope, raw: Uint8Array) => Effect.Effect<void, unknown>
  /** Told why of every transaction that is refused here, before the block's codes are given. Must not throw. */
  readonly refused?: (refusal: Refusal) => void
}

/** The part of a block that validation needs. */
export interface BlockToValidate {
  readonly number: bigint
  readonly entries: ReadonlyArray<Uint8Array>
}

/** A transaction whose code is known before policies are asked. */
interface Refused {
  readonly _tag: "Refused"
  readonly code: number
  readonly opened?: OpenedTransaction
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

const log = Log.module("committer.txvalidator")

/** Milliseconds that a loop may hold the thread. */
const SLICE = 2

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** A clock for loops that must let others run. */
const makeSlices = () => {
  let until = performance.now() + SLICE
  return {
    over: () => performance.now() > until,
    rest: Effect.map(breathe, () => {
      until = performance.now() + SLICE
    })
  }
}

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

const prepareWith = (
  support: ValidatorSupport,
  verifier: SignatureVerifierShape,
  block: BlockToValidate
): Effect.Effect<PreparedBlock> =>
  Effect.gen(function* () {
    const bundle = support.bundles.current()
    const candidates: Array<Candidate> = []
    const signatures = new BlockSignatures(verifier)
    const slices = makeSlices()
    for (const entry of block.entries) {
      candidates.push(candidateOf(entry, support, bundle, signatures))
      if (slices.over()) yield* slices.rest
    }
    return { block, bundle, candidates, verdicts: signatures.verdicts() }
  })

/** A transaction that is well formed, its creator's signature good, its endorsers' verified. */
interface Signed {
  readonly _tag: "Signed"
  readonly opened: OpenedTransaction
  readonly kind: Transaction
  readonly endorsements: ReadonlyArray<SignedData>
  readonly verify: Verify | undefined
}

/** A transaction once its signatures are known; its refusal where it ends here. */
const signed = (candidate: Candidate, verdicts: Verdicts): Signed | Refused => {
  if (candidate._tag === "Refused") return candidate
  const { creator, endorsements, opened, started, transaction } = candidate
  if (!verdicts(creator)) return { _tag: "Refused", code: Code.BAD_CREATOR_SIGNATURE, opened }
  if (Either.isLeft(transaction)) return { _tag: "Refused", code: transaction.left, opened }
  const verify = started === undefined ? undefined : verifyFrom(started, verdicts)
  return { _tag: "Signed", opened, kind: transaction.right, endorsements, verify }
}

// ---- Validate ----------------------------------------------------------------------------------------------------

/** Keys whose validation parameter the block has changed so far, by namespace and collection. */
class UpdatedParameters {
  private readonly keys = new Set<string>()
  private static id(namespace: string, collection: string, key: string): string {
    return `${namespace}\u0000${collection}\u0000${key}`
  }
  has(namespace: string, collection: string, key: string): boolean {
    return this.keys.size > 0 && this.keys.has(UpdatedParameters.id(namespace, collection, key))
  }
  /** A transaction has passed validation in this namespace (3.11 rule 4). */
  add(namespace: string, sets: ReadonlyArray<NamespaceSet>): void {
    for (const set of sets) {
      if (set.namespace !== namespace) continue
      for (const [collection, key] of metadataKeys(set)) this.keys.add(UpdatedParameters.id(namespace, collection, key))
    }
  }
}

/** A transaction's code; an effect where a plugin takes its time. */
type Verdict = number | Effect.Effect<number, ValidationHalted>

/** Halts are thrown below, so that the loop over a block's transactions stays plain. */
const judged = (judge: () => Verdict): Verdict => {
  try {
    return judge()
  } catch (error) {
    if (error instanceof ValidationHalted) return Effect.fail(error)
    throw error
  }
}

const asEffect = (judge: () => Verdict): Effect.Effect<number, ValidationHalted> => {
  const verdict = judged(judge)
  return typeof verdict === "number" ? Effect.succeed(verdict) : verdict
}

export const makeTxValidator = (support: ValidatorSupport): Effect.Effect<TxValidator, never, ValidationServices> =>
  Effect.gen(function* () {
    const system = yield* SystemChaincodeNames
    const verifier = yield* SignatureVerifier
    const { byName } = yield* ValidationPlugins
    const { channelId } = support
    const plugins = new Map<string, ValidationPlugin>()
    let policies: { readonly bundle: Bundle; readonly cache: PolicyCache } | undefined

    const pluginOf = (name: string): ValidationPlugin | undefined => {
      const known = plugins.get(name)
      if (known !== undefined) return known
      const made = byName.get(name)?.(channelId)
      if (made !== undefined) plugins.set(name, made)
      return made
    }
    const members = new WeakMap<object, ReadonlyArray<string>>()
    const mspIdsOf = (application: NonNullable<Bundle["application"]>): ReadonlyArray<string> => {
      const known = members.get(application)
      if (known !== undefined) return known
      const made = [...application.orgs.values()].map((org) => org.mspId)
      members.set(application, made)
      return made
    }
    const policiesOf = (bundle: Bundle): PolicyCache => {
      if (policies?.bundle !== bundle) policies = { bundle, cache: new PolicyCache(bundle.mspManager) }
      return policies.cache
    }

    /** Rules 5 of 3.9 and all of 3.10: the code of an endorser transaction. Plain as long as its plugins are. */
    const endorser = (
      { endorsements, opened, verify }: Signed,
      parts: EndorserTransaction,
      position: number,
      block: bigint,
      bundle: Bundle,
      state: ValidationState,
      updated: UpdatedParameters,
      halt: (reason: string, cause?: unknown) => ValidationHalted,
      because: (detail: () => RefusalDetail) => void
    ): Verdict => {
      const { txId } = opened.channelHeader
      const attempt = <A>(what: string, read: () => A): A => {
        try {
          return read()
        } catch (cause) {
          throw halt(`${what}: ${textOf(cause)}`, cause)
        }
      }
      if (attempt("could not tell whether the transaction id is known", () => support.hasTransaction(txId)))
        return Code.DUPLICATE_TXID
      const { application } = bundle
      if (application === undefined) throw halt("the channel has no Application configuration")
      const { capabilities } = application
      const mspIds = mspIdsOf(application)
      const dispatched = attempt("could not read state", () =>
        dispatch(opened, parts, { capabilities, mspIds, state, system })
      )
      if (Either.isLeft(dispatched)) return dispatched.left
      const { checks, sets } = dispatched.right
      const cache = policiesOf(bundle)
      if (verify === undefined) throw halt("no signatures")

      const refused = (namespace: string, failure: PluginFailure): Verdict => {
        if (failure._tag === "ExecutionFailure") throw halt(failure.reason, failure.cause)
        because(() => policyDetail(namespace, failure.reason, failure.refused, bundle, verify))
        return Effect.as(
          log
            .at("VSCCValidateTx")
            .warning(`VSCCValidateTx for transaction txId = ${txId} returned error: ${failure.reason}`, {
              channel: channelId,
              block,
              namespace
            }),
          Code.ENDORSEMENT_POLICY_FAILURE
        )
      }
      const from = (index: number): Verdict => {
        for (let i = index; i < checks.length; i++) {
          const make = checks[i]
          if (make === undefined) break
          const check = attempt("Could not retrieve state for chaincode", make)
          if (Either.isLeft(check)) {
            because(() => chaincodeDetail(parts, state))
            return check.left
          }
          const { namespace, plugin: name, policy } = check.right
          const plugin = pluginOf(name)
          if (plugin === undefined) throw halt(`plugin with name ${name} wasn't found`)
          const outcome = plugin.validate({
            channel: channelId,
            block,
            position,
            namespace,
            policy,
            opened,
            parts,
            sets,
            endorsements,
            capabilities,
            state,
            evaluate: (bytes, set) => cache.evaluate(bytes, set, verify),
            parameterUpdated: (collection, key) => updated.has(namespace, collection, key),
            verify
          })
          if (!(Exit.isExit(outcome) && Exit.isSuccess(outcome)))
            return Effect.flatMap(Effect.either(outcome), (ended) =>
              asEffect(() => {
                if (Either.isLeft(ended)) return refused(namespace, ended.left)
                updated.add(namespace, sets)
                return from(i + 1)
              })
            )
          updated.add(namespace, sets)
        }
        return Code.VALID
      }
      return from(0)
    }

    const verdicts = (prepared: PreparedBlock): Effect.Effect<Uint8Array, ValidationHalted, Scope.Scope> =>
      Effect.gen(function* () {
        const { number } = prepared.block
        const halted = (transaction: number) => (reason: string, cause?: unknown) =>
          new ValidationHalted({ channel: channelId, block: number, transaction, reason, cause })
        const signatures = yield* Effect.promise(() => prepared.verdicts)
        const candidates = prepared.candidates.map((candidate) => signed(candidate, signatures))
        const state = yield* Effect.mapError(support.state, (cause) => halted(0)(textOf(cause), cause))
        const codes = new Uint8Array(candidates.length).fill(Code.NOT_VALIDATED)
        const valid: Array<ValidTransaction> = []
        const updated = new UpdatedParameters()
        const report = new Report(support, number, prepared.bundle)
        const slices = makeSlices()

        for (const [index, candidate] of candidates.entries()) {
          if (slices.over()) yield* slices.rest
          if (candidate._tag === "Refused") {
            codes[index] = candidate.code
            report.add(index, candidate.code, candidate.opened)
            continue
          }
          const { kind, opened } = candidate
          const halt = halted(index)
          if (kind._tag === "Config") {
            const { data } = opened.payload
            const envelope = yield* Effect.try({
              try: () => common.ConfigEnvelope.decode(data),
              catch: (cause) =>
                halt(`error unmarshalling config which passed initial validity checks: ${textOf(cause)}`, cause)
            })
            yield* Effect.mapError(support.applyConfig(envelope, data), (cause) =>
              halt(`error validating config which passed initial validity checks: ${textOf(cause)}`, cause)
            )
            codes[index] = Code.VALID
            valid.push({ index, txId: "", chaincode: undefined, upgrades: undefined })
            continue
          }
          if (kind._tag === "Other") {
            codes[index] = Code.UNKNOWN_TX_TYPE
            report.add(index, Code.UNKNOWN_TX_TYPE, opened)
            continue
          }
          // config transactions stand alone in their blocks; if one ever does not, what follows sees it applied
          const bundle = support.bundles.current()
          let detail: (() => RefusalDetail) | undefined
          const because = (made: () => RefusalDetail) => {
            detail = made
          }
          const verdict = judged(() =>
            endorser(candidate, kind.parts, index, number, bundle, state, updated, halt, because)
          )
          const code = typeof verdict === "number" ? verdict : yield* verdict
          codes[index] = code
          if (code !== Code.VALID) {
            report.add(index, code, opened, detail)
            continue
          }
          const chaincode =
            protos.ChaincodeHeaderExtension.decode(opened.channelHeader.extension).chaincodeId?.name ?? ""
          valid.push({
            index,
            txId: opened.channelHeader.txId,
            chaincode,
            upgrades: upgradedChaincode(chaincode, kind.parts)
          })
        }

        if (support.bundles.current().application?.capabilities.forbidDuplicateTxIdInBlock === true)
          markRepeatedIds(valid, codes)
        markUpgradeConflicts(valid, codes)
        for (const { index } of valid) {
          const code = codes[index] ?? Code.NOT_VALIDATED
          if (code !== Code.VALID) report.add(index, code, candidates[index]?.opened)
        }
        return codes
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
