/**
 * Which namespaces of a transaction are validated, by which policy, and the codes that end it before: each rule by
 * capability (peer-endorse-validate.md 3.9 rules 7 and 8, 3.10, 3.11 rules 2-5; acceptance 16, 17 and 19).
 */
import * as Either from "effect/Either"
import { describe, expect, test } from "vitest"
import { applicationCapabilities } from "../../src/channelconfig/capabilities.js"
import { RWSetBuilder, readWriteSet } from "../../src/ledger/rwset/index.js"
import { markRepeatedIds, markUpgradeConflicts, type ValidTransaction } from "../../src/validation/conflicts.js"
import { dispatch } from "../../src/validation/dispatch.js"
import type { PluginInput } from "../../src/validation/index.js"
import { PolicyFailure } from "../../src/validation/index.js"
import { chaincodePolicyOnly, hashedKey, keyLevelPolicies, publicKey } from "../../src/validation/vscc/keyLevel.js"
import { ccprovider, common, msp, protos, rwset } from "../../src/wire/index.js"
import { EMPTY, sha256, utf8 } from "../../src/wire/protoutil.js"
import { MemoryState } from "./memory.js"

const Code = protos.TxValidationCode
const levels = ["none", "V1_1", "V1_2", "V1_3", "V1_4_2"] as const
type Level = (typeof levels)[number]
const capabilitiesOf = (level: Level) => applicationCapabilities(level === "none" ? [] : [level])

const system = {
  isSystem: (name: string) => ["lscc", "qscc", "cscc", "vscc", "escc"].includes(name),
  isSystemAndNotInvokableExternal: (name: string) => ["vscc", "escc"].includes(name),
  isSystemAndNotInvokableCC2CC: (name: string) => ["cscc", "vscc", "escc"].includes(name)
}

// ---- Transactions --------------------------------------------------------------------------------------------------

interface Given {
  readonly invoked?: string
  /** The chaincode that the action names. */
  readonly acted?: string
  readonly version?: string
  readonly extension?: Uint8Array
  readonly action?: Uint8Array
  readonly results?: Uint8Array
  readonly events?: Uint8Array
  readonly writes?: (builder: RWSetBuilder) => void
  readonly definitions?: ReadonlyArray<readonly [name: string, definition: Partial<ccprovider.ChaincodeData>]>
}

const opened = (extension: Uint8Array) => ({
  envelope: common.Envelope.create({}),
  payload: common.Payload.create({}),
  header: common.Header.create({}),
  channelHeader: common.ChannelHeader.create({ extension }),
  signatureHeader: common.SignatureHeader.create({}),
  creator: { creator: EMPTY, signature: EMPTY, data: EMPTY }
})
const partsOf = (extension: Uint8Array) => {
  const response = protos.ProposalResponsePayload.create({ extension, proposalHash: utf8("hash") })
  return {
    action: protos.TransactionAction.create({}),
    actionPayload: protos.ChaincodeActionPayload.create({}),
    endorsedAction: protos.ChaincodeEndorsedAction.create({
      proposalResponsePayload: protos.ProposalResponsePayload.encode(response)
    }),
    responsePayload: response
  }
}
const resultsOf = (fill: (builder: RWSetBuilder) => void): Uint8Array => {
  const builder = new RWSetBuilder()
  fill(builder)
  return builder.results().public
}

class Definitions extends MemoryState {
  constructor(private readonly known: NonNullable<Given["definitions"]>) {
    super()
  }
  override getState(namespace: string, key: string): Uint8Array | undefined {
    const found = this.known.find(([name]) => name === key)?.[1]
    if (namespace !== "lscc" || found === undefined) return undefined
    return ccprovider.ChaincodeData.encode({
      name: key,
      version: "1",
      vscc: "vscc",
      policy: utf8(`of ${key}`),
      ...found
    })
  }
}

