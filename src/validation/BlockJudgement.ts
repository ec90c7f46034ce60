/**
 * The verdicts on a block's transactions, one after the other in the order of the block: methods over plain fields, so
 * that what runs for every transaction stays compiled from block to block.
 * Source: peer-endorse-validate.md 3.9 rules 5 to 8, 3.10 and 3.11; core/committer/txvalidator/validator.go.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import type { Bundle, BundleSource } from "../channelconfig/index.js"
import type { NamespaceSet } from "../ledger/rwset/index.js"
import type { SignedData, Verify } from "../policy/index.js"
import * as Log from "../runtime/Log.js"
import { textOf } from "../runtime/Stage.js"
import { common, protos } from "../wire/index.js"
import type { ValidTransaction } from "./conflicts.js"
import { markRepeatedIds, markUpgradeConflicts, upgradedChaincode } from "./conflicts.js"
import { type Dispatch, dispatch } from "./dispatch.js"
import { ValidationHalted } from "./errors.js"
import type { EndorserTransaction, OpenedTransaction, Transaction } from "./message.js"
import type { PluginFailure, ValidationPlugin, ValidationPlugins } from "./plugin.js"
import { PolicyCache } from "./policies.js"
import type { RefusalDetail } from "./refusal.js"
import { chaincodeDetail, policyDetail, Report, type ReportSupport } from "./report.js"
import type { SystemChaincodeNames, ValidationState } from "./state.js"
import { metadataKeys } from "./vscc/keyLevel.js"

const Code = protos.TxValidationCode
const log = Log.module("committer.txvalidator", "VSCCValidateTx")

/** A transaction whose code is known before policies are asked. */
export interface Refused {
  readonly _tag: "Refused"
  readonly code: number
  readonly opened?: OpenedTransaction
}

/** A transaction that is well formed, its creator's signature good, its endorsers' verified. */
export interface Signed {
  readonly _tag: "Signed"
  readonly opened: OpenedTransaction
  readonly kind: Transaction
  readonly endorsements: ReadonlyArray<SignedData>
  readonly verify: Verify | undefined
}

/** What a channel gives to those who judge its blocks. */
export interface JudgementSupport extends ReportSupport {
  readonly bundles: BundleSource
  /** Whether the ledger holds a transaction of that id; throws when it cannot be told. */
  readonly hasTransaction: (txId: string) => boolean
  /** Checks a config transaction against the configuration in force and puts it in force (3.6 rule 6). */
  readonly applyConfig: (envelope: common.ConfigEnvelope, raw: Uint8Array) => Effect.Effect<void, unknown>
}

/** What outlasts a channel's blocks: plugins, compiled policies, the organisations' ids. */
export class ChannelRules {
  private readonly plugins = new Map<string, ValidationPlugin>()
  private readonly members = new WeakMap<object, ReadonlyArray<string>>()
  private compiled: { readonly bundle: Bundle; readonly cache: PolicyCache } | undefined

  constructor(
    readonly support: JudgementSupport,
    readonly system: SystemChaincodeNames["Type"],
    private readonly byName: ValidationPlugins["Type"]["byName"]
  ) {}

  plugin(name: string): ValidationPlugin | undefined {
    const known = this.plugins.get(name)
    if (known !== undefined) return known
    const made = this.byName.get(name)?.(this.support.channelId)
    if (made !== undefined) this.plugins.set(name, made)
    return made
  }
  mspIds(application: NonNullable<Bundle["application"]>): ReadonlyArray<string> {
    const known = this.members.get(application)
    if (known !== undefined) return known
    const made = [...application.orgs.values()].map((org) => org.mspId)
    this.members.set(application, made)
    return made
  }
  policies(bundle: Bundle): PolicyCache {
    if (this.compiled?.bundle !== bundle) this.compiled = { bundle, cache: new PolicyCache(bundle.mspManager) }
    return this.compiled.cache
  }
}

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

/** An endorser transaction that is being judged. */
interface Case {
  readonly index: number
  readonly opened: OpenedTransaction
  readonly parts: EndorserTransaction
  readonly endorsements: ReadonlyArray<SignedData>
  readonly verify: Verify
  readonly bundle: Bundle
  /** More about its refusal, once it is refused. */
  detail: (() => RefusalDetail) | undefined
}

type Application = NonNullable<Bundle["application"]>

