/**
 * TxValidator: a block in, one validation code per transaction out.
 *
 * Two steps, so that they may overlap with the commit of the block before. `prepare` takes the block apart and starts
 * every signature in the thread pool; it depends on the MSPs in force only. `validate` gives the verdicts, in the order
 * of the block; it reads committed state (definitions, key-level policies, transaction ids) and applies config
 * transactions, so it must not begin before the block before is committed. When the configuration has changed in
 * between, `validate` prepares anew. Verdicts never depend on which signature was ready first.
 *
 * Source: peer-endorse-validate.md 3.9-3.11; core/committer/txvalidator/validator.go.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import type { Bundle, BundleSource } from "../channelconfig/index.js"
import type { NamespaceSet } from "../ledger/rwset/index.js"
import type { IdentityDeserializer } from "../msp/index.js"
import type { SignedData, Verify } from "../policy/index.js"
import { breathe } from "../runtime/breathe.js"
import * as Log from "../runtime/Log.js"
import { common, protos } from "../wire/index.js"
import type { ValidTransaction } from "./conflicts.js"
import { markRepeatedIds, markUpgradeConflicts, upgradedChaincode } from "./conflicts.js"
import { dispatch } from "./dispatch.js"
import { ValidationHalted } from "./errors.js"
import type { EndorserTransaction, OpenedTransaction, Transaction } from "./message.js"
import { checkTransaction, openTransaction } from "./message.js"
import type { PluginFailure, PluginInput, ValidationPlugin } from "./plugin.js"
import { ValidationPlugins } from "./plugin.js"
import { PolicyCache } from "./policies.js"
import { endorsementSet, verifyCreator, verifyEndorsements } from "./signatures.js"
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
}

/** The part of a block that validation needs. */
export interface BlockToValidate {
  readonly number: bigint
  readonly entries: ReadonlyArray<Uint8Array>
}

/** One transaction with its signatures on their way. */
type Candidate =
  | { readonly _tag: "Refused"; readonly code: number }
  | {
      readonly _tag: "Open"
      readonly opened: OpenedTransaction
      readonly creator: Promise<boolean> | false
      readonly transaction: Either.Either<Transaction, number>
      readonly endorsements: ReadonlyArray<SignedData>
      readonly verify: Promise<Verify> | undefined
    }

export interface PreparedBlock {
  readonly block: BlockToValidate
  readonly bundle: Bundle
  readonly candidates: ReadonlyArray<Candidate>
}

export interface TxValidator {
  /** Starts the block's signatures. */
  readonly prepare: (block: BlockToValidate) => Effect.Effect<PreparedBlock>
  /** A code for each entry (`protos.TxValidationCode`), or why none can be given. */
  readonly validate: (prepared: PreparedBlock) => Effect.Effect<Uint8Array, ValidationHalted>
}

const log = Log.module("committer.txvalidator")

/** Milliseconds that a loop may hold the thread. */
const SLICE = 8

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

// ---- Prepare -----------------------------------------------------------------------------------------------------

const candidateOf = (entry: Uint8Array, support: ValidatorSupport, bundle: Bundle): Candidate => {
  const opened = openTransaction(entry)
  if (Either.isLeft(opened)) return { _tag: "Refused", code: opened.left }
  const { channelId } = opened.right.channelHeader
  const msps = channelId === support.channelId ? bundle.mspManager : support.deserializerOf(channelId)
  const creator = verifyCreator(opened.right.creator, msps)
  if (creator === false) return { _tag: "Refused", code: Code.BAD_CREATOR_SIGNATURE }
  const transaction = checkTransaction(opened.right)
  const parts =
    Either.isRight(transaction) && transaction.right._tag === "Endorser" ? transaction.right.parts : undefined
  const endorsements = parts === undefined ? [] : endorsementSet(parts)
  const verify = parts === undefined ? undefined : verifyEndorsements(endorsements, bundle.mspManager)
  return { _tag: "Open", opened: opened.right, creator, transaction, endorsements, verify }
}

const prepareWith = (support: ValidatorSupport, block: BlockToValidate): Effect.Effect<PreparedBlock> =>
  Effect.gen(function* () {
    const bundle = support.bundles.current()
    const candidates: Array<Candidate> = []
    let until = performance.now() + SLICE
    for (const entry of block.entries) {
      candidates.push(candidateOf(entry, support, bundle))
      if (performance.now() > until) {
        yield* breathe
        until = performance.now() + SLICE
      }
    }
    return { block, bundle, candidates }
  })

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

