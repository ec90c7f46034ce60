/** Texts of 5.1 D that no update which passes the other checks can bring about: the filter on its own. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Bundle } from "../../src/channelconfig/index.js"
import { maintenanceFilter } from "../../src/orderer/msgprocessor/maintenance.js"
import { common, orderer } from "../../src/wire/index.js"
import { makeChannel } from "./support/channel.js"
import { build, type Draft, draftOf, groupOf, setValue } from "./support/updates.js"

const { STATE_MAINTENANCE } = orderer.ConsensusType_State
const failed = (text: string) => Either.left(`config transaction inspection failed: ${text}`)

const enter = (root: Draft) =>
  setValue(
    groupOf(root, "Orderer"),
    "ConsensusType",
    orderer.ConsensusType.encode({ type: "solo", state: STATE_MAINTENANCE })
  )

/** A config that has entered maintenance mode, said to come of an update that writes this. */
const next = (current: Bundle, write: ((root: Draft) => void) | undefined, change: (root: Draft) => void = enter) => {
  const draft = draftOf(current.channelGroup)
  change(draft)
  const written: Draft = { version: 0n, modPolicy: "", groups: new Map(), values: new Map(), policies: new Map() }
  write?.(written)
  const configUpdate = common.ConfigUpdate.encode({ channelId: current.channelId, writeSet: build(written) })
  const channelHeader = common.ChannelHeader.encode({ type: common.HeaderType.CONFIG_UPDATE })
  const lastUpdate = common.Envelope.create({
    payload: common.Payload.encode({
      header: { channelHeader },
      data: common.ConfigUpdateEnvelope.encode({ configUpdate })
    })
  })
  const config = common.Config.create({ sequence: current.sequence + 1n, channelGroup: build(draft) })
  return common.ConfigEnvelope.create({ config, ...(write === undefined ? {} : { lastUpdate }) })
}
const group = (root: Draft, name: string): Draft => {
  const made: Draft = { version: 0n, modPolicy: "", groups: new Map(), values: new Map(), policies: new Map() }
  root.groups.set(name, made)
  return made
}

describe("the maintenance filter on its own (5.1 D)", () => {
  it.scoped("wants an update that enters by the one value", () =>
    Effect.gen(function* () {
      const current = (yield* makeChannel()).current()
      const judge = (write: ((root: Draft) => void) | undefined) => maintenanceFilter(current, next(current, write))
      expect(judge(undefined)).toEqual(failed("updated config does not include a config update"))
      expect(judge(() => {})).toEqual(failed("config update contains no changes"))
      expect(judge((root) => group(root, "Application"))).toEqual(failed("update does not contain the Orderer group"))
      expect(judge((root) => setValue(group(root, "Orderer"), "BatchSize", new Uint8Array()))).toEqual(
        failed("config update does not contain the ConsensusType value")
      )
      expect(judge((root) => setValue(group(root, "Orderer"), "ConsensusType", new Uint8Array()))).toEqual(
        Either.right(undefined)
      )
      const without = (root: Draft) => void root.groups.delete("Orderer")
      expect(
        maintenanceFilter(
          current,
          next(current, () => {}, without)
        )
      ).toEqual(failed("next config is missing orderer group"))
    })
  )
})