export class BlockJudgement {
  private readonly codes: Uint8Array
  private readonly valid: Array<ValidTransaction> = []
  private readonly updated = new UpdatedParameters()
  private readonly report: Report
  private next = 0

  constructor(
    private readonly rules: ChannelRules,
    private readonly block: bigint,
    bundle: Bundle,
    private readonly candidates: ReadonlyArray<Signed | Refused>,
    private readonly state: ValidationState
  ) {
    this.codes = new Uint8Array(candidates.length).fill(Code.NOT_VALIDATED)
    this.report = new Report(rules.support, block, bundle)
  }

  get done(): boolean {
    return this.next >= this.candidates.length
  }

  /** Judges transactions until that time (`performance.now()`); gives what has to be done before the next call, if anything. */
  step(until: number): Effect.Effect<void, ValidationHalted> | undefined {
    while (!this.done) {
      const index = this.next
      this.next += 1
      const waits = this.one(index)
      if (waits !== undefined) return waits
      if (performance.now() > until) return undefined
    }
    return undefined
  }

  /** The codes, after the last step (3.9 rules 7 and 8). */
  finish(): Uint8Array {
    const { codes, valid } = this
    const { bundles } = this.rules.support
    if (bundles.current().application?.capabilities.forbidDuplicateTxIdInBlock === true) markRepeatedIds(valid, codes)
    markUpgradeConflicts(valid, codes)
    for (const { index } of valid) {
      const code = codes[index] ?? Code.NOT_VALIDATED
      if (code !== Code.VALID) this.report.add(index, code, this.candidates[index]?.opened)
    }
    return codes
  }

  private halt(index: number, reason: string, cause?: unknown): ValidationHalted {
    const { channelId } = this.rules.support
    return new ValidationHalted({ channel: channelId, block: this.block, transaction: index, reason, cause })
  }

  private one(index: number): Effect.Effect<void, ValidationHalted> | undefined {
    const candidate = this.candidates[index]
    if (candidate === undefined) return undefined
    if (candidate._tag === "Refused") {
      this.refuse(index, candidate.code, candidate.opened)
      return undefined
    }
    const { endorsements, kind, opened, verify } = candidate
    if (kind._tag === "Config") return this.config(index, opened)
    if (kind._tag === "Other") {
      this.refuse(index, Code.UNKNOWN_TX_TYPE, opened)
      return undefined
    }
    if (verify === undefined) return this.halt(index, "no signatures")
    // config transactions stand alone in their blocks; if one ever does not, what follows sees it applied
    const bundle = this.rules.support.bundles.current()
    const one: Case = { index, opened, parts: kind.parts, endorsements, verify, bundle, detail: undefined }
    const verdict = this.judged(one)
    if (typeof verdict !== "number") return Effect.map(verdict, (code) => this.enter(one, code))
    this.enter(one, verdict)
    return undefined
  }

  private refuse(
    index: number,
    code: number,
    opened: OpenedTransaction | undefined,
    detail?: () => RefusalDetail
  ): void {
    this.codes[index] = code
    this.report.add(index, code, opened, detail)
  }

  private config(index: number, opened: OpenedTransaction): Effect.Effect<void, ValidationHalted> {
    const { data } = opened.payload
    const refused = (cause: unknown) =>
      this.halt(index, `error validating config which passed initial validity checks: ${textOf(cause)}`, cause)
    let envelope: common.ConfigEnvelope
    try {
      envelope = common.ConfigEnvelope.decode(data)
    } catch (cause) {
      const reason = `error unmarshalling config which passed initial validity checks: ${textOf(cause)}`
      return this.halt(index, reason, cause)
    }
    return Effect.mapBoth(this.rules.support.applyConfig(envelope, data), {
      onFailure: refused,
      onSuccess: () => {
        this.codes[index] = Code.VALID
        this.valid.push({ index, txId: "", chaincode: undefined, upgrades: undefined })
      }
    })
  }

  /** Notes the code of an endorser transaction. */
  private enter({ detail, index, opened, parts }: Case, code: number): void {
    if (code !== Code.VALID) {
      this.refuse(index, code, opened, detail)
      return
    }
    this.codes[index] = code
    const { extension, txId } = opened.channelHeader
    const chaincode = protos.ChaincodeHeaderExtension.decode(extension).chaincodeId?.name ?? ""
    this.valid.push({ index, txId, chaincode, upgrades: upgradedChaincode(chaincode, parts) })
  }

