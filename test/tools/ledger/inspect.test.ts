/** Reading a stopped node's folder: the recorded chain comes out as it was recorded, from our folders and from Go's. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { beforeAll, describe, expect, it } from "vitest"
import { lockFolder } from "../../../src/ledger/index.js"
import { parsePolicy } from "../../../src/policy/index.js"
import { bytesText, policyText } from "../../../src/tools/ledger/values.js"
import { common, protos } from "../../../src/wire/index.js"
import { newBlock } from "../../../src/wire/protoutil.js"
import { folders, goOrderer, goPeer, lines, ourOrderer, ourPeer, run } from "./support.js"

const fresh = folders("inspect")
const vectors = path.join(import.meta.dirname, "..", "..", "vectors", "chain-a")

interface Recorded {
  readonly number: number
  readonly dataHash: string
  readonly commitHash: string | null
  readonly txs: ReadonlyArray<{ readonly txid: string; readonly code: number; readonly name?: string }>
}
const recorded: ReadonlyArray<Recorded> = JSON.parse(fs.readFileSync(path.join(vectors, "chain.json"), "utf8"))
const answers: ReadonlyArray<{ readonly args: ReadonlyArray<string>; readonly payload: string }> = JSON.parse(
  fs.readFileSync(path.join(vectors, "answers.json"), "utf8")
)
const answer = (...args: ReadonlyArray<string>): string => {
  const found = answers.find((a) => JSON.stringify(a.args) === JSON.stringify(args))
  if (found === undefined) throw new Error(`no recorded answer to ${args.join(" ")}`)
  return Buffer.from(found.payload, "base64").toString()
}
const named = (name: string): string => {
  const found = recorded.flatMap(({ txs }) => txs).find((tx) => tx.name === name)
  if (found === undefined) throw new Error(`no transaction ${name}`)
  return found.txid
}

let peer = ""
let peerWithoutHistory = ""
let orderer = ""
let go = ""
let goBlocks = ""
beforeAll(async () => {
  peer = await ourPeer(fresh())
  peerWithoutHistory = await ourPeer(fresh(), { history: false })
  orderer = await ourOrderer(fresh())
  go = goPeer(fresh())
  goBlocks = goOrderer(fresh())
})

const json = async (...argv: ReadonlyArray<string>): Promise<ReadonlyArray<unknown>> => {
  const { code, err, out } = await run([...argv, "--json"])
  expect(err).toBe("")
  expect(code).toBe(0)
  return lines(out)
}

describe("blocks and transactions", () => {
  it("lists channels with their heights", async () => {
    const rows = [
      { channel: "mychannel", height: 29 },
      { channel: "sys", height: 2 }
    ]
    expect(await json("channels", "--ledger", peer)).toEqual([rows[0]])
    expect(await json("channels", "--ledger", go)).toEqual([rows[0]])
    expect(await json("channels", "--ledger", orderer)).toEqual(rows)
    expect(await json("channels", "--ledger", goBlocks)).toEqual(rows)
  })

  it("lists all blocks with codes and commit hashes, the same from Go's files", async () => {
    const expected = recorded.map(({ commitHash, number, txs }) =>
      expect.objectContaining({
        number,
        commitHash,
        transactions: txs.length,
        invalid: txs.filter(({ code }) => code !== 0).length
      })
    )
    const ours = await json("blocks", "--ledger", peer)
    expect(ours).toEqual(expected)
    expect(await json("blocks", "--ledger", go)).toEqual(ours)
    const lastTwo = await run(["blocks", "27", "--ledger", peer])
    expect(lastTwo.out.split("\n")).toHaveLength(3)
    expect(lastTwo.out).toMatch(/ {5}27 .* 1 tx, config .* commit [0-9a-f]{16}\n {5}28 .* 3 tx, 1 invalid/)
    // an orderer's blocks say nothing about validity
    expect(await json("blocks", "4", "4", "--ledger", orderer, "--channel", "mychannel")).toEqual([
      expect.objectContaining({ number: 4, invalid: null, commitHash: null })
    ])
  })

  it("lists transactions with their codes, filtered", async () => {
    const codes = recorded.flatMap(({ number, txs }) => txs.map(({ code }, index) => ({ block: number, index, code })))
    const all = await json("transactions", "--ledger", peer)
    expect(all).toHaveLength(codes.length)
    const { out: invalid } = await run(["transactions", "--invalid", "--ledger", peer])
    expect(invalid.split("\n")).toHaveLength(codes.filter(({ code }) => code !== 0).length + 1)
    const { out: calls } = await run(["transactions", "3", "--chaincode", "lscc", "--ledger", peer])
    expect(calls.match(/ lscc:1\.4\.12/g)).toHaveLength(3)
    expect(calls.split("\n")).toHaveLength(4)
    const { out } = await run(["transactions", "13", "13", "--ledger", peer])
    expect(out).toMatch(/13:4 {2}1cc7b1[0-9a-f]* {2}BAD_COMMON_HEADER {2}99\n/)
  })

  it("decodes a transaction: who, what, read-write set", async () => {
    const [tx] = await json("tx", named("rmw a second"), "--ledger", peer)
    expect(tx).toMatchObject({
      block: 6,
      index: 1,
      code: "MVCC_READ_CONFLICT",
      type: "ENDORSER_TRANSACTION",
      channel: "mychannel",
      creator: { mspId: "Org2MSP", name: "User1@org2.example.com", units: ["client"] },
      signature: "good",
      chaincode: "sink:1.0",
      endorsers: [
        { mspId: "Org1MSP", name: "peer0.org1.example.com", signature: "good" },
        { mspId: "Org2MSP", name: "peer0.org2.example.com", signature: "good" }
      ],
      response: { status: 200 },
      readWriteSet: [
        { namespace: "lscc", reads: [{ key: "sink", version: "3:0" }] },
        { namespace: "sink", reads: [{ key: "a", version: "4:0" }], writes: [{ key: "a" }] }
      ]
    })
    expect(await json("tx", named("rmw a second"), "--ledger", go)).toEqual([tx])
    const [ofOrderer] = await json("tx", named("rmw a second"), "--ledger", goBlocks, "--channel", "mychannel")
    expect(ofOrderer).toMatchObject({ block: 6, index: 1 })
    expect(ofOrderer).not.toHaveProperty("code")
  })

  it("shows ranges, key-level policies, private hashes, events, tampering and what is malformed", async () => {
    const [range] = await json("tx", named("range no phantom"), "--ledger", peer)
    expect(JSON.stringify(range)).toContain('"ranges":[{"start":')
    const [policy] = await json("tx", named("sbe set Org1"), "--ledger", peer)
    expect(JSON.stringify(policy)).toContain(`"entries":{"VALIDATION_PARAMETER":"OR('Org1MSP.member')"}`)
    const [secret] = await json("tx", named("priv put collA"), "--ledger", peer)
    expect(JSON.stringify(secret)).toMatch(/"collection":"collA",.*"valueHash":"[0-9a-f]{64}".*"privateSetHash":"/)
    const [event] = await json("tx", named("event"), "--ledger", peer)
    expect(event).toMatchObject({ event: { chaincode: "sink" } })
    const [tampered] = await json("tx", named("tampered endorsement"), "--ledger", peer)
    expect(JSON.stringify(tampered)).toContain('"signature":"bad"')
    const [none] = await json("tx", named("no actions"), "--ledger", peer)
    expect(none).toMatchObject({ code: "INVALID_ENDORSER_TRANSACTION", malformed: "it has no chaincode action" })
    const [garbage] = await json("tx", named("garbage data"), "--ledger", peer)
    expect(garbage).toMatchObject({ code: "INVALID_ENDORSER_TRANSACTION" })
    expect(JSON.stringify(garbage)).toMatch(/"malformed":"[^"]+","hex":"[0-9a-f]+"/)
    // a doubled id: the first one is what it stands for
    const [first] = await json("tx", named("again in a later block"), "--ledger", peer)
    expect(first).toMatchObject({ block: 12, index: 0, code: "VALID" })
  })

  it("decodes a block with its configuration and signers", async () => {
    const [genesis] = await json("block", "0", "--ledger", peer)
    expect(genesis).toMatchObject({
      number: 0,
      previousHash: null,
      transactions: [
        { type: "CONFIG", config: { config: { channel_group: { groups: { Application: {}, Orderer: {} } } } } }
      ]
    })
    const { out } = await run(["block", "27", "--ledger", go])
    expect(JSON.parse(out)).toMatchObject({ number: 27, signers: [{ mspId: "OrdererMSP" }] })
    const [creation] = await json("block", "1", "--ledger", goBlocks, "--channel", "sys")
    expect(creation).toMatchObject({ transactions: [{ type: "ORDERER_TRANSACTION", envelope: { payload: {} } }] })
  })
})

describe("state and history", () => {
  it("lists a namespace as Go answered the same question", async () => {
    const all = await json("state", "sink", "--start", "\u0001", "--ledger", peer)
    expect(
      JSON.stringify(
        all
          .map((row) => (typeof row === "object" && row !== null ? Object.values(row) : []))
          .map(([key, , value]) => [key, value])
      )
    ).toBe(answer("range", "", ""))
    const limited = await run(["state", "sink", "--limit", "2", "--ledger", peer])
    expect(limited.out).toBe('"\\u0000car\\u0000red\\u0000vw\\u0000"  4:2  "x"\n"a"  6:0  "2"\n')
    expect(limited.err).toContain('more than 2 keys: go on with --start "b"')
  })

  it("shows a key with version and metadata, definitions and configuration decoded", async () => {
    expect(await json("state", "sink", "a", "--ledger", peer)).toEqual([
      { namespace: "sink", key: "a", version: "6:0", value: "2" }
    ])
    const [definition] = await json("state", "lscc", "sink", "--ledger", peer)
    expect(definition).toMatchObject({ version: "25:0", value: { name: "sink", version: "2.0" } })
    const [collections] = await json("state", "lscc", "sink~collection", "--ledger", peer)
    expect(collections).toMatchObject({
      value: [
        { name: "collA", members: "OR('Org1MSP.member', 'Org2MSP.member')", blockToLive: 0 },
        { name: "collB", blockToLive: 5 },
        { name: "collC", blockToLive: 2 }
      ]
    })
    const [config] = await json("state", "", "resourcesconfigtx.CHANNEL_CONFIG_KEY", "--ledger", peer)
    expect(config).toMatchObject({ version: "27:0", value: { channel_group: {} } })
    const absent = await run(["state", "sink", "absent", "--ledger", peer])
    expect(absent).toMatchObject({ code: 1, out: "", err: 'Error: state has no key "absent" in "sink"\n' })
  })

  it("shows the hash of private data, and that the value is not here", async () => {
    const [secret] = await json("state", "sink", "s3", "--collection", "collA", "--ledger", peer)
    expect(secret).toMatchObject({ valueHash: answer("hpriv", "collA", "s3"), value: null, version: null })
  })

  for (const key of ["a", "k-sbe", "r5"])
    it(`gives the history of ${key} as Go did: by index, without one, from Go's files`, async () => {
      const rows = await json("history", "sink", key, "--ledger", peer)
      const told = rows.map((row) => {
        const {
          delete: deleted,
          txId,
          value
        } = { txId: "", value: "", delete: false, ...(typeof row === "object" ? row : {}) }
        return [txId, value, deleted]
      })
      expect(JSON.stringify(told)).toBe(answer("hist", key))
      expect(await json("history", "sink", key, "--ledger", peerWithoutHistory)).toEqual(rows)
      expect(await json("history", "sink", key, "--ledger", go)).toEqual(rows)
    })
})

describe("refusals", () => {
  const refused = async (...argv: ReadonlyArray<string>): Promise<string> => {
    const { code, err, out } = await run(argv)
    expect(code).toBe(1)
    expect(out).toBe("")
    return err
  }
  it("says what is missing or ambiguous", async () => {
    expect(await refused("blocks", "--ledger", "/no/such/folder")).toContain("there is no folder /no/such/folder")
    expect(await refused("blocks", "--ledger", fresh())).toContain("there is no ledger in")
    expect(await refused("blocks", "--ledger", orderer)).toContain("choose one with --channel: mychannel, sys")
    expect(await refused("blocks", "--ledger", peer, "--channel", "x")).toContain(
      "has no channel x\n  it has mychannel"
    )
    expect(await refused("block", "29", "--ledger", peer)).toContain("no block [29]\n  its last block is [28]")
    expect(await refused("block", "one", "--ledger", peer)).toContain("must be a block number, not one")
    expect(await refused("tx", "abc", "--ledger", peer)).toContain("has no transaction abc")
    expect(await refused("tx", "abc", "--ledger", goBlocks, "--channel", "sys")).toContain("has no transaction abc")
    expect(await refused("state", "sink", "--ledger", go)).toContain("ledger import makes it anew")
    expect(await refused("state", "sink", "--ledger", orderer, "--channel", "sys")).toContain("keeps no state")
    expect(await refused("history", "sink", "a", "--ledger", goBlocks, "--channel", "sys")).toContain(
      "orderer does not know"
    )
    expect(await refused("history", "sink", "zz", "--ledger", go)).toContain("no valid transaction has written")
    const both = fresh()
    goPeer(both)
    goOrderer(path.join(both, "orderer"))
    expect(await refused("blocks", "--ledger", both)).toContain("a peer's and an orderer's ledger")
  })
  it("does not look into a folder whose node runs", async () => {
    const err = await Effect.runPromise(
      Effect.scoped(
        Effect.zipRight(
          lockFolder(path.join(peer, "ledgersData")),
          Effect.promise(() => refused("blocks", "--ledger", peer))
        )
      )
    )
    expect(err).toContain("are in use: the node runs")
    expect(err).toContain("stop the node first")
  })
  it("gives usage for a wrong command line, and help when asked", async () => {
    const wrong = await run(["blocks"])
    expect(wrong.code).toBe(2)
    expect(wrong.err).toContain("required option '--ledger <folder>' not specified")
    expect((await run(["nonsense"])).code).toBe(2)
    const help = await run(["--help"])
    expect(help.code).toBe(0)
    expect(help.out).toContain("compare [options] <a> <b>")
    expect((await run(["state", "sink", "--ledger", peer, "--limit", "0"])).code).toBe(1)
  })
})

describe("bytes as text", () => {
  it("shows text as text and the rest as hex", () => {
    expect(bytesText(Buffer.from('{"a":"é"}\n'))).toBe('{"a":"é"}\n')
    expect(bytesText(Buffer.from("\0car\0"))).toBe("\0car\0")
    expect(bytesText(Uint8Array.of(0xff, 0))).toEqual({ hex: "ff00" })
    expect(bytesText(Uint8Array.of(0x0a, 0x01, 0x41))).toEqual({ hex: "0a0141" })
  })
  it("keeps a hostile name from steering the terminal", async () => {
    const extension = protos.ChaincodeHeaderExtension.encode({ chaincodeId: { name: "\u001b[2Jcc\n\u009b1m" } })
    const channelHeader = common.ChannelHeader.encode({
      type: common.HeaderType.ENDORSER_TRANSACTION,
      channelId: "ch",
      txId: "\u001b]0;x\u0007",
      extension
    })
    const envelope = common.Envelope.encode({ payload: common.Payload.encode({ header: { channelHeader } }) })
    const block = newBlock(0n, new Uint8Array(0), [envelope])
    const dir = goPeer(fresh(), { ch: [common.Block.encode(block)] })
    const { out } = await run(["transactions", "--ledger", dir])
    expect(out).toMatch(/^ {6}0:0 {2}\ufffd\]0;x\ufffd +\ufffd\[2Jcc\ufffd\ufffd1m\n$/)
  })
  it("writes policies in the language, and what it has no words for as a message", () => {
    const parsed = parsePolicy("OutOf(1, 'A.peer', 'B.admin')")
    if (parsed._tag === "Left") throw parsed.left
    expect(policyText(common.SignaturePolicyEnvelope.encode(parsed.right))).toBe("OR('A.peer', 'B.admin')")
    expect(policyText(common.SignaturePolicyEnvelope.encode({ version: 0 }))).toMatchObject({ version: 0 })
    expect(policyText(Uint8Array.of(0xff))).toMatchObject({ hex: "ff" })
  })
})
