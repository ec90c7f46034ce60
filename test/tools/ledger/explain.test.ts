/** `ledger explain`: the causes of the recorded chain's refused transactions, found again from our blocks and from Go's. */
import { beforeAll, describe, expect, it } from "vitest"
import { txIdOf } from "../../../src/ledger/index.js"
import { common, protos } from "../../../src/wire/index.js"
import { filterOf } from "../../ledger/vectors.js"
import { folders, goPeer, lines, ourOrderer, ourPeer, peerBlocks, run } from "./support.js"

const fresh = folders("explain")
const { VALID } = protos.TxValidationCode

/** One transaction of each code, the first of the recorded chain. */
const samples = new Map<string, { readonly txId: string; readonly block: number; readonly position: number }>()
const seen = new Set<string>()
for (const [block, bytes] of peerBlocks.entries()) {
  const codes = filterOf(bytes)
  for (const [position, entry] of (common.Block.decode(bytes).data?.data ?? []).entries()) {
    const code = codes[position] ?? VALID
    const txId = txIdOf(entry)
    const name = protos.TxValidationCodeInfo.nameOf(code) ?? String(code)
    if (txId !== "" && !seen.has(txId) && !samples.has(name)) samples.set(name, { txId, block, position })
    seen.add(txId)
  }
}

let ours = ""
let go = ""
beforeAll(async () => {
  ours = await ourPeer(fresh())
  go = goPeer(fresh(), { mychannel: peerBlocks })
})

describe("of a peer", () => {
  it.each([...samples])("%s", async (name, { block, position, txId }) => {
    const { code, err, out } = await run(["explain", txId, "--ledger", ours, "--json"])
    expect([code, err]).toEqual([0, ""])
    const [told] = lines(out)
    expect(told).toMatchObject({ txId, block: String(block), position, code: name })
    if (name === "VALID") expect(told).toMatchObject({ refusal: null })
    else expect(told).toMatchObject({ refusal: { code: name, txId, reason: expect.stringMatching(/./) } })
  })
  it("for people, with policy and signers", async () => {
    const { txId = "" } = samples.get("ENDORSEMENT_POLICY_FAILURE") ?? {}
    const { out } = await run(["explain", txId, "--ledger", ours])
    expect(out).toMatch(
      /^[0-9a-f]{64}: ENDORSEMENT_POLICY_FAILURE, transaction \d+ of block \d+\nrefused by check "endorsement policy"/
    )
    expect(out).toMatch(/\n {2}FAILED (chaincode|key) .*\n/)
    expect(out).toMatch(/\n {2}signer 0: Org[12]MSP .*CN=/)
  })
  it("says keys and versions of read conflicts", async () => {
    const { txId = "" } = samples.get("MVCC_READ_CONFLICT") ?? {}
    const { out } = await run(["explain", txId, "--ledger", ours])
    expect(out).toMatch(/\n {2}namespace \w+(, collection \w+)?, key "[^"]+"\n {2}expected .+, found .+\n/)
  })
})

it("works on a Go peer's folder, and on an orderer's, whose blocks carry no codes", async () => {
  const { txId = "" } = samples.get("ENDORSEMENT_POLICY_FAILURE") ?? {}
  const [fromGo, fromOrderer] = await Promise.all([
    run(["explain", txId, "--ledger", go, "--json"]),
    run(["explain", txId, "--ledger", await ourOrderer(fresh()), "--channel", "mychannel", "--json"])
  ])
  const wanted = lines((await run(["explain", txId, "--ledger", ours, "--json"])).out)
  expect(fromGo.err + fromOrderer.err).toBe("")
  expect(lines(fromGo.out)).toEqual(wanted)
  expect(lines(fromOrderer.out)).toEqual(wanted)
})

it("says that a transaction is not there", async () => {
  const { code, err } = await run(["explain", "nope", "--ledger", ours])
  expect(code).toBe(1)
  expect(err).toMatch(/channel mychannel has no transaction nope.*a proposal that was refused never gets into a block/s)
})