  // ---- An endorser transaction -----------------------------------------------------------------------------------

  /** Halts are thrown below, so that what runs for every transaction stays plain. */
  private judged(one: Case): Verdict {
    try {
      return this.endorser(one)
    } catch (error) {
      return haltOf(error)
    }
  }

  /** Rules 5 of 3.9 and all of 3.10: the code of an endorser transaction. Plain as long as its plugins are. */
  private endorser(one: Case): Verdict {
    if (this.isKnown(one)) return Code.DUPLICATE_TXID
    const { application } = one.bundle
    if (application === undefined) throw this.halt(one.index, "the channel has no Application configuration")
    const dispatched = this.dispatched(one, application)
    if (Either.isLeft(dispatched)) return dispatched.left
    return this.from(0, one, application.capabilities, dispatched.right)
  }

  private isKnown({ index, opened }: Case): boolean {
    try {
      return this.rules.support.hasTransaction(opened.channelHeader.txId)
    } catch (cause) {
      throw this.halt(index, `could not tell whether the transaction id is known: ${textOf(cause)}`, cause)
    }
  }

  private dispatched({ index, opened, parts }: Case, application: Application): Either.Either<Dispatch, number> {
    const { capabilities } = application
    const { rules, state } = this
    try {
      return dispatch(opened, parts, {
        capabilities,
        mspIds: rules.mspIds(application),
        state,
        system: rules.system
      })
    } catch (cause) {
      throw this.halt(index, `could not read state: ${textOf(cause)}`, cause)
    }
  }

  private checkOf({ index }: Case, make: Dispatch["checks"][number]): ReturnType<typeof make> {
    try {
      return make()
    } catch (cause) {
      throw this.halt(index, `Could not retrieve state for chaincode: ${textOf(cause)}`, cause)
    }
  }

  /** The checks of a transaction from that one on. */
  private from(first: number, one: Case, capabilities: Application["capabilities"], all: Dispatch): Verdict {
    const { rules, state, updated } = this
    const { bundle, endorsements, index: position, opened, parts, verify } = one
    const { checks, sets } = all
    const cache = rules.policies(bundle)
    for (let i = first; i < checks.length; i++) {
      const make = checks[i]
      if (make === undefined) break
      const check = this.checkOf(one, make)
      if (Either.isLeft(check)) {
        one.detail = () => chaincodeDetail(parts, state)
        return check.left
      }
      const { namespace, plugin: name, policy } = check.right
      const plugin = rules.plugin(name)
      if (plugin === undefined) throw this.halt(position, `plugin with name ${name} wasn't found`)
      const outcome = plugin.validate({
        channel: rules.support.channelId,
        block: this.block,
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
        return Effect.flatMap(Effect.either(outcome), (ended) => {
          try {
            if (Either.isLeft(ended)) return this.failed(one, namespace, ended.left)
            updated.add(namespace, sets)
            return asEffect(this.from(i + 1, one, capabilities, all))
          } catch (error) {
            return haltOf(error)
          }
        })
      updated.add(namespace, sets)
    }
    return Code.VALID
  }

  /** What a plugin refuses is an endorsement failure; what it cannot decide stops the channel. */
  private failed(one: Case, namespace: string, failure: PluginFailure): Effect.Effect<number> {
    const { reason } = failure
    if (failure._tag === "ExecutionFailure") throw this.halt(one.index, reason, failure.cause)
    const { bundle, opened, verify } = one
    one.detail = () => policyDetail(namespace, reason, failure.refused, bundle, verify)
    const fields = { channel: this.rules.support.channelId, block: this.block, namespace }
    const text = `VSCCValidateTx for transaction txId = ${opened.channelHeader.txId} returned error: ${reason}`
    return Effect.as(log.warning(text, fields), Code.ENDORSEMENT_POLICY_FAILURE)
  }
}

const asEffect = (verdict: Verdict): Effect.Effect<number, ValidationHalted> =>
  typeof verdict === "number" ? Effect.succeed(verdict) : verdict

/** A halt that was thrown, as an effect; anything else is a defect. */
const haltOf = (error: unknown): ValidationHalted => {
  if (error instanceof ValidationHalted) return error
  throw error
}
