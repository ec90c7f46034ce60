/** Why was it refused: the page /explain of a whole peer, for proposals and for transactions of the recorded chain. */
import { readdirSync, readFileSync } from "node:fs"
import { join as joinPath } from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { beforeAll, expect } from "vitest"
import { system } from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import { common, protos } from "../../../src/wire/index.js"
import { metadataSlot, openEnvelope } from "../../../src/wire/protoutil.js"
import { Endorser } from "../../../src/wire/services.js"
import { chainA, genesisBlock, person, proposal } from "../support.js"
import { join } from "./calls.js"
import { recordedBlocks, serveChain } from "./serveChain.js"
import { startPeer, tempFolder } from "./support.js"

let admin: Signer
let user: Signer
let orderer: Signer
beforeAll(async () => {
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
  orderer = await person("OrdererMSP", "Admin")
})

interface Explained {
  readonly committed: ReadonlyArray<{ readonly channel: string; readonly block: string; readonly code: string }>
  readonly refusals: ReadonlyArray<{
    readonly check: string
    readonly code?: string
    readonly reason: string
    readonly block?: string
    readonly creator?: { readonly mspId: string; readonly subject: string }
    readonly namespace?: string
    readonly key?: string
    readonly expected?: string
    readonly found?: string
    readonly explanation?: { readonly finding: { readonly path: string; readonly satisfied: boolean } }
  }>
}

const explain = (operations: string, query: string) =>
  Effect.promise(async () => {
    const answer = await fetch(`http://${operations}/explain${query}`)
    const text = await answer.text()
    const body: Explained = answer.status === 200 ? JSON.parse(text) : { committed: [], refusals: [] }
    return { status: answer.status, text, body }
  })

/** The code that Go's peer gave each transaction, by its id. */
const recordedCodes = (): ReadonlyMap<string, number> => {
  const codes = new Map<string, number>()
  for (const name of readdirSync(joinPath(chainA, "blocks"))) {
    const block = common.Block.decode(readFileSync(joinPath(chainA, "blocks", name)))
    const filter = metadataSlot(block, common.BlockMetadataIndex.TRANSACTIONS_FILTER)
    for (const [i, entry] of (block.data?.data ?? []).entries()) {
      try {
        const id = openEnvelope(entry)?.channelHeader.txId ?? ""
        if (id !== "" && !codes.has(id)) codes.set(id, filter[i] ?? 254)
      } catch {
        // one that cannot be read has no id
      }
    }
  }
  return codes
}

it.scopedLive(
  "tells the cause of every transaction of the recorded chain that is not valid",
  () =>
    Effect.gen(function* () {
      const served = yield* serveChain(recordedBlocks)
      const folder = yield* tempFolder
      const peer = yield* startPeer({ folder, orderer: served.address })
      yield* join(yield* peer.connect(), admin, genesisBlock())
      yield* peer.table.get("mychannel")?.pipeline.reached(BigInt(recordedBlocks.length)) ?? Effect.die("not joined")
      const codes = recordedCodes()
      const checks = new Map<string, number>()
      for (const [txId, code] of codes) {
        const { body, status } = yield* explain(peer.operations, `?txid=${txId}`)
        const name = protos.TxValidationCodeInfo.nameOf(code) ?? ""
        if (code === protos.TxValidationCode.VALID) {
          expect([status, body.committed.map((one) => one.code)], txId).toEqual([200, ["VALID"]])
          continue
        }
        const cause = body.refusals.find((refusal) => refusal.code === name) ?? expect.fail(`${txId} ${name}`)
        checks.set(cause.check, (checks.get(cause.check) ?? 0) + 1)
        expect(cause.block, txId).toMatch(/^\d+$/)
        if (cause.check === "read conflict") {
          expect(cause.namespace).not.toBe("")
          expect(cause.key, txId).toBeDefined()
          expect(cause.expected, txId).toMatch(/^version \d+:\d+$|^no such key$/)
          expect(cause.found, txId).toMatch(/^version \d+:\d+$|^no such key$|^written by an earlier/)
        }
        if (cause.explanation !== undefined) expect(cause.explanation.finding.satisfied).toBe(false)
      }
      expect([...checks.keys()].sort()).toEqual(
        expect.arrayContaining([
          "chaincode",
          "endorsement policy",
          "form",
          "phantom read",
          "read conflict",
          "write set"
        ])
      )
      // the log tells the same, with the fields
      const lines = peer.lines.join("")
      expect(lines).toMatch(
        /WARN \[committer\] \[mychannel\] transaction \[[0-9a-f]{64}\] \(\d+ of block \[\d+\]\) is not valid, MVCC_READ_CONFLICT: /
      )
      expect(lines).toMatch(/check=read conflict|check="read conflict"/)
    }),
  60_000
)

it.scopedLive("tells the cause of proposals that are refused", () =>
  Effect.gen(function* () {
    const served = yield* serveChain(recordedBlocks.slice(0, 3))
    const peer = yield* startPeer({ folder: yield* tempFolder, orderer: served.address })
    const client = yield* peer.connect()
    yield* join(client, admin, genesisBlock())
    const refused = (signer: Signer, call: system.SystemCall, channelId: string) =>
      Effect.gen(function* () {
        const made = proposal({ channelId, signer, ...call })
        yield* Effect.either(client.unary(Endorser.methods.ProcessProposal, made.signed))
        const { body } = yield* explain(peer.operations, `?txid=${made.txId}&channel=${channelId}`)
        return body.refusals
      })
    const sink: system.SystemCall = { chaincode: "sink", args: ["get", "k"] }

    // who may not propose: which policy, who asked
    const [acl] = yield* refused(orderer, sink, "mychannel")
    expect(acl).toMatchObject({
      check: "access",
      creator: { mspId: "OrdererMSP", subject: expect.stringContaining("CN=Admin@example.com") },
      explanation: { finding: { path: "/Channel/Application/Writers", satisfied: false } }
    })
    // a channel that is not here, a chaincode that is not there, a system chaincode's own checks
    expect((yield* refused(user, sink, "nope"))[0]).toMatchObject({
      check: "creator",
      reason: "the peer has not joined the channel"
    })
    expect((yield* refused(user, sink, "mychannel"))[0]).toMatchObject({
      check: "simulation",
      reason: expect.stringContaining("make sure the chaincode sink has been successfully instantiated")
    })
    expect(yield* refused(orderer, system.getChainInfo("mychannel"), "mychannel")).toMatchObject([
      { check: "access", explanation: { finding: { path: "/Channel/Application/Readers" } } },
      { check: "simulation", reason: expect.stringContaining("access denied for [GetChainInfo][mychannel]") }
    ])
    expect(yield* refused(user, system.getInstalledChaincodes, "")).toMatchObject([
      { check: "access", reason: expect.stringContaining("Admins") },
      { check: "simulation" }
    ])

    // what is not known, and what is not asked well
    expect((yield* explain(peer.operations, "?txid=nope")).status).toBe(404)
    expect(yield* explain(peer.operations, "")).toMatchObject({
      status: 400,
      text: '{"error":"the parameter txid is missing"}\n'
    })
  })
)

it.scopedLive("can be switched off", () =>
  Effect.gen(function* () {
    const environment = { CORE_OPERATIONS_EXPLAIN_ENTRIES: "0" }
    const peer = yield* startPeer({ folder: yield* tempFolder, environment })
    expect(yield* explain(peer.operations, "?txid=x")).toMatchObject({ status: 404, text: "404 page not found\n" })
  })
)