/** Namespaces with the plugin that is asked, up to the code that ends the list; or the code alone. */
const dispatched = (level: Level, given: Given): ReadonlyArray<string | number> => {
  const invoked = given.invoked ?? "cc"
  const extension = given.extension ?? protos.ChaincodeHeaderExtension.encode({ chaincodeId: { name: invoked } })
  const action =
    given.action ??
    protos.ChaincodeAction.encode({
      results: given.results ?? resultsOf(given.writes ?? ((b) => b.addWrite("cc", "k", utf8("v")))),
      events: given.events ?? EMPTY,
      response: { status: 200 },
      chaincodeId: { name: given.acted ?? invoked, version: given.version ?? "1" }
    })
  const outcome = dispatch(opened(extension), partsOf(action), {
    capabilities: capabilitiesOf(level),
    state: new Definitions(
      given.definitions ?? [
        ["cc", {}],
        ["dd", {}]
      ]
    ),
    system,
    mspIds: ["Org1MSP", "Org2MSP"]
  })
  if (Either.isLeft(outcome)) return [outcome.left]
  const found: Array<string | number> = []
  for (const check of outcome.right.checks) {
    const next = check()
    if (Either.isLeft(next)) return [...found, next.left]
    const { namespace, plugin, policy } = next.right
    const shown = Buffer.from(policy).toString()
    found.push(`${namespace} by ${plugin}${shown === `of ${namespace}` ? "" : ", any member"}`)
  }
  return found
}
const everywhere = (given: Given) => levels.map((level) => dispatched(level, given))
const same = (expected: ReadonlyArray<string | number>) => levels.map(() => expected)

const event = (chaincodeId: string) => protos.ChaincodeEvent.encode({ chaincodeId, txId: "t", eventName: "e" })

describe("what a transaction says of itself", () => {
  test.each<readonly [string, Given, number]>([
    ["an extension that is none", { extension: Uint8Array.of(0x0a, 0xff) }, Code.BAD_HEADER_EXTENSION],
    ["no action", { action: EMPTY }, Code.BAD_RESPONSE_PAYLOAD],
    ["an action that is none", { action: Uint8Array.of(0x0a, 0xff) }, Code.BAD_RESPONSE_PAYLOAD],
    ["results that are none", { results: Uint8Array.of(0x12, 0xff) }, Code.BAD_RWSET],
    ["no chaincode in the header", { invoked: "", acted: "cc" }, Code.INVALID_OTHER_REASON],
    ["another chaincode in the action", { acted: "dd" }, Code.INVALID_OTHER_REASON],
    ["no version", { version: "" }, Code.INVALID_OTHER_REASON],
    [
      "a namespace that comes twice, written or not",
      {
        results: rwset.TxReadWriteSet.encode({ nsRwset: [{ namespace: "cc" }, { namespace: "cc" }] })
      },
      Code.ILLEGAL_WRITESET
    ],
    ["a chaincode that is not defined", { definitions: [] }, Code.INVALID_OTHER_REASON],
    ["a definition without a plugin", { definitions: [["cc", { vscc: "" }]] }, Code.INVALID_OTHER_REASON],
    ["a definition without a policy", { definitions: [["cc", { policy: EMPTY }]] }, Code.INVALID_OTHER_REASON],
    ["a version that was upgraded", { definitions: [["cc", { version: "2" }]] }, Code.EXPIRED_CHAINCODE],
    ["writes to lscc", { writes: (b) => b.addWrite("lscc", "cc", utf8("v")) }, Code.ILLEGAL_WRITESET],
    ["writes to cscc", { writes: (b) => b.addWrite("cscc", "k", utf8("v")) }, Code.ILLEGAL_WRITESET],
    ["writes to vscc", { writes: (b) => b.addWrite("vscc", "k", utf8("v")) }, Code.ILLEGAL_WRITESET],
    ["a call of vscc", { invoked: "vscc" }, Code.ILLEGAL_WRITESET]
  ])("%s ends it under every capability", (_, given, code) => {
    expect(everywhere(given)).toEqual(same([code]))
  })

  test("an event of another chaincode, or one that is none, ends it from V1_2 on", () => {
    for (const events of [event("dd"), event(""), Uint8Array.of(0x0a, 0xff)])
      for (const level of levels)
        expect(dispatched(level, { events }), level).toEqual(
          level === "none" || level === "V1_1" ? ["cc by vscc"] : [Code.INVALID_OTHER_REASON]
        )
    expect(everywhere({ events: event("cc") })).toEqual(same(["cc by vscc"]))
  })
})