export const makeTxValidator = (
  support: ValidatorSupport
): Effect.Effect<TxValidator, never, SystemChaincodeNames | ValidationPlugins> =>
  Effect.gen(function* () {
    const system = yield* SystemChaincodeNames
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
    const policiesOf = (bundle: Bundle): PolicyCache => {
      if (policies?.bundle !== bundle) policies = { bundle, cache: new PolicyCache(bundle.mspManager) }
      return policies.cache
    }

    /** Rules 5 of 3.9 and all of 3.10: the code of an endorser transaction. */
    const endorser = (
      candidate: Extract<Candidate, { readonly _tag: "Open" }>,
      parts: EndorserTransaction,
      position: number,
      block: bigint,
      bundle: Bundle,
      state: ValidationState,
      updated: UpdatedParameters,
      halt: (reason: string, cause?: unknown) => ValidationHalted
    ): Effect.Effect<number, ValidationHalted> =>
      Effect.gen(function* () {
        const { opened } = candidate
        const { txId } = opened.channelHeader
        const attempt = <A>(what: string, read: () => A) =>
          Effect.try({ try: read, catch: (cause) => halt(`${what}: ${textOf(cause)}`, cause) })
        if (yield* attempt("could not tell whether the transaction id is known", () => support.hasTransaction(txId)))
          return Code.DUPLICATE_TXID
        const { application } = bundle
        if (application === undefined) return yield* halt("the channel has no Application configuration")
        const { capabilities } = application
        const mspIds = [...application.orgs.values()].map((org) => org.mspId)
        const dispatched = yield* attempt("could not read state", () =>
          dispatch(opened, parts, { capabilities, mspIds, state, system })
        )
        if (Either.isLeft(dispatched)) return dispatched.left
        const { checks, sets } = dispatched.right
        const cache = policiesOf(bundle)
        const known = candidate.verify
        const verify = known === undefined ? yield* halt("no signatures") : yield* Effect.promise(() => known)

        for (const make of checks) {
          const check = yield* attempt("Could not retrieve state for chaincode", make)
          if (Either.isLeft(check)) return check.left
          const { namespace, plugin: name, policy } = check.right
          const plugin = pluginOf(name)
          if (plugin === undefined) return yield* halt(`plugin with name ${name} wasn't found`)
          const input: PluginInput = {
            channel: channelId,
            block,
            position,
            namespace,
            policy,
            opened,
            parts,
            sets,
            endorsements: candidate.endorsements,
            capabilities,
            state,
            evaluate: (bytes, set) => cache.evaluate(bytes, set, verify),
            parameterUpdated: (collection, key) => updated.has(namespace, collection, key),
            verify
          }
          const outcome: Either.Either<void, PluginFailure> = yield* Effect.either(plugin.validate(input))
          if (Either.isLeft(outcome)) {
            if (outcome.left._tag === "ExecutionFailure") return yield* halt(outcome.left.reason, outcome.left.cause)
            yield* log
              .at("VSCCValidateTx")
              .warning(`VSCCValidateTx for transaction txId = ${txId} returned error: ${outcome.left.reason}`, {
                channel: channelId,
                block,
                namespace
              })
            return Code.ENDORSEMENT_POLICY_FAILURE
          }
          updated.add(namespace, sets)
        }
        return Code.VALID
      })

    const verdicts = (prepared: PreparedBlock): Effect.Effect<Uint8Array, ValidationHalted, Scope.Scope> =>
      Effect.gen(function* () {
        const { number } = prepared.block
        const halted = (transaction: number) => (reason: string, cause?: unknown) =>
          new ValidationHalted({ channel: channelId, block: number, transaction, reason, cause })
        const state = yield* Effect.mapError(support.state, (cause) => halted(0)(textOf(cause), cause))
        const codes = new Uint8Array(prepared.candidates.length).fill(Code.NOT_VALIDATED)
        const valid: Array<ValidTransaction> = []
        const updated = new UpdatedParameters()
        let until = performance.now() + SLICE

        for (const [index, candidate] of prepared.candidates.entries()) {
          if (performance.now() > until) {
            yield* breathe
            until = performance.now() + SLICE
          }
          if (candidate._tag === "Refused") {
            codes[index] = candidate.code
            continue
          }
          const { creator, opened, transaction } = candidate
          if (creator === false || !(yield* Effect.promise(() => creator))) {
            codes[index] = Code.BAD_CREATOR_SIGNATURE
            continue
          }
          if (Either.isLeft(transaction)) {
            codes[index] = transaction.left
            continue
          }
          const halt = halted(index)
          const { right: kind } = transaction
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
            continue
          }
          // config transactions stand alone in their blocks; if one ever does not, what follows sees it applied
          const bundle = support.bundles.current()
          const code = yield* endorser(candidate, kind.parts, index, number, bundle, state, updated, halt)
          codes[index] = code
          if (code !== Code.VALID) continue
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
        return codes
      })

    return {
      prepare: (block) => prepareWith(support, block),
      validate: (prepared) =>
        Effect.gen(function* () {
          const current = prepared.bundle === support.bundles.current()
          const fresh = current ? prepared : yield* prepareWith(support, prepared.block)
          return yield* Effect.scoped(verdicts(fresh))
        }).pipe(
          Effect.withSpan("TxValidator.validate", {
            captureStackTrace: false,
            attributes: { channel: channelId, block: String(prepared.block.number) }
          })
        )
    }
  })
