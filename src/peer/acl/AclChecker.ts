/**
 * Who may use which resource: what the channel's configuration says, else the built-in table.
 * Source: peer-endorse-validate.md 3.1; chaincode.md R93; core/aclmgmt.
 */
import * as Either from "effect/Either"
import { aclFor, type Bundle, defaultAcls } from "../../channelconfig/index.js"
import { explainPolicy, type PolicyExplanation, type Verify } from "../../policy/index.js"
import { openProposal, type Refusal } from "../../validation/index.js"
import { protos } from "../../wire/index.js"
import { AccessRefused } from "../errors.js"
import { proposalRefusal } from "../refusals/index.js"
import { type SignedData, signedDataOf } from "./evidence.js"
import type { PolicyChecker } from "./PolicyChecker.js"

type Verdict = Either.Either<void, AccessRefused>

const refuse = (reason: string, cause?: unknown): Verdict => Either.left(new AccessRefused({ reason, cause }))

/** What one resource is guarded by on one channel. */
interface Guard {
  readonly policy: string
  readonly bundle: Bundle | undefined
}

export class AclChecker {
  constructor(
    private readonly bundleOf: (channelId: string) => Bundle | undefined,
    private readonly policies: PolicyChecker,
    /** Told why a proposal may not do what it asks of a system chaincode. */
    private readonly refused: (refusal: Refusal) => void = () => {}
  ) {}

  /**
   * Whether the caller may use the resource (`peer/Propose`, `qscc/GetChainInfo`, …).
   * `verify` answers for signatures that were verified before. An unknown channel falls through to the built-in policy,
   * whose text then says that there is no such channel.
   */
  check(resource: string, channelId: string, caller: SignedData, verify?: Verify): Verdict {
    const guard = this.guard(resource, channelId)
    if (guard === undefined) return refuse(`Unmapped policy for ${resource}`)
    const { bundle, policy } = guard
    if (bundle === undefined) return this.policies.check(channelId, policy, caller, verify)
    const during = `failed evaluating policy on signed data during check policy [${policy}]`
    if (!bundle.policyManager.has(policy)) return refuse(`${during}: [policy ${policy} not found]`)
    return Either.mapLeft(
      bundle.policyManager.getPolicy(policy).evaluate([caller], verify),
      (error) => new AccessRefused({ reason: `${during}: [${error.message}]`, cause: error })
    )
  }

  /** The policy that guards a resource on a channel, and what the caller lacks; undefined where no policy of it does. */
  explain(resource: string, channelId: string, caller: SignedData): PolicyExplanation | undefined {
    const guard = this.guard(resource, channelId)
    const bundle = channelId === "" ? undefined : this.bundleOf(channelId)
    if (guard === undefined || bundle === undefined) return undefined
    return explainPolicy(bundle.policyManager, guard.policy, [caller], bundle.mspManager)
  }

  /** As `check`, for a signed proposal. */
  checkProposal(resource: string, channelId: string, signed: protos.SignedProposal, verify?: Verify): Verdict {
    const caller = signedDataOf(signed)
    if (Either.isRight(caller)) {
      const verdict = this.check(resource, channelId, caller.right, verify)
      if (Either.isLeft(verdict))
        this.note(signed, verdict.left.message, this.explain(resource, channelId, caller.right))
      return verdict
    }
    const guard = this.guard(resource, channelId)
    if (guard === undefined) return refuse(`Unmapped policy for ${resource}`)
    const { part, reason } = caller.left
    const { bundle, policy } = guard
    const what = part === "signature header" ? "Invalid Proposal's SignatureHeader" : `Failing extracting ${part}`
    if (bundle === undefined)
      return refuse(
        channelId === ""
          ? `${what} during channelless check policy with policy [${policy}]: [${reason}]`
          : `${what} during check policy on channel [${channelId}] with policy [${policy}]: [${reason}]`
      )
    return refuse(
      part === "proposal"
        ? `${what} during check policy with policy [${policy}]: [${reason}]`
        : `${what} during check policy [${policy}]: [${reason}]`
    )
  }

  /** Local roles, for what concerns the peer and no channel; the caller is a proposal's. */
  checkLocal(role: string, caller: SignedData, verify?: Verify): Verdict {
    const verdict = this.policies.checkLocal(role, caller, verify)
    if (Either.isLeft(verdict))
      this.note(
        protos.SignedProposal.create({ proposalBytes: caller.data, signature: caller.signature }),
        verdict.left.message
      )
    return verdict
  }

  /** Tells of a refused proposal; what cannot be read was refused for that already. */
  private note(signed: protos.SignedProposal, reason: string, explanation?: PolicyExplanation): void {
    const opened = openProposal(protos.SignedProposal.encode(signed))
    if (Either.isLeft(opened)) return
    const { channelId } = opened.right.channelHeader
    const msps = channelId === "" ? undefined : this.bundleOf(channelId)?.mspManager
    this.refused(proposalRefusal(opened.right, msps, "access", reason, explanation))
  }

  /** The guard; its bundle is there only when the channel's configuration chose the policy. */
  private guard(resource: string, channelId: string): Guard | undefined {
    const bundle = channelId === "" ? undefined : this.bundleOf(channelId)
    const found = bundle === undefined ? undefined : aclFor(bundle, resource)
    if (found?.configured === true) return { policy: found.policy, bundle }
    const policy = defaultAcls.get(resource)
    return policy === undefined ? undefined : { policy, bundle: undefined }
  }
}
