/**
 * What a deploy or upgrade may write, by capability: each rule of `lscc`'s validation with one transaction that breaks it
 * and nothing else (peer-endorse-validate.md acceptance 17 and 20; ledger-privatedata.md 5.3). The texts are the
 * reference's; the code is ENDORSEMENT_POLICY_FAILURE for all of them.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { describe, expect, test } from "vitest"
import { type ApplicationCapabilities, applicationCapabilities } from "../../src/channelconfig/capabilities.js"
import { type NamespaceSet, RWSetBuilder, readWriteSet } from "../../src/ledger/rwset/index.js"
import { ExecutionFailure, type PluginInput, PolicyFailure } from "../../src/validation/index.js"
import { lsccInvocationHolds } from "../../src/validation/vscc/lscc.js"
import { ccprovider, common, protos } from "../../src/wire/index.js"
import { EMPTY, utf8 } from "../../src/wire/protoutil.js"
import { MemoryState } from "./memory.js"

const capabilities = {
  none: applicationCapabilities([]),
  V1_1: applicationCapabilities(["V1_1"]),
  V1_2: applicationCapabilities(["V1_2"]),
  V1_3: applicationCapabilities(["V1_3"]),
  V1_4_2: applicationCapabilities(["V1_4_2"])
}
type Level = keyof typeof capabilities
const levels: ReadonlyArray<Level> = ["none", "V1_1", "V1_2", "V1_3", "V1_4_2"]
const from = (first: Level): ReadonlyArray<Level> => levels.slice(levels.indexOf(first))
const below = (level: Level): ReadonlyArray<Level> => levels.slice(0, levels.indexOf(level))

// ---- Collections ---------------------------------------------------------------------------------------------------

const signedBy = (index: number): common.SignaturePolicy => common.SignaturePolicy.create({ signedBy: index })
const outOf = (n: number, ...rules: ReadonlyArray<common.SignaturePolicy>): common.SignaturePolicy =>
  common.SignaturePolicy.create({ nOutOf: { n, rules } })

interface Collection {
  readonly name?: string
  readonly required?: number
  readonly maximum?: number
  readonly life?: bigint
  readonly rule?: common.SignaturePolicy
}
const packageOf = (...collections: ReadonlyArray<Collection>): Uint8Array =>
  common.CollectionConfigPackage.encode({
    config: collections.map(({ life, maximum, name, required, rule }) => ({
      staticCollectionConfig: {
        name: name ?? "c",
        requiredPeerCount: required ?? 0,
        maximumPeerCount: maximum ?? 1,
        blockToLive: life ?? 0n,
        memberOrgsPolicy: { signaturePolicy: { rule: rule ?? outOf(1, signedBy(0), signedBy(1)) } }
      }
    }))
  })

// ---- Transactions --------------------------------------------------------------------------------------------------

/** What differs from a deploy of `cc` 1.0, or an upgrade to 2.0, that holds. */
interface Given {
  readonly action?: string
  readonly name?: string
  readonly version?: string
  /** Arguments behind function, channel and spec. */
  readonly rest?: ReadonlyArray<Uint8Array>
  readonly args?: ReadonlyArray<Uint8Array>
  readonly written?: Partial<ccprovider.ChaincodeData>
  /** Writes to `lscc` in place of the record alone; the record is at `record`. */
  readonly writes?: (record: Uint8Array) => ReadonlyArray<readonly [key: string, value: Uint8Array]>
  readonly elsewhere?: string
  readonly onLedger?: Partial<ccprovider.ChaincodeData>
  readonly collectionsOnLedger?: Uint8Array
  readonly unreadable?: boolean
  readonly spec?: Uint8Array
}

const none: ReadonlyArray<Uint8Array> = [EMPTY, EMPTY, EMPTY]

