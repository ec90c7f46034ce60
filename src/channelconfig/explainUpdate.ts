/**
 * Why a config update is refused: every element that it changes, the policy that guards it, and what its signatures lack.
 * Needs the channel's configuration only, so that a client can tell it as well as an orderer. Beyond Fabric.
 */
import * as Either from "effect/Either"
import {
  channelWriters,
  explainPolicy,
  explanationLines,
  type PolicyExplanation,
  type SignedData
} from "../policy/index.js"
import { common } from "../wire/index.js"
import type { Bundle } from "./Bundle.js"
import { type Current, envelopeToConfigUpdate, guardedChanges, proposeConfigUpdate, signedDataOf } from "./update.js"

export interface ConfigUpdateRefusal {
  /** The reference's text; undefined when the signatures and versions are as they must be. */
  readonly reason: string | undefined
  /** Policies that are not satisfied: of the envelope's sender, then of elements. */
  readonly policies: ReadonlyArray<{ readonly element: string; readonly explanation: PolicyExplanation }>
}

/** Elements that are shown; an update may change thousands under one policy. */
const SHOWN = 10

const senderOf = (envelope: common.Envelope): ReadonlyArray<SignedData> => {
  try {
    const { header } = common.Payload.decode(envelope.payload)
    const { creator } = common.SignatureHeader.decode(header?.signatureHeader ?? new Uint8Array())
    return [{ data: envelope.payload, identity: creator, signature: envelope.signature }]
  } catch {
    return []
  }
}

/** Whether the sender of an envelope may write to the channel, when it may not: why. */
export const explainSender = (
  { mspManager, policyManager }: Pick<Bundle, "mspManager" | "policyManager">,
  envelope: common.Envelope,
  reason: string
): ConfigUpdateRefusal => {
  const explanation = explainPolicy(policyManager, channelWriters, senderOf(envelope), mspManager)
  return { reason, policies: explanation.finding.satisfied ? [] : [{ element: "the envelope", explanation }] }
}

/**
 * In: the configuration in force or a new channel's template, and the CONFIG_UPDATE envelope as it was sent; `creation`:
 * nobody asks there whether the sender may write.
 */
export const explainConfigUpdate = (
  current: Current & Pick<Bundle, "mspManager">,
  envelope: common.Envelope,
  { creation = false }: { readonly creation?: boolean } = {}
): ConfigUpdateRefusal => {
  const { mspManager, policyManager } = current
  const policies: Array<ConfigUpdateRefusal["policies"][number]> = []
  const note = (element: string, explanation: PolicyExplanation): void => {
    const known = policies.some((one) => one.explanation.finding.path === explanation.finding.path)
    if (!explanation.finding.satisfied && !known && policies.length < SHOWN) policies.push({ element, explanation })
  }
  if (!creation && policyManager.has(channelWriters))
    note("the envelope", explainPolicy(policyManager, channelWriters, senderOf(envelope), mspManager))
  const update = envelopeToConfigUpdate(envelope)
  if (Either.isRight(update)) {
    const signed = Either.getOrElse(signedDataOf(update.right), () => [])
    for (const { key, manager, modPolicy } of Either.getOrElse(guardedChanges(current, update.right), () => []))
      if (manager !== undefined) note(key, explainPolicy(manager, modPolicy, signed, mspManager))
  }
  const verdict = proposeConfigUpdate(current, envelope)
  return { reason: Either.isLeft(verdict) ? verdict.left.message : undefined, policies }
}

/** The same as lines for people. */
export const configUpdateLines = ({ policies, reason }: ConfigUpdateRefusal): ReadonlyArray<string> => [
  ...(reason === undefined ? [] : [reason]),
  ...policies.flatMap(({ element, explanation }) => [
    `policy for ${element} is not satisfied:`,
    ...explanationLines(explanation)
  ])
]
