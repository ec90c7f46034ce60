/** What Go's library made of near-messages: recorded from golang/protobuf as Fabric 1.4.12 vendors it (soup.ts, seed 78). */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { common, protos, WireError } from "../../src/wire/index.js"
import { fromHex, toHex } from "../../src/wire/protoutil.js"
import { allMessages } from "./soup.js"

type Case = readonly [type: string, bytes: string, outcome: string]
const isCase = (value: unknown): value is Case =>
  Array.isArray(value) && value.length === 3 && value.every((part) => typeof part === "string")

const recorded: unknown = JSON.parse(readFileSync(join(import.meta.dirname, "go-corpus.json"), "utf8"))
const cases = Array.isArray(recorded) ? recorded.filter(isCase) : []
const types = new Map(allMessages.map((type) => [type.typeName, type]))

const outcomeOf = (type: string, hex: string): string => {
  const codec = types.get(type)
  if (codec === undefined) return "no such type"
  try {
    const again = toHex(codec.encode(codec.decode(fromHex(hex))))
    return again === hex ? "same" : `ok ${again}`
  } catch (error) {
    if (error instanceof WireError) return `error ${error.message}`
    throw error
  }
}

describe("Go's library", () => {
  it("accepts, refuses (with these texts) and re-encodes what we do", () => {
    const differences = cases.flatMap(([type, bytes, outcome]) => {
      const ours = outcomeOf(type, bytes)
      return ours === outcome ? [] : [`${type} ${bytes}: Go ${outcome}, we ${ours}`]
    })
    assert.deepEqual(differences, [])
    assert.isAbove(cases.length, 1500)
    assert.isAbove(new Set(cases.map(([type]) => type)).size, 180)
    assert.isAbove(cases.filter(([, , outcome]) => outcome.startsWith("ok")).length, 500)
  })

  // The departures, each of them meant.
  it("keeps nil for a map entry's absent message, and crashes when the config uses it; we refuse the message", () => {
    assert.equal(
      outcomeOf("common.ConfigGroup", "12030a0161"),
      'error proto: map field "common.ConfigGroup.groups" has an entry without value'
    )
  })
  it("has no use for the value of a capability; absent is as good as empty", () => {
    const { capabilities } = common.Capabilities.decode(fromHex("0a080a0656315f345f32"))
    assert.deepEqual([...capabilities.keys()], ["V1_4_2"])
  })
  it("leaves out a bytes value that was absent in a map entry; we write it empty", () => {
    const { transientMap } = protos.ChaincodeProposalPayload.decode(fromHex("12030a0161"))
    assert.equal(transientMap.get("a")?.length, 0)
    assert.equal(outcomeOf("protos.ChaincodeProposalPayload", "12030a0161"), "ok 12050a01611200")
  })
})
