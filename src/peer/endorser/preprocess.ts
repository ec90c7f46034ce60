/**
 * Everything that is looked at before a proposal runs. A refusal here is a gRPC error with the text (3.4 rule 6).
 * Source: peer-endorse-validate.md 3.3, 3.4 rules 1-5; preProcess in core/endorser/endorser.go.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { IdentityDeserializer } from "../../msp/index.js"
import type { PolicyExplanation, Verify } from "../../policy/index.js"
import * as Log from "../../runtime/Log.js"
import {
  accessDenied,
  type CheckedProposal,
  checkProposal,
  openProposal,
  type RefusalCheck
} from "../../validation/index.js"
import type { protos } from "../../wire/index.js"
import { toHex } from "../../wire/protoutil.js"
import { ProposalRejected } from "../errors.js"
import { proposalRefusal } from "../refusals/index.js"
import { isInvokableExternal, isSystem } from "../scc/names.js"
import type { EndorserChannel, EndorserSupport } from "./support.js"

const log = Log.module("endorser", "preProcess")

/** A proposal that may run. */
export interface AdmittedProposal {
  readonly checked: CheckedProposal
  /** Undefined for proposals without a channel. */
  readonly channel: EndorserChannel | undefined
}

const reject = (reason: string, cause?: unknown): ProposalRejected => new ProposalRejected({ reason, cause })

const faultOf = (cause: { readonly message: string }) => ({ reason: cause.message, cause })

/** Why the creator's signature does not count; undefined when it does. The client never learns which it was. */
const signatureFault = (
  msps: IdentityDeserializer | undefined,
  {
    creator,
    data,
    signature
  }: { readonly creator: Uint8Array; readonly data: Uint8Array; readonly signature: Uint8Array }
): { readonly reason: string; readonly cause?: unknown } | undefined => {
  if (msps === undefined) return { reason: "the peer has not joined the channel" }
  const identity = msps.deserializeIdentity(creator)
  if (Either.isLeft(identity)) return faultOf(identity.left)
  const valid = msps.validate(identity.right)
  if (Either.isLeft(valid)) return faultOf(valid.left)
  const signed = identity.right.checkSignature(data, signature)
  return Either.isLeft(signed) ? faultOf(signed.left) : undefined
}

/** The creator's signature has been verified: policies need not do it again. Others are asked as usual. */
const verifiedBefore =
  (data: Uint8Array, signature: Uint8Array): Verify =>
  (identity, otherData, otherSignature) =>
    (otherData === data && otherSignature === signature) || identity.verify(otherData, otherSignature)

/** In: the call. Out: the proposal with what was learnt about it. Looks at once, not when the effect is run. */
export const preprocess = (
  support: EndorserSupport,
  signed: protos.SignedProposal
): Effect.Effect<AdmittedProposal, ProposalRejected> => {
  const { metrics } = support
  const invalid = (reason: string, cause?: unknown) => {
    metrics.validationFailed()
    return reject(reason, cause)
  }
  const opened = openProposal(signed)
  if (Either.isLeft(opened)) return invalid(opened.left.message)
  const { channelHeader, creator } = opened.right
  const { channelId, txId } = channelHeader
  const channel = channelId === "" ? undefined : support.channel(channelId)
  const msps = channelId === "" ? support.localMsp : channel?.bundle().mspManager
  const refuse = (check: RefusalCheck, why: string, explanation?: PolicyExplanation) =>
    support.refused(proposalRefusal(opened.right, msps, check, why, explanation))
  const fault = signatureFault(msps, creator)
  if (fault !== undefined) {
    refuse("creator", fault.reason)
    const denied = accessDenied(channelId, creator.creator)
    return Effect.zipRight(
      log.warning(`${denied.message}: ${fault.reason}`, { channel: channelId, txID: txId }),
      invalid(denied.message, fault.cause)
    )
  }
  const checked = checkProposal(opened.right)
  if (Either.isLeft(checked)) {
    refuse("form", checked.left.message)
    return invalid(checked.left.message)
  }
  const { name, version } = checked.right.chaincodeId
  if (isSystem(name) && !isInvokableExternal(name)) {
    refuse("chaincode", `chaincode ${name} cannot be invoked through a proposal`)
    return Effect.zipRight(
      log.error(`an attempt was made to invoke system chaincode ${name}`, { channel: channelId, txID: txId }),
      reject(`chaincode ${name} cannot be invoked through a proposal`)
    )
  }
  const admitted = Effect.succeed({ checked: checked.right, channel })
  if (channel === undefined) return admitted

  const labels = { channel: channelId, chaincode: `${name}:${version}` }
  if (channel.hasTransaction(txId)) {
    metrics.duplicate.with(labels).add(1)
    refuse("duplicate", "a transaction with this id is committed")
    return reject(`duplicate transaction found [${txId}]. Creator [${toHex(creator.creator)}]`)
  }
  if (!isSystem(name)) {
    const caller = { data: creator.data, identity: creator.creator, signature: creator.signature }
    const verdict = support.acl.check("peer/Propose", channelId, caller, verifiedBefore(caller.data, caller.signature))
    if (Either.isLeft(verdict)) {
      metrics.aclFailed.with(labels).add(1)
      refuse("access", verdict.left.message, support.acl.explain("peer/Propose", channelId, caller))
      return Effect.zipRight(
        log.warning(verdict.left.message, { channel: channelId, txID: txId }),
        reject(verdict.left.message, verdict.left)
      )
    }
  }
  return admitted
}