const inputOf = (level: Level, given: Given): PluginInput => {
  const upgrade = given.action === "upgrade"
  const name = given.name ?? "cc"
  const version = given.version ?? (upgrade ? "2.0" : "1.0")
  const spec =
    given.spec ??
    protos.ChaincodeDeploymentSpec.encode({
      chaincodeSpec: { type: protos.ChaincodeSpec_Type.NODE, chaincodeId: { name, version } }
    })
  const args = given.args ?? [utf8(given.action ?? "deploy"), utf8("ch"), spec, ...(given.rest ?? [])]
  const input = protos.ChaincodeInvocationSpec.encode({ chaincodeSpec: { input: { args } } })
  const record = ccprovider.ChaincodeData.encode({
    name,
    version,
    vscc: "vscc",
    escc: "escc",
    policy: utf8("good"),
    instantiationPolicy: utf8("good"),
    ...given.written
  })
  const builder = new RWSetBuilder()
  for (const [key, value] of given.writes?.(record) ?? [[name, record] as const]) builder.addWrite("lscc", key, value)
  if (given.elsewhere !== undefined) builder.addWrite(given.elsewhere, "k", utf8("v"))
  const sets: ReadonlyArray<NamespaceSet> = readWriteSet(builder.results().public)
  const state = new State(given, upgrade)
  const signed = { creator: utf8("creator"), signature: utf8("signature"), data: utf8("payload") }
  const application: ApplicationCapabilities = capabilities[level]
  return {
    channel: "ch",
    block: 5n,
    position: 0,
    namespace: "lscc",
    policy: utf8("good"),
    opened: {
      envelope: common.Envelope.create({}),
      payload: common.Payload.create({}),
      header: common.Header.create({}),
      channelHeader: common.ChannelHeader.create({}),
      signatureHeader: common.SignatureHeader.create({}),
      creator: signed
    },
    parts: {
      action: protos.TransactionAction.create({}),
      actionPayload: protos.ChaincodeActionPayload.create({
        chaincodeProposalPayload: protos.ChaincodeProposalPayload.encode({ input })
      }),
      endorsedAction: protos.ChaincodeEndorsedAction.create({}),
      responsePayload: protos.ProposalResponsePayload.create({})
    },
    sets,
    endorsements: [],
    capabilities: application,
    state,
    // whoever signed the envelope: `good` is satisfied, all else is not
    evaluate: (policy, [creator]) =>
      Buffer.from(policy).toString() === "good" && Buffer.from(creator?.identity ?? EMPTY).toString() === "creator"
        ? undefined
        : new PolicyFailure({ reason: "signature set did not satisfy policy" }),
    parameterUpdated: () => false,
    verify: () => false
  }
}

class State extends MemoryState {
  constructor(
    private readonly given: Given,
    private readonly upgrade: boolean
  ) {
    super()
  }
  override getState(namespace: string, key: string): Uint8Array | undefined {
    const { collectionsOnLedger, onLedger, unreadable } = this.given
    if (unreadable === true) throw new Error("the disk is gone")
    if (namespace !== "lscc") return undefined
    if (key === "cc~collection") return collectionsOnLedger
    if (key !== "cc" || (!this.upgrade && onLedger === undefined)) return undefined
    const known = { name: "cc", version: "1.0", instantiationPolicy: utf8("good"), ...onLedger }
    return ccprovider.ChaincodeData.encode(known)
  }
}

/** "" where it holds. */
const verdict = (level: Level, given: Given): string => {
  const outcome = Effect.runSync(Effect.either(lsccInvocationHolds(inputOf(level, given))))
  if (Either.isRight(outcome)) return ""
  return outcome.left instanceof ExecutionFailure ? `HALT ${outcome.left.message}` : outcome.left.message
}
const at = (where: ReadonlyArray<Level>, given: Given) => where.map((level) => `${level}: ${verdict(level, given)}`)
const all = (where: ReadonlyArray<Level>, text: string) => where.map((level) => `${level}: ${text}`)