describe("namespaces", () => {
  test("that are written are validated, the invoked one first and always from V1_2 on", () => {
    const calls: Given = {
      writes: (b) => b.addWrite("aa", "k", utf8("v")),
      definitions: [
        ["cc", {}],
        ["aa", {}]
      ]
    }
    for (const level of levels)
      expect(dispatched(level, calls), level).toEqual(
        level === "none" || level === "V1_1" ? ["aa by vscc"] : ["cc by vscc", "aa by vscc"]
      )
  })

  test("that are only read are not", () => {
    const reads: Given = { writes: (b) => b.addRead("dd", "k", undefined) }
    for (const level of levels)
      expect(dispatched(level, reads), level).toEqual(level === "none" || level === "V1_1" ? [] : ["cc by vscc"])
  })

  test("count as written by what the capabilities know", () => {
    const written = (level: Level, writes: (builder: RWSetBuilder) => void) =>
      dispatched(level, { writes }).includes("dd by vscc")
    const kinds = {
      value: (b: RWSetBuilder) => b.addWrite("dd", "k", utf8("v")),
      private: (b: RWSetBuilder) => b.addPrivateWrite("dd", "c", "k", utf8("v")),
      metadata: (b: RWSetBuilder) => b.addMetadataWrite("dd", "k", new Map([["m", utf8("v")]])),
      privateMetadata: (b: RWSetBuilder) => b.addPrivateMetadataWrite("dd", "c", "k", new Map([["m", utf8("v")]]))
    }
    const seen = Object.entries(kinds).map(([kind, writes]) => [kind, levels.filter((level) => written(level, writes))])
    expect(Object.fromEntries(seen)).toEqual({
      value: ["none", "V1_1", "V1_2", "V1_3", "V1_4_2"],
      private: ["V1_2", "V1_3", "V1_4_2"],
      metadata: ["V1_3", "V1_4_2"],
      privateMetadata: ["V1_3", "V1_4_2"]
    })
  })

  test("of called chaincode need its definition, whatever its version", () => {
    const writes = (b: RWSetBuilder) => b.addWrite("dd", "k", utf8("v"))
    const known: Given = {
      writes,
      definitions: [
        ["cc", {}],
        ["dd", { version: "7", vscc: "mine" }]
      ]
    }
    expect(dispatched("V1_4_2", known)).toEqual(["cc by vscc", "dd by mine"])
    expect(dispatched("V1_4_2", { writes, definitions: [["cc", {}]] })).toEqual([
      "cc by vscc",
      Code.INVALID_OTHER_REASON
    ])
  })

  test("of system chaincode are any member's", () => {
    expect(everywhere({ invoked: "lscc", writes: (b) => b.addWrite("lscc", "cc", utf8("v")) })).toEqual(
      same(["lscc by vscc, any member"])
    )
    expect(everywhere({ invoked: "qscc", writes: () => {} })).toEqual(same(["qscc by vscc, any member"]))
  })
})

// ---- Policies of keys ----------------------------------------------------------------------------------------------

const identity = (name: string) => msp.SerializedIdentity.encode({ mspid: "Org1MSP", idBytes: utf8(name) })
const signedBy = (...names: ReadonlyArray<string>) =>
  names.map((name) => ({ data: utf8("d"), identity: identity(name), signature: utf8("s") }))

class KeyPolicies extends MemoryState {
  constructor(private readonly policies: ReadonlyMap<string, string>) {
    super()
  }
  private of(mark: string): ReadonlyMap<string, Uint8Array> {
    const policy = this.policies.get(mark)
    if (policy === "gone") throw new Error("the disk is gone")
    return policy === undefined ? new Map() : new Map([["VALIDATION_PARAMETER", utf8(policy)]])
  }
  override getStateMetadata(_: string, key: string) {
    return this.of(publicKey(key))
  }
  override getPrivateDataMetadataByHash(_: string, collection: string, keyHash: Uint8Array) {
    return this.of(collection + hashedKey(keyHash))
  }
}

