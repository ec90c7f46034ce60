/** Texts of 5.1 D that no update which passes the other checks can bring about: the filter on its own. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Bundle } from "../../src/channelconfig/index.js"
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

  it.scoped("judges each pair of states and types: out of it too nothing but the state changes", () =>
    Effect.gen(function* () {
      const ordinary = (yield* makeChannel()).current()
      const { STATE_NORMAL } = orderer.ConsensusType_State
      const states = [STATE_NORMAL, STATE_MAINTENANCE, 7]
      const text = (state: number) => ["STATE_NORMAL", "STATE_MAINTENANCE"][state] ?? String(state)
      const into = (type: string, state: number) => (root: Draft) =>
        setValue(groupOf(root, "Orderer"), "ConsensusType", orderer.ConsensusType.encode({ type, state }))
      const alone = (root: Draft) => setValue(group(root, "Orderer"), "ConsensusType", new Uint8Array())
      const at = (from: string, before: number) =>
        Either.getOrThrow(Bundle.fromConfig(ordinary.channelId, next(ordinary, alone, into(from, before)).config))

      for (const from of ["solo", "kafka"]) {
        for (const before of states) {
          const current = at(from, before)
          expect(current.orderer?.consensusState).toBe(text(before).replace("STATE_", ""))
          for (const to of ["solo", "kafka", "magic"]) {
            for (const after of states) {
              // what "next config ConsensusType.State is not in maintenance mode" would tell is told by the first line:
              // with another type the state may not change, so that of the next config is the current one's
              const expected =
                from === to
                  ? undefined
                  : before !== after
                    ? `attempted to change ConsensusType.Type from ${from} to ${to}, but ConsensusType.State is changing from ${text(before)} to ${text(after)}`
                    : before === STATE_NORMAL
                      ? `attempted to change consensus type from ${from} to ${to}, but current config ConsensusType.State is not in maintenance mode`
                      : to === "magic"
                        ? `attempted to change consensus type from ${from} to ${to}, transition not supported`
                        : undefined
              expect(
                maintenanceFilter(current, next(current, alone, into(to, after))),
                `${from} ${text(before)} -> ${to} ${text(after)}`
              ).toEqual(expected === undefined ? Either.right(undefined) : failed(expected))
            }
          }
        }
      }
    })
  )

  it.scoped("without the capability takes no state but the normal one, and no other type", () =>
    Effect.gen(function* () {
      const ordinary = (yield* makeChannel()).current()
      const without = (root: Draft) =>
        setValue(
          groupOf(root, "Orderer"),
          "Capabilities",
          common.Capabilities.encode({ capabilities: new Map([["V1_1", {}]]) })
        )
      const older = Either.getOrThrow(Bundle.fromConfig(ordinary.channelId, next(ordinary, () => {}, without).config))
      const into = (type: string, state: number) => (root: Draft) =>
        setValue(groupOf(root, "Orderer"), "ConsensusType", orderer.ConsensusType.encode({ type, state }))
      const judge = (type: string, state: number) =>
        maintenanceFilter(
          older,
          next(older, () => {}, into(type, state))
        )
      const disabled = (text: string) => failed(`next config attempted to change ${text}, but capability is disabled`)
      for (const type of ["solo", "kafka"]) {
        expect(judge(type, STATE_MAINTENANCE)).toEqual(disabled("ConsensusType.State to STATE_MAINTENANCE"))
        expect(judge(type, 7)).toEqual(disabled("ConsensusType.State to 7"))
      }
      expect(judge("kafka", 0)).toEqual(disabled("ConsensusType.Type from solo to kafka"))
      expect(judge("solo", 0)).toEqual(Either.right(undefined))
    })
  )
})