const collected = (bytes: Uint8Array, given: Given = {}): Given => ({
  ...given,
  rest: [...none, bytes],
  writes: (record) => [
    ["cc", record],
    ["cc~collection", bytes]
  ]
})
const upgrade = (given: Given = {}): Given => ({ ...given, action: "upgrade" })

// ---- The rules -----------------------------------------------------------------------------------------------------

const mismatch = (version: string) =>
  `collection configuration arguments supplied for chaincode cc:${version} do not match the configuration in the lscc writeset`

describe("a deploy or an upgrade", () => {
  test("that follows the rules holds under every capability", () => {
    expect(at(levels, {})).toEqual(all(levels, ""))
    expect(at(levels, upgrade())).toEqual(all(levels, ""))
    expect(at(levels, { rest: [...none.slice(0, 2)] })).toEqual(all(levels, ""))
  })

  test.each<readonly [string, Given, string]>([
    ["no arguments", { args: [] }, "malformed chaincode invocation spec"],
    [
      "another function",
      { action: "install" },
      "VSCC error: committing an invocation of function install of lscc is invalid"
    ],
    [
      "too few arguments",
      { args: [utf8("deploy"), utf8("ch")] },
      "Wrong number of arguments for invocation lscc(deploy): expected at least 2, received 1"
    ],
    [
      "too many arguments",
      { rest: [...none, EMPTY, EMPTY] },
      "Wrong number of arguments for invocation lscc(deploy): received 7"
    ],
    ["a bad name", { name: "a.b" }, "invalid chaincode name 'a.b'"],
    ["a name with a line end", { name: "cc\n" }, "invalid chaincode name 'cc\n'"],
    ["a system chaincode's name", { name: "qscc" }, "chaincode name 'qscc' is reserved for system chaincodes"],
    ["a bad version", { version: "a b" }, "invalid chaincode version 'a b'"],
    ["no version", { version: "" }, "invalid chaincode version ''"],
    ["no writes", { writes: () => [], elsewhere: "cc" }, "No read write set for lscc was found"],
    ["the record under another key", { writes: (r) => [["dd", r]] }, "expected key cc, found dd"],
    ["another name in the record", { written: { name: "dd" } }, "expected cc name cc, found dd"],
    ["another version in the record", { written: { version: "9" } }, "expected cc version 1.0, found 9"],
    ["writes elsewhere", { elsewhere: "dd" }, "LSCC invocation is attempting to write to namespace dd"],
    ["no instantiation policy", { written: { instantiationPolicy: EMPTY } }, "no instantiation policy was specified"],
    [
      "an instantiation policy that the creator does not satisfy",
      { written: { instantiationPolicy: utf8("others") } },
      "chaincode instantiation policy violated, error signature set did not satisfy policy"
    ],
    ["a chaincode that is there", { onLedger: {} }, "Chaincode cc is already instantiated"]
  ])("with %s is refused under every capability", (_, given, text) => {
    expect(at(levels, given)).toEqual(all(levels, text))
  })

  test("may write to the chaincode's own namespace: its Init ran in it", () => {
    expect(at(levels, { elsewhere: "cc" })).toEqual(all(levels, ""))
  })

  test("of a package that is none is refused", () => {
    const broken = protos.ChaincodeDeploymentSpec.encode({
      chaincodeSpec: { type: protos.ChaincodeSpec_Type.NODE, chaincodeId: { name: "cc", version: "1.0" } },
      codePackage: utf8("no archive")
    })
    for (const text of at(levels, { spec: broken })) expect(text).toContain("GetChaincodeDeploymentSpec error failure")
    for (const text of at(levels, { spec: utf8("\xff") })) expect(text).toContain("GetChaincodeDeploymentSpec error ")
  })

  test("halts the channel where state cannot be read, and says nothing about the transaction", () => {
    expect(at(levels, { unreadable: true })).toEqual(
      all(levels, "HALT could not retrieve state for chaincode cc on channel ch: the disk is gone")
    )
  })
})

