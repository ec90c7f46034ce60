import * as fs from "node:fs"
import * as path from "node:path"
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import { blockResponse, filteredBlock, filteredBlockResponse, statusResponse } from "../../src/deliver/index.js"
import { common, orderer, protos } from "../../src/wire/index.js"

const vectors = path.join(import.meta.dirname, "../vectors/chain-a")
const blocks = fs.readdirSync(path.join(vectors, "blocks")).sort()
const read = (name: string) => fs.readFileSync(path.join(vectors, "blocks", name))
interface Recorded {
  readonly number: number
  readonly txs: ReadonlyArray<{ readonly txid: string; readonly type: number; readonly code: number }>
}
const recorded: ReadonlyArray<Recorded> = JSON.parse(fs.readFileSync(path.join(vectors, "chain.json"), "utf8"))

describe("filtered blocks (peer-endorse-validate.md 3.5 item 11)", () => {
  it("hold id, type and code of every recorded transaction, events without payload", () => {
    let events = 0
    for (const name of blocks) {
      const made = filteredBlock(read(name))
      // this one holds a transaction of garbage: the reference answers BAD_REQUEST in its place
      expect(Either.isLeft(made)).toBe(name === "000013.block")
      if (Either.isLeft(made)) continue
      const filtered = protos.FilteredBlock.decode(made.right)
      const expected = recorded[Number(filtered.number)]
      expect(filtered.channelId).toBe("mychannel")
      expect(
        filtered.filteredTransactions.map(({ txid, txValidationCode, type }) => ({
          txid,
          type,
          code: txValidationCode
        }))
      ).toEqual(expected?.txs.map(({ code, txid, type }) => ({ txid, type, code })))
      for (const { transactionActions, type } of filtered.filteredTransactions) {
        expect(transactionActions !== undefined).toBe(type === common.HeaderType.ENDORSER_TRANSACTION)
        for (const { chaincodeEvent } of transactionActions?.chaincodeActions ?? []) {
          events += 1
          expect(chaincodeEvent?.payload.length).toBe(0)
          expect(chaincodeEvent?.chaincodeId).not.toBe("")
        }
      }
    }
    expect(events).toBeGreaterThan(0)
  })
  it("skip entries that are no envelope and refuse a block whose payload cannot be read", () => {
    const [name = ""] = blocks
    const block = common.Block.decode(read(name))
    const entry = block.data?.data[0] ?? new Uint8Array()
    const of = (...data: ReadonlyArray<Uint8Array>) => filteredBlock(common.Block.encode({ ...block, data: { data } }))
    const broken = Buffer.from("0aff", "hex")
    const skipped = protos.FilteredBlock.decode(Either.getOrThrow(of(broken, entry)))
    expect(skipped.filteredTransactions).toHaveLength(1)
    expect(Either.isLeft(of(common.Envelope.encode({ payload: broken }), entry))).toBe(true)
  })
})

describe("responses", () => {
  it("are what the codecs write", () => {
    const block = read(blocks[1] ?? "")
    expect(Buffer.from(blockResponse(block))).toEqual(
      Buffer.from(orderer.DeliverResponse.encode({ block: common.Block.decode(block) }))
    )
    for (const status of [200, 400, 503]) {
      expect(Buffer.from(statusResponse(status))).toEqual(Buffer.from(orderer.DeliverResponse.encode({ status })))
    }
    const filtered = Either.getOrThrow(filteredBlock(block))
    expect(protos.DeliverResponse.decode(filteredBlockResponse(filtered)).filteredBlock).toEqual(
      protos.FilteredBlock.decode(filtered)
    )
  })
})
