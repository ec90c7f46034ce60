/** Load for benchmarks of the ledger: transactions of the usual size, blocks of them, point reads; memory by kind. */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import type { PeerLedgerShape } from "../../src/ledger/peer/index.js"
import { RWSetBuilder } from "../../src/ledger/rwset/index.js"
import { breathe } from "../../src/runtime/breathe.js"
import { common, protos } from "../../src/wire/index.js"
import { EMPTY, newBlock } from "../../src/wire/protoutil.js"

const envelope = (type: number, txId: string, data: Uint8Array): Uint8Array =>
  common.Envelope.encode({
    payload: common.Payload.encode({
      header: {
        channelHeader: common.ChannelHeader.encode({ type, channelId: "ch", txId }),
        signatureHeader: common.SignatureHeader.encode({ creator: Buffer.alloc(800, 1), nonce: Buffer.alloc(24, 2) })
      },
      data
    }),
    signature: Buffer.alloc(71, 3)
  })

/** An endorser transaction of the usual size: one read, `writes` writes of 100 bytes, room for two endorsements. */
export const endorserTx = (txId: string, keys: ReadonlyArray<string>): Uint8Array => {
  const builder = new RWSetBuilder()
  builder.addRead("lscc", "cc", undefined)
  for (const key of keys) builder.addWrite("cc", key, Buffer.alloc(100, 4))
  return envelope(
    common.HeaderType.ENDORSER_TRANSACTION,
    txId,
    protos.Transaction.encode({
      actions: [
        {
          payload: protos.ChaincodeActionPayload.encode({
            chaincodeProposalPayload: Buffer.alloc(200, 5),
            action: {
              proposalResponsePayload: protos.ProposalResponsePayload.encode({
                extension: protos.ChaincodeAction.encode({
                  results: builder.results().public,
                  chaincodeId: { name: "cc", version: "1" }
                })
              }),
              endorsements: [1, 2].map((n) => ({ endorser: Buffer.alloc(800, n), signature: Buffer.alloc(71, n) }))
            }
          })
        }
      ]
    })
  )
}

export const genesis = common.Block.encode(
  newBlock(0n, EMPTY, [
    envelope(common.HeaderType.CONFIG, "", common.ConfigEnvelope.encode({ config: { channelGroup: {} } }))
  ])
)

export const rss = () => Math.round(process.memoryUsage.rss() / 1024 / 1024)

/** MiB by kind, as Linux counts them, and the most there ever was: `file` are pages of mapped files (LMDB's, the program's). */
export const memory = (): Readonly<Record<string, number>> => {
  const status = fs.existsSync("/proc/self/status") ? fs.readFileSync("/proc/self/status", "utf8") : ""
  const of = (name: string) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024)
  return { rssMiB: rss(), peakMiB: of("VmHWM"), anonymousMiB: of("RssAnon"), fileMiB: of("RssFile") }
}

let serial = 0
export const commitBlocks = (
  ledger: PeerLedgerShape,
  blocks: number,
  txs: number,
  keyOf: (n: number) => ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const latencies: Array<number> = []
    let cpuUs = 0
    for (let b = 0; b < blocks; b++) {
      const envelopes = Array.from({ length: txs }, () => {
        serial += 1
        return endorserTx(`tx${process.pid}-${serial}`, keyOf(serial))
      })
      const block = common.Block.encode(newBlock(ledger.height(), ledger.info().currentBlockHash ?? EMPTY, envelopes))
      const cpu = process.cpuUsage()
      const start = performance.now()
      yield* ledger.commit({ block, codes: new Uint8Array(txs) })
      latencies.push(performance.now() - start)
      const { system, user } = process.cpuUsage(cpu)
      cpuUs += system + user
    }
    return { latencies, cpuUs }
  })

export const pointReads = (ledger: PeerLedgerShape, keys: number, count: number) =>
  Effect.gen(function* () {
    const executor = yield* ledger.newQueryExecutor
    let found = 0
    for (let i = 0; i < count; i++) {
      if (i % 1000 === 0) yield* breathe // as between calls of a peer
      if (executor.getState("cc", `key${Math.floor(Math.random() * keys)}`) !== undefined) found += 1
    }
    executor.done()
    return found
  })
