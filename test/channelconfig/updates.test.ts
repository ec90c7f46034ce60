/**
 * Config updates against the decisions of Go Fabric 1.4.12's configtx package, recorded on random configurations, updates
 * and signatures (acceptance checks 9 and 10 of identity-policy-config.md, and every other outcome). Where several
 * elements are at fault Go reports any of them: the recording holds all that were seen.
 */
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { mapConfig } from "../../src/channelconfig/configMap.js"
import {
  type Current,
  computeUpdate,
  decodeConfig,
  equalConfigEnvelopes,
  proposeConfigUpdate,
  validateConfigEnvelope
} from "../../src/channelconfig/index.js"
import { PolicyManager } from "../../src/policy/index.js"
import { common } from "../../src/wire/index.js"
import { readCases } from "../policy/corpus.js"
import { fakeMsps } from "../policy/fakes.js"
import { outcome, updateEnvelope } from "./support.js"

interface Case {
  readonly config: string
  readonly envelope: string
  readonly propose: ReadonlyArray<string>
  readonly result?: string
  readonly tampered?: string
  readonly validate?: ReadonlyArray<string>
}

const cases = readCases<Case>(new URL("corpus/updates.jsonl", import.meta.url))
const bytes = (text: string): Uint8Array => Buffer.from(text, "base64")

const currentOf = (config: common.Config): Current => ({
  channelId: "ch",
  sequence: config.sequence,
  configMap: Either.getOrThrow(mapConfig(config.channelGroup)),
  policyManager: Either.getOrThrow(
    PolicyManager.make("Channel", config.channelGroup ?? common.ConfigGroup.create(), fakeMsps)
  )
})

describe("recorded from Go", () => {
  it("proposes, refuses and validates as Go does", () => {
    expect(cases.length).toBeGreaterThan(100)
    for (const [i, { config, envelope, propose, result, tampered, validate }] of cases.entries()) {
      const current = currentOf(Either.getOrThrow(decodeConfig(bytes(config))))
      const proposed = proposeConfigUpdate(current, common.Envelope.decode(bytes(envelope)))
      expect(propose, `case ${i}`).toContain(outcome(proposed))
      if (result === undefined || tampered === undefined) continue
      const made = Either.getOrThrow(proposed)
      // Both ways: as messages, and after a way through bytes, unknown fields included.
      expect(equalConfigEnvelopes(made, common.ConfigEnvelope.decode(bytes(result))), `case ${i}`).toBe(true)
      const again = common.ConfigEnvelope.decode(common.ConfigEnvelope.encode(made))
      expect(outcome(validateConfigEnvelope(current, again)), `case ${i}`).toBe("ok")
      const verdict = validateConfigEnvelope(current, common.ConfigEnvelope.decode(bytes(tampered)))
      expect(validate, `case ${i}`).toContain(outcome(verdict))
    }
  })

  it("an update found between two configurations leads from one to the other", () => {
    let found = 0
    for (const { config, result } of cases) {
      if (result === undefined) continue
      const from = Either.getOrThrow(decodeConfig(bytes(config)))
      const to = common.ConfigEnvelope.decode(bytes(result)).config
      if (to === undefined) throw new Error("no config")
      const update = computeUpdate(from, to)
      // Where only versions differ there is nothing to do.
      if (Either.isLeft(update)) continue
      found++
      const envelope = updateEnvelope("ch", common.ConfigUpdate.encode({ ...update.right, channelId: "ch" }), [])
      const proposed = proposeConfigUpdate({ ...currentOf(from), policyManager: acceptEverything(from) }, envelope)
      if (Either.isLeft(proposed)) {
        // Elements without or with an impossible mod_policy cannot be written back.
        expect(proposed.left.message).toMatch(/invalid mod_policy|unexpected missing policy/)
        continue
      }
      const left = computeUpdate(proposed.right.config ?? common.Config.create(), to)
      expect(outcome(left)).toBe("no differences detected between original and updated config")
    }
    expect(found).toBeGreaterThan(30)
  })
})

/** The configuration's policies, each replaced by one that anybody satisfies. */
const acceptEverything = (config: common.Config): PolicyManager => {
  const accept = common.Policy.create({ type: 1, value: Buffer.from("12021200", "hex") })
  const open = (group: common.ConfigGroup): common.ConfigGroup => ({
    ...group,
    groups: new Map([...group.groups].map(([key, value]) => [key, open(value)])),
    policies: new Map([...group.policies].map(([key, value]) => [key, { ...value, policy: accept }]))
  })
  return Either.getOrThrow(
    PolicyManager.make("Channel", open(config.channelGroup ?? common.ConfigGroup.create()), fakeMsps)
  )
}