interface Judged {
  readonly writes: (builder: RWSetBuilder) => void
  readonly policies?: ReadonlyArray<readonly [mark: string, policy: string]>
  readonly signed?: ReadonlyArray<string>
  readonly updated?: ReadonlyArray<string>
}

/** Policies are names; one holds when all who it names have signed. Gives what was asked, and the outcome. */
const judged = (logic: (input: PluginInput) => { readonly message: string } | undefined, given: Judged) => {
  const asked: Array<string> = []
  const input: PluginInput = {
    channel: "ch",
    block: 5n,
    position: 3,
    namespace: "cc",
    policy: utf8("cc1 cc2"),
    opened: opened(EMPTY),
    parts: partsOf(EMPTY),
    sets: readWriteSet(resultsOf(given.writes)),
    endorsements: signedBy(...(given.signed ?? ["cc1", "cc2"])),
    capabilities: capabilitiesOf("V1_4_2"),
    state: new KeyPolicies(new Map(given.policies ?? [])),
    evaluate: (policy, set) => {
      const text = Buffer.from(policy).toString()
      asked.push(`${text} of ${set.length}`)
      const names = set.map((entry) => Buffer.from(msp.SerializedIdentity.decode(entry.identity).idBytes).toString())
      return text.split(" ").every((name) => names.includes(name)) ? undefined : new PolicyFailure({ reason: "no" })
    },
    parameterUpdated: (collection, key) => (given.updated ?? []).includes(collection + key),
    verify: () => true
  }
  const failure = logic(input)
  return { asked, outcome: failure?.message ?? "" }
}

const put =
  (...keys: ReadonlyArray<string>) =>
  (b: RWSetBuilder) => {
    for (const key of keys) b.addWrite("cc", key, utf8("v"))
  }
const hash = (key: string) => hashedKey(sha256(utf8(key)))

describe("before V1_3", () => {
  test("an identity counts once, and the chaincode's policy is the only one", () => {
    const policies = [[publicKey("k"), "k1"]] as const
    expect(judged(chaincodePolicyOnly, { writes: put("k"), policies, signed: ["cc1", "cc1", "cc2"] })).toEqual({
      asked: ["cc1 cc2 of 2"],
      outcome: ""
    })
    expect(judged(chaincodePolicyOnly, { writes: put("k"), signed: ["cc1"] }).outcome).toBe(
      "VSCC error: endorsement policy failure, err: no"
    )
    expect(judged(chaincodePolicyOnly, { writes: put("k"), signed: ["cc1", "cc1"] }).outcome).toBe(
      "Endorsement policy evaluation failure might be caused by duplicated identities"
    )
  })
})

