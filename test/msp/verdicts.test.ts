/** Every verdict and text of the MSP against Go 1.4.12: recorded (verdicts.json.gz) and, with an oracle, on fresh keys. */
import { readFileSync, writeFileSync } from "node:fs"
import { gunzipSync, gzipSync } from "node:zlib"
import * as Either from "effect/Either"
import { expect, it } from "vitest"
import { makeMsp } from "../../src/msp/index.js"
import { common, msp } from "../../src/wire/index.js"
import { type Case, makeCases } from "./cases.js"
import { type Answer, base64, type IdentityAnswer, Oracle, question } from "./oracle.js"
import { textOf } from "./support.js"

const FILE = new URL("./verdicts.json.gz", import.meta.url)
const oraclePath = process.env.FABRIC_MSP_ORACLE
const record = process.env.FABRIC_MSP_RECORD === "1"

interface Recorded {
  readonly recordedAt: number
  /** Byte strings, base64; everything below names them by index. */
  readonly bytes: ReadonlyArray<string>
  readonly cases: ReadonlyArray<{
    readonly name: string
    readonly version: Case["version"]
    readonly config: number
    readonly identities: ReadonlyArray<number>
    readonly principals: ReadonlyArray<readonly [number, number]>
    readonly messages: ReadonlyArray<number>
    readonly signatures: ReadonlyArray<number>
    readonly answer: Answer
  }>
}

const own = (one: Case, now: number): Answer => {
  const config = msp.MSPConfig.create({ type: 0, config: msp.FabricMSPConfig.encode(one.config) })
  const built = makeMsp(config, { version: one.version, now })
  if (Either.isLeft(built)) return { Setup: built.left.message }
  const Identities = one.identities.map((bytes, i): IdentityAnswer => {
    const identity = built.right.deserializeIdentity(bytes)
    if (Either.isLeft(identity)) return { Deserialize: identity.left.message }
    const message = one.messages[i]
    const signature = one.signatures[i]
    const signed = message !== undefined && signature !== undefined
    if (signed) {
      const verdict = Either.isRight(identity.right.checkSignature(message, signature))
      expect(identity.right.verify(message, signature)).toBe(verdict)
    }
    return {
      Deserialize: "",
      Id: identity.right.id,
      Serialized: base64(identity.right.serialized),
      Validate: textOf(built.right.validate(identity.right)),
      Principals: one.principals.map((principal) => textOf(built.right.satisfiesPrincipal(identity.right, principal))),
      Verify: signed ? textOf(identity.right.checkSignature(message, signature)) : "",
      Units: built.right
        .organizationalUnits(identity.right)
        .map((unit) => `${unit.name}:${Buffer.from(unit.certifiersIdentifier).toString("hex")}`)
    }
  })
  return { Setup: "", Identities }
}

/** Takes out of a text what is not worth matching: dumps of octets and of Go structures. */
const comparable = (text: string): string =>
  text
    .replace(/\[\d+( \d+)*( \.\.\. \d+ octets)?\]/g, "[octets]")
    .replace(/current time \S+/, "current time")
    .replace(/tags don't match \(.*/s, "tags don't match")
    .replace(/tags don't match\]*$/, "tags don't match")
    .replace(/failed getting certificate for \[.*?\]: /s, "failed getting certificate for []: ")
    .replace(/(validation chain for) \[.*?\]\. /s, "$1 []. ")
    .replace(/Certificate \[.*\] not in root/s, "Certificate [] not in root")

const compare = (one: Case, reference: Answer, now: number): number => {
  const mine = own(one, now)
  const place = `${one.name} under ${one.version}`
  if (reference.Setup.startsWith("PANIC")) {
    // Trap 26: the reference crashes; here it is an error.
    expect(mine.Setup, place).not.toBe("")
    return 1
  }
  expect(comparable(mine.Setup), place).toBe(comparable(reference.Setup))
  let count = 1
  for (const [i, theirs] of (reference.Identities ?? []).entries()) {
    const ours = mine.Identities?.[i]
    const at = `${place}: identity ${i}`
    expect(comparable(ours?.Deserialize ?? "none"), at).toBe(comparable(theirs.Deserialize))
    count++
    if (theirs.Deserialize !== "" || ours === undefined) continue
    expect(ours.Id, at).toBe(theirs.Id)
    expect(ours.Serialized, at).toBe(theirs.Serialized)
    expect(comparable(ours.Validate ?? ""), at).toBe(comparable(theirs.Validate ?? ""))
    expect(comparable(ours.Verify ?? ""), at).toBe(comparable(theirs.Verify ?? ""))
    expect(ours.Units, at).toEqual(theirs.Units ?? [])
    expect(ours.Principals?.map(comparable), at).toEqual((theirs.Principals ?? []).map(comparable))
    count += 5 + (theirs.Principals ?? []).length
  }
  return count
}

const save = (cases: ReadonlyArray<readonly [Case, Answer]>): void => {
  const bytes: Array<string> = []
  const known = new Map<string, number>()
  const index = (content: Uint8Array): number => {
    const text = base64(content)
    const found = known.get(text)
    if (found !== undefined) return found
    known.set(text, bytes.length)
    return bytes.push(text) - 1
  }
  const recorded: Recorded = {
    recordedAt: Date.now(),
    bytes,
    cases: cases.map(([one, answer]) => ({
      name: one.name,
      version: one.version,
      config: index(msp.FabricMSPConfig.encode(one.config)),
      identities: one.identities.map(index),
      principals: one.principals.map((p) => [p.principalClassification, index(p.principal)] as const),
      messages: one.messages.map(index),
      signatures: one.signatures.map(index),
      answer
    }))
  }
  writeFileSync(FILE, gzipSync(JSON.stringify(recorded), { level: 9 }))
}

it("agrees with the recorded verdicts of Go", () => {
  const recorded: Recorded = JSON.parse(gunzipSync(readFileSync(FILE)).toString())
  const bytes = recorded.bytes.map((text) => Buffer.from(text, "base64"))
  const at = (i: number): Uint8Array => bytes[i] ?? new Uint8Array()
  let verdicts = 0
  for (const one of recorded.cases) {
    verdicts += compare(
      {
        name: one.name,
        version: one.version,
        config: msp.FabricMSPConfig.decode(at(one.config)),
        identities: one.identities.map(at),
        principals: one.principals.map(([kind, i]) =>
          common.MSPPrincipal.decode(Buffer.concat([Buffer.of(8, kind, 18), lengthOf(at(i)), at(i)]))
        ),
        messages: one.messages.map(at),
        signatures: one.signatures.map(at)
      },
      one.answer,
      recorded.recordedAt
    )
  }
  expect(verdicts).toBeGreaterThan(5000)
})

const lengthOf = (content: Uint8Array): Uint8Array =>
  content.length < 128 ? Buffer.of(content.length) : Buffer.of(0x80 | (content.length & 0x7f), content.length >> 7)

it.skipIf(oraclePath === undefined)("agrees with Go on fresh cases", { timeout: 120_000 }, async () => {
  const oracle = new Oracle(oraclePath ?? "")
  const cases: Array<readonly [Case, Answer]> = []
  try {
    for (const one of makeCases()) cases.push([one, await oracle.ask(question(one))])
  } finally {
    oracle.close()
  }
  if (record) save(cases)
  for (const [one, answer] of cases) compare(one, answer, Date.now())
})