describe("an upgrade", () => {
  const refused: ReadonlyArray<readonly [string, Given, string]> = [
    [
      "to the version that is there",
      { onLedger: { version: "2.0" } },
      "Existing version of the cc on the ledger (2.0) should be different from the upgraded one"
    ],
    [
      "that the policy on the ledger does not allow",
      { onLedger: { instantiationPolicy: utf8("others") } },
      "chaincode instantiation policy violated, error signature set did not satisfy policy"
    ]
  ]
  test.each(refused)("%s is refused under every capability", (_, given, text) => {
    expect(at(levels, upgrade(given))).toEqual(all(levels, text))
  })

  test("of what is not there is refused", () => {
    expect(at(levels, upgrade({ name: "dd" }))).toEqual(all(levels, "Upgrading non-existent chaincode dd"))
  })

  test("answers for the policy that it brings from V1_1 on", () => {
    const others = upgrade({ written: { instantiationPolicy: utf8("others") } })
    expect(at(below("V1_1"), others)).toEqual(all(below("V1_1"), ""))
    expect(at(from("V1_1"), others)).toEqual(
      all(from("V1_1"), "chaincode instantiation policy violated, error signature set did not satisfy policy")
    )
    const without = upgrade({ written: { instantiationPolicy: EMPTY } })
    expect(at(below("V1_1"), without)).toEqual(all(below("V1_1"), ""))
    expect(at(from("V1_1"), without)).toEqual(all(from("V1_1"), "No instantiation policy was specified"))
  })
})

