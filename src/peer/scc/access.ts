/** Access checks of system chaincodes: a refusal becomes the call's failure, in the words of each function. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { AclChecker } from "../acl/AclChecker.js"
import { signedDataOf } from "../acl/evidence.js"
import { fail, type SystemCallFailed, type SystemStub } from "./stub.js"

type Words = (reason: string) => string

const noProposal = (where: string): string => `Invalid signed proposal during ${where}`

/** Whether the proposer may use a resource of a channel. */
export const checkAcl = (
  acl: AclChecker,
  resource: string,
  channel: string,
  stub: SystemStub,
  words: Words
): Effect.Effect<void, SystemCallFailed> => {
  const { signedProposal } = stub
  if (signedProposal === undefined) return fail(words(noProposal(`check policy on channel [${channel}]`)))
  const verdict = acl.checkProposal(resource, channel, signedProposal)
  return Either.isRight(verdict) ? Effect.void : fail(words(verdict.left.message))
}

/** Whether the proposer has a role in the peer's own organization. */
export const checkLocal = (
  acl: AclChecker,
  role: string,
  stub: SystemStub,
  words: Words
): Effect.Effect<void, SystemCallFailed> => {
  const { signedProposal } = stub
  const during = `channelless check policy with policy [${role}]`
  if (signedProposal === undefined) return fail(words(noProposal(during)))
  const caller = signedDataOf(signedProposal)
  if (Either.isLeft(caller))
    return fail(words(`Failing extracting ${caller.left.part} during ${during}: [${caller.left.reason}]`))
  const verdict = acl.checkLocal(role, caller.right)
  return Either.isRight(verdict) ? Effect.void : fail(words(verdict.left.message))
}
