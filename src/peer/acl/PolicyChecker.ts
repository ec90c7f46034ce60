/**
 * Checks a caller against a policy of a channel, or against a role of the peer's own organization. Pure decisions over
 * the bundle in force; the texts are the reference's, because clients show them.
 * Source: peer-endorse-validate.md 3.1 rule 3; core/policy/policy.go, msp/mgmt/principal.go.
 */
import * as Either from "effect/Either"
import type { Bundle } from "../../channelconfig/index.js"
import type { Msp } from "../../msp/index.js"
import { rolePrincipal, type Verify } from "../../policy/index.js"
import { common } from "../../wire/index.js"
import { AccessRefused } from "../errors.js"
import type { SignedData } from "./evidence.js"

type Verdict = Either.Either<void, AccessRefused>

const refuse = (reason: string, cause?: unknown): Verdict => Either.left(new AccessRefused({ reason, cause }))

/** Policies of the peer's own organization, by the names that the system chaincodes use. */
export const localAdmins = "Admins"
export const localMembers = "Members"

const roles: ReadonlyMap<string, number> = new Map([
  [localAdmins, common.MSPRole_MSPRoleType.ADMIN],
  [localMembers, common.MSPRole_MSPRoleType.MEMBER]
])

export class PolicyChecker {
  constructor(
    private readonly bundleOf: (channelId: string) => Bundle | undefined,
    private readonly localMsp: Msp
  ) {}

  /** A policy of a channel; without a channel a role of the local MSP. */
  check(channelId: string, policy: string, caller: SignedData, verify?: Verify): Verdict {
    return channelId === ""
      ? this.checkLocal(policy, caller, verify)
      : this.checkChannel(channelId, policy, caller, verify)
  }

  /** A policy of a channel that this peer has joined. */
  checkChannel(channelId: string, policy: string, caller: SignedData, verify?: Verify): Verdict {
    if (channelId === "")
      return refuse("Invalid channel ID name during check policy on signed data. Name must be different from nil.")
    if (policy === "")
      return refuse(
        `Invalid policy name during check policy on channel [${channelId}]. Name must be different from nil.`
      )
    const bundle = this.bundleOf(channelId)
    if (bundle === undefined) return refuse(`Failed to get policy manager for channel [${channelId}]`)
    return Either.mapLeft(
      bundle.policyManager.getPolicy(policy).evaluate([caller], verify),
      (error) =>
        new AccessRefused({
          reason: `Failed evaluating policy on signed data during check policy on channel [${channelId}] with policy [${policy}]: [${error.message}]`,
          cause: error
        })
    )
  }

  /** `Admins` or `Members` of the peer's own organization: no other organization's identities pass (trap 31). */
  checkLocal(policy: string, caller: SignedData, verify?: Verify): Verdict {
    const during = "during channelless check policy"
    if (policy === "") return refuse(`Invalid policy name ${during}. Name must be different from nil.`)
    const identity = this.localMsp.deserializeIdentity(caller.identity)
    if (Either.isLeft(identity))
      return refuse(
        `Failed deserializing proposal creator ${during} with policy [${policy}]: [${identity.left.message}]`,
        identity.left
      )
    const role = roles.get(policy)
    if (role === undefined)
      return refuse(
        `Failed getting local MSP principal ${during} with policy [${policy}]: [MSP Principal role [${policy}] not recognized]`
      )
    const satisfied = this.localMsp.satisfiesPrincipal(identity.right, rolePrincipal(this.localMsp.mspId, role))
    if (Either.isLeft(satisfied))
      return refuse(
        `Failed verifying that proposal's creator satisfies local MSP principal ${during} with policy [${policy}]: [${satisfied.left.message}]`,
        satisfied.left
      )
    if (verify?.(identity.right, caller.data, caller.signature) === true) return Either.void
    return Either.mapLeft(
      identity.right.checkSignature(caller.data, caller.signature),
      (error) => new AccessRefused({ reason: error.message, cause: error })
    )
  }
}
