/** Config updates made of a channel's present config. Not a test. */
import * as Either from "effect/Either"
import { type Bundle, computeUpdate } from "../../../src/channelconfig/index.js"
import { type ClientSigner, configUpdateEnvelope } from "../../../src/client/index.js"
import { common, type Init, orderer } from "../../../src/wire/index.js"
import { moment } from "./node.js"

/** A group that may be changed in place; `build` makes the message. */
export interface Draft {
  version: bigint
  modPolicy: string
  readonly groups: Map<string, Draft>
  readonly values: Map<string, common.ConfigValue>
  readonly policies: Map<string, common.ConfigPolicy>
}

export const draftOf = (group: common.ConfigGroup): Draft => ({
  version: group.version,
  modPolicy: group.modPolicy,
  groups: new Map([...group.groups].map(([name, inner]) => [name, draftOf(inner)])),
  values: new Map(group.values),
  policies: new Map(group.policies)
})

export const build = (draft: Draft): common.ConfigGroup =>
  common.ConfigGroup.create({
    ...draft,
    groups: new Map([...draft.groups].map(([name, inner]) => [name, build(inner)]))
  })

export const groupOf = (draft: Draft, ...names: ReadonlyArray<string>): Draft => {
  let found = draft
  for (const name of names) {
    const next = found.groups.get(name)
    if (next === undefined) throw new Error(`no group ${name}`)
    found = next
  }
  return found
}

/** Replaces a value's content, keeping version and mod policy. */
export const setValue = (draft: Draft, key: string, value: Uint8Array): void => {
  const { modPolicy = "Admins", version = 0n } = draft.values.get(key) ?? {}
  draft.values.set(key, common.ConfigValue.create({ value, modPolicy, version }))
}

/** The update that leads from the bundle's config to the changed one. */
export const updateOf = (bundle: Bundle, change: (root: Draft) => void): common.ConfigUpdate => {
  const draft = draftOf(bundle.channelGroup)
  change(draft)
  const updated = common.Config.create({ sequence: bundle.sequence, channelGroup: build(draft) })
  return { ...Either.getOrThrow(computeUpdate(bundle.config, updated)), channelId: bundle.channelId }
}

/** The envelope of an update with the signatures of all; the first also signs the envelope. */
export const envelopeOf = (
  update: Init<common.ConfigUpdate> & { readonly channelId: string },
  signers: readonly [ClientSigner, ...ReadonlyArray<ClientSigner>]
): Uint8Array => configUpdateEnvelope(update.channelId, common.ConfigUpdate.encode(update), signers, signers[0], moment)

export const batchSize = (
  maxMessageCount: number,
  preferredMaxBytes = 2 * 1024 * 1024,
  absoluteMaxBytes = 10 * 1024 * 1024
) => orderer.BatchSize.encode({ maxMessageCount, absoluteMaxBytes, preferredMaxBytes })