describe("from V1_3 on", () => {
  test("a key's own policy takes the place of the chaincode's; others share one look at that", () => {
    expect(judged(keyLevelPolicies, { writes: put("k", "l") })).toEqual({ asked: ["cc1 cc2 of 2"], outcome: "" })
    const policies = [[publicKey("k"), "k1"]] as const
    expect(judged(keyLevelPolicies, { writes: put("k"), policies, signed: ["k1"] })).toEqual({
      asked: ["k1 of 1"],
      outcome: ""
    })
    expect(judged(keyLevelPolicies, { writes: put("k", "l"), policies, signed: ["k1"] }).outcome).toBe(
      "validation of endorsement policy for chaincode cc in tx 5:3 failed: no"
    )
    expect(judged(keyLevelPolicies, { writes: put("k"), policies }).outcome).toBe(
      "validation of key k (coll'':ns'cc') in tx 5:3 failed: no"
    )
    expect(judged(keyLevelPolicies, { writes: put("k"), policies: [[publicKey("k"), ""]] }).asked).toEqual([
      "cc1 cc2 of 2"
    ])
  })

  test("a transaction that writes nothing is the chaincode's policy's", () => {
    const writes = (b: RWSetBuilder) => b.addRead("cc", "k", undefined)
    expect(judged(keyLevelPolicies, { writes, signed: [] }).outcome).toContain("for chaincode cc in tx 5:3 failed")
  })

  test("metadata and private keys, in that order, are asked for too", () => {
    const writes = (b: RWSetBuilder) => {
      b.addPrivateMetadataWrite("cc", "c", "pm", new Map([["x", utf8("v")]]))
      b.addPrivateWrite("cc", "c", "p", utf8("v"))
      b.addMetadataWrite("cc", "m", new Map([["x", utf8("v")]]))
      b.addWrite("cc", "k", utf8("v"))
    }
    const policies = [
      [publicKey("k"), "k1"],
      [publicKey("m"), "m1"],
      [`c${hash("p")}`, "p1"],
      [`c${hash("pm")}`, "pm1"]
    ] as const
    expect(judged(keyLevelPolicies, { writes, policies, signed: ["k1", "m1", "p1", "pm1"] })).toEqual({
      asked: ["k1 of 4", "m1 of 4", "p1 of 4", "pm1 of 4"],
      outcome: ""
    })
  })

  test("a parameter that an earlier transaction of the block changed refuses the key", () => {
    expect(judged(keyLevelPolicies, { writes: put("k"), updated: [publicKey("k")] }).outcome).toBe(
      "validation parameters for key [k] in namespace [cc] have been changed in block 5 before transaction 3"
    )
    expect(judged(keyLevelPolicies, { writes: put("k"), updated: [publicKey("l"), `c${hash("k")}`] }).outcome).toBe("")
    const writes = (b: RWSetBuilder) => b.addPrivateWrite("cc", "c", "p", utf8("v"))
    expect(judged(keyLevelPolicies, { writes, updated: [`c${hash("p")}`] }).outcome).toContain(
      "in namespace [cc:c] have been changed in block 5 before transaction 3"
    )
  })

  test("state that cannot be read is no verdict", () => {
    const { outcome } = judged(keyLevelPolicies, { writes: put("k"), policies: [[publicKey("k"), "gone"]] })
    expect(outcome).toBe("could not retrieve metadata for cc:k")
  })
})

// ---- In one block --------------------------------------------------------------------------------------------------

describe("transactions of one block", () => {
  const marked = (
    mark: (valid: ReadonlyArray<ValidTransaction>, codes: Uint8Array) => void,
    ...txs: ReadonlyArray<Partial<ValidTransaction>>
  ) => {
    const codes = new Uint8Array(txs.length)
    const valid = txs.map((tx, index) => ({ index, txId: `t${index}`, chaincode: "cc", upgrades: undefined, ...tx }))
    mark(valid, codes)
    return [...codes]
  }
  const { CHAINCODE_VERSION_CONFLICT, DUPLICATE_TXID } = Code

  test("with one id: the first stays; config transactions have none", () => {
    expect(marked(markRepeatedIds, { txId: "a" }, { txId: "b" }, { txId: "a" }, { txId: "a" })).toEqual([
      0,
      0,
      DUPLICATE_TXID,
      DUPLICATE_TXID
    ])
    expect(marked(markRepeatedIds, { txId: "" }, { txId: "" })).toEqual([0, 0])
  })

  test("that upgrade: the last stays, and who invokes the chaincode goes", () => {
    const upgrade = { chaincode: "lscc", upgrades: "cc" }
    expect(marked(markUpgradeConflicts, {}, upgrade, { chaincode: "dd" }, upgrade, {})).toEqual([
      CHAINCODE_VERSION_CONFLICT,
      CHAINCODE_VERSION_CONFLICT,
      0,
      0,
      CHAINCODE_VERSION_CONFLICT
    ])
    expect(marked(markUpgradeConflicts, {}, { chaincode: "dd" })).toEqual([0, 0])
  })
})