describe("collections", () => {
  const good = packageOf({ name: "one" }, { name: "Two_2-b", life: 5n, required: 1, maximum: 3 })

  test("come with a deploy from V1_2 on, with an upgrade too", () => {
    expect(at(from("V1_2"), collected(good))).toEqual(all(from("V1_2"), ""))
    expect(at(from("V1_2"), upgrade(collected(good)))).toEqual(all(from("V1_2"), ""))
    const tooMany = (action: string) => `Wrong number of arguments for invocation lscc(${action}): received 6`
    expect(at(below("V1_2"), collected(good))).toEqual(all(below("V1_2"), tooMany("deploy")))
    expect(at(below("V1_2"), upgrade(collected(good)))).toEqual(all(below("V1_2"), tooMany("upgrade")))
    const silently: Given = { writes: collected(good).writes ?? (() => []) }
    const one = (action: string) => `LSCC can only issue a single putState upon ${action}`
    expect(at(below("V1_2"), silently)).toEqual(all(below("V1_2"), one("deploy")))
    expect(at(below("V1_2"), upgrade(silently))).toEqual(all(below("V1_2"), one("upgrade")))
  })

  test("are written as the argument says, under their key, and nothing else", () => {
    const where = from("V1_2")
    expect(at(where, { rest: [...none, good] })).toEqual(all(where, mismatch("1.0")))
    expect(at(where, { writes: collected(good).writes ?? (() => []) })).toEqual(all(where, mismatch("1.0")))
    const other = { ...collected(good), rest: [...none, packageOf({ name: "other" })] }
    expect(at(where, other)).toEqual(all(where, mismatch("1.0")))
    const key: Given = {
      rest: [...none, good],
      writes: (record) => [
        ["cc", record],
        ["dd~collection", good]
      ]
    }
    expect(at(where, key)).toEqual(
      all(
        where,
        "invalid key for the collection of chaincode cc:1.0; expected 'cc~collection', received 'dd~collection'"
      )
    )
    const three: Given = {
      rest: [...none, good],
      writes: (record) => [
        ["cc", record],
        ["cc~collection", good],
        ["zz", utf8("v")]
      ]
    }
    expect(at(where, three)).toEqual(all(where, "LSCC can only issue one or two putState upon deploy"))
  })

  test("must not be there before the chaincode is", () => {
    expect(at(from("V1_2"), collected(good, { collectionsOnLedger: good }))).toEqual(
      all(from("V1_2"), "collection data should not exist for chaincode cc:1.0")
    )
  })

  const form = "A valid collection name follows the pattern: [A-Za-z0-9_-]+"
  test.each<readonly [string, Uint8Array, string]>([
    ["that are no package", utf8("\x0a\xff"), "invalid collection configuration supplied for chaincode cc:1.0"],
    [
      "of an unknown kind",
      common.CollectionConfigPackage.encode({ config: [{}] }),
      "unknown collection configuration type"
    ],
    ["without a name", packageOf({ name: "" }), "empty collection-name is not allowed"],
    ["with a bad name", packageOf({ name: "a.b" }), `collection-name: a.b not allowed. ${form}`],
    ["with a line end in the name", packageOf({ name: "a\n" }), `collection-name: a\n not allowed. ${form}`],
    [
      "twice",
      packageOf({ name: "a" }, { name: "a" }),
      "collection-name: a -- found duplicate collection configuration"
    ],
    [
      "whose maximum is below what is required",
      packageOf({ name: "a", required: 2, maximum: 1 }),
      "collection-name: a -- maximum peer count (1) cannot be greater than the required peer count (2)"
    ],
    [
      "that require fewer than none",
      packageOf({ name: "a", required: -1, maximum: 1 }),
      "collection-name: a -- requiredPeerCount (1) cannot be less than zero (-1)"
    ],
    [
      "whose members are an AND",
      packageOf({ name: "a", rule: outOf(2, signedBy(0), signedBy(1)) }),
      "collection-name: a -- error in member org policy: signature policy is not an OR concatenation, NOutOf 2"
    ],
    [
      "whose members are an AND inside an OR",
      packageOf({ name: "a", rule: outOf(1, signedBy(0), outOf(2, signedBy(0), signedBy(1))) }),
      "collection-name: a -- error in member org policy: signature policy is not an OR concatenation, NOutOf 2"
    ],
    [
      "that do not say who is a member",
      common.CollectionConfigPackage.encode({ config: [{ staticCollectionConfig: { name: "a" } }] }),
      "collection-name: a -- error in member org policy: signature policy is missing"
    ]
  ])("%s are refused", (_, bytes, text) => {
    const where = from("V1_2")
    expect(at(where, collected(bytes))).toEqual(all(where, text))
    expect(at(where, upgrade(collected(bytes)))).toEqual(all(where, text.replace("cc:1.0", "cc:2.0")))
  })

  test("may be added by an upgrade, not dropped, and live as long as before", () => {
    const where = from("V1_2")
    const old = packageOf({ name: "a", life: 5n }, { name: "b" }, { name: "c", life: 2n ** 64n - 1n })
    const to = (...next: ReadonlyArray<Collection>) =>
      at(where, upgrade(collected(packageOf(...next), { collectionsOnLedger: old })))
    const [a, b, c] = [{ name: "a", life: 5n }, { name: "b" }, { name: "c", life: 2n ** 64n - 1n }]
    expect(to(a, b, c, { name: "d", life: 9n })).toEqual(all(where, ""))
    expect(to({ ...a, required: 1, maximum: 4, rule: signedBy(0) }, b, c)).toEqual(all(where, ""))
    const missing = "the following existing collections are missing in the new collection configuration package:"
    expect(to(b)).toEqual(all(where, `${missing} [a c]`))
    expect(to()).toEqual(all(where, `${missing} [a b c]`))
    const modified = "the BlockToLive in the following existing collections must not be modified:"
    expect(to({ ...a, life: 6n }, b, { ...c, life: 0n })).toEqual(all(where, `${modified} [a c]`))
    // an upgrade that says nothing of collections keeps them
    expect(at(where, upgrade({ collectionsOnLedger: old }))).toEqual(all(where, ""))
  })
})
