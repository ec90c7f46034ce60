/** Causes of refused proposals. Made on the way out of a refusal; nothing of it runs for proposals that pass. */
import type { IdentityDeserializer } from "../../msp/index.js"
import { describeIdentity, type PolicyExplanation } from "../../policy/index.js"
import type { OpenedProposal, Refusal, RefusalCheck } from "../../validation/index.js"
import { protos } from "../../wire/index.js"

/** Longer texts of chaincodes are cut: the whole one is in the answer. */
const LONGEST = 2000

const chaincodeOf = (extension: Uint8Array): string | undefined => {
  try {
    return protos.ChaincodeHeaderExtension.decode(extension).chaincodeId?.name
  } catch {
    return undefined
  }
}

export const proposalRefusal = (
  { channelHeader, creator }: Pick<OpenedProposal, "channelHeader" | "creator">,
  msps: IdentityDeserializer | undefined,
  check: RefusalCheck,
  reason: string,
  explanation?: PolicyExplanation
): Refusal => ({
  channel: channelHeader.channelId,
  txId: channelHeader.txId,
  check,
  reason: reason.length > LONGEST ? `${reason.slice(0, LONGEST)}…` : reason,
  chaincode: chaincodeOf(channelHeader.extension),
  creator: describeIdentity(creator.creator, msps),
  explanation
})
