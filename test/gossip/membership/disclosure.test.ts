import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { idKey } from "../../../src/gossip/ids.js"
import { disclosureTo } from "../../../src/gossip/membership/disclosure.js"
import { alive, person } from "../support.js"

const orgs = ["Own", "Other", "Third"]
const orgsByKey = new Map<string, string>()
const someone = fc
  .record({ org: fc.option(fc.constantFrom(...orgs), { nil: undefined }), endpoint: fc.constantFrom("", "host:1") })
  .map(({ org, endpoint }) => {
    const who = person(org ?? "nobody", `p${endpoint}`)
    if (org !== undefined) orgsByKey.set(idKey(who.pkiId), org)
    return { ...who, key: idKey(who.pkiId), org, endpoint }
  })
const orgOfKey = (key: string) => orgsByKey.get(key)

describe("what a remote may learn (3.4.12)", () => {
  it("follows the rule, whoever asks about whom", () => {
    fc.assert(
      fc.property(someone, someone, (remote, subject) => {
        const told = disclosureTo("Own", orgOfKey, remote).discloses(subject)
        if (remote.org === undefined || subject.org === undefined) expect(told).toBe(false)
        else if (subject.org === remote.org) expect(told).toBe(true)
        else if (subject.org !== "Own") expect(told).toBe(false)
        else expect(told).toBe(subject.endpoint !== "" && remote.endpoint !== "")
      })
    )
  })

  it("leaves the secret envelope to the own organisation only", () => {
    fc.assert(
      fc.property(someone, (remote) => {
        const { envelope } = alive(person("Own", "me"), { seq: 1n, internal: "inside:1" })
        const shown = disclosureTo("Own", orgOfKey, remote).envelope(envelope)
        expect(shown.secretEnvelope !== undefined).toBe(remote.org === "Own")
        expect(shown.payload).toBe(envelope.payload)
        expect(shown.signature).toBe(envelope.signature)
        expect(envelope.secretEnvelope).toBeDefined()
      })
    )
  })
})
