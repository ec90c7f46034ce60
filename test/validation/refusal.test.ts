/** Why transactions of the recorded chain were refused: every code with its cause, nothing for valid ones. */
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import { makeTxValidator, type Refusal, refusalFields, refusalLines } from "../../src/validation/index.js"
import { protos } from "../../src/wire/index.js"
import { channel, commit, plugins, recorded, services } from "./recorded.js"

const Code = protos.TxValidationCode

const replay = Effect.gen(function* () {
  const [first, ...blocks] = recorded("orderer/blocks")
  if (first === undefined) return yield* Effect.dieMessage("no recorded chain")
  const { ids, state, support } = channel(first)
  const refusals: Array<Refusal> = []
  const codes = new Map<string, number>()
  const validator = yield* makeTxValidator({ ...support, refused: (refusal) => void refusals.push(refusal) })
  for (const block of blocks) {
    const number = block.header?.number ?? 0n
    const prepared = yield* validator.prepare({ number, entries: block.data?.data ?? [] })
    const given = yield* validator.validate(prepared)
    for (const [i, code] of given.entries()) codes.set(`${number}:${i}`, code)
    commit(block, given, state, ids)
  }
  return { codes, refusals }
}).pipe(services, plugins)

describe("refusals of the recorded chain", () => {
  it("are told for exactly the transactions that validation refuses, with their codes", async () => {
    const { codes, refusals } = await Effect.runPromise(replay)
    const refused = [...codes].filter(([, code]) => code !== Code.VALID)
    assert.deepEqual(
      refusals.map(({ block, code, position }) => [`${block}:${position}`, code]).sort(),
      refused.map(([at, code]) => [at, protos.TxValidationCodeInfo.nameOf(code)]).sort()
    )
    assert.isAbove(refused.length, 5)
  })

  it("name policy and signers, versions, and who sent it", async () => {
    const { refusals } = await Effect.runPromise(replay)
    const of = (code: string) => refusals.filter((refusal) => refusal.code === code)
    const policies = of("ENDORSEMENT_POLICY_FAILURE")
    assert.isAbove(policies.length, 0)
    for (const { check, creator, explanation, txId } of policies) {
      assert.equal(check, "endorsement policy")
      assert.match(txId, /^[0-9a-f]{64}$/)
      assert.match(creator?.mspId ?? "", /^Org[12]MSP$/)
      if (explanation !== undefined) assert.isFalse(explanation.finding.satisfied)
    }
    const explained = policies.find(({ explanation }) => explanation !== undefined)
    if (explained === undefined) return assert.fail("no policy is explained")
    const lines = refusalLines(explained)
    assert.match(
      lines[0] ?? "",
      /^refused by check "endorsement policy" \(ENDORSEMENT_POLICY_FAILURE\) in block \d+, transaction \d+: /
    )
    assert.isTrue(lines.some((line) => /^ {2}FAILED (chaincode|key) /.test(line)))
    assert.isTrue(lines.some((line) => /^ {2}signer 0: Org[12]MSP CN=|^ {2}signer 0: Org[12]MSP .*CN=/.test(line)))
    assert.include(Object.keys(refusalFields(explained)), "policy")
    for (const { creator, reason } of of("BAD_CREATOR_SIGNATURE")) {
      assert.isNotEmpty(reason)
      assert.isDefined(creator)
    }
  })
})
