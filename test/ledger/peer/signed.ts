/**
 * The endless chain (endless.ts) behind the recorded channel's first block, its blocks made and signed as our orderer
 * does it, with the recorded orderer's key. Kept in files: a signature differs each time that it is made.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type { PeerLedgerShape } from "../../../src/ledger/peer/index.js"
import { RWSetBuilder } from "../../../src/ledger/rwset/index.js"
import { loadLocalMsp } from "../../../src/msp/index.js"
import { annotate, encodeBlock, nextBlock } from "../../../src/orderer/multichannel/blockAssembly.js"
import { common } from "../../../src/wire/index.js"
import { deploy, endorserTx } from "./chain.js"
import { collections, endlessLedgers, planned, privateOfBlock } from "./endless.js"

export const channelId = "mychannel"
export const recorded = path.join(import.meta.dirname, "../../vectors/chain-a")

const envelopesOf = (n: number): ReadonlyArray<Uint8Array> => {
  const tx = (txId: string, results: Uint8Array) => endorserTx(txId, results, "cc", channelId)
  if (n > 1) return planned(n).map(({ results, txId }) => tx(txId, results.public))
  const builder = new RWSetBuilder()
  deploy({ setState: (namespace, key, value) => builder.addWrite(namespace, key, value) }, "cc", collections)
  return [tx("deploy", builder.results().public)]
}

const fileOf = (folder: string, number: number): string => path.join(folder, `${number}.block`)
const read = (folder: string, number: number): Uint8Array => new Uint8Array(fs.readFileSync(fileOf(folder, number)))

/** Writes the first block and `count` behind it into a folder. */
export const writeChain = (folder: string, count: number) =>
  Effect.gen(function* () {
    const { signer } = yield* loadLocalMsp({
      dir: path.join(recorded, "crypto-config/ordererOrganizations/example.com/orderers/orderer.example.com/msp"),
      mspId: "OrdererMSP"
    })
    fs.mkdirSync(folder, { recursive: true })
    fs.copyFileSync(path.join(recorded, "orderer/blocks/000000.block"), fileOf(folder, 0))
    let last = common.Block.decode(read(folder, 0)).header ?? common.BlockHeader.create()
    for (let n = 1; n <= count; n++) {
      const signatureHeader = common.SignatureHeader.encode({
        creator: signer.serialized,
        nonce: Buffer.alloc(24, n)
      })
      const block = annotate(
        nextBlock(last, envelopesOf(n)),
        { consenterMetadata: undefined, lastConfig: 0n },
        { signatureHeader, sign: (message) => signer.sign(message) }
      )
      fs.writeFileSync(fileOf(folder, n), encodeBlock(block))
      last = block.header ?? last
    }
  })

/** A peer's ledger, with the first block of the folder at least. */
export const openSigned = (root: string, folder: string) =>
  Effect.gen(function* () {
    const provider = yield* endlessLedgers(root)
    return (yield* provider.exists(channelId))
      ? yield* provider.open(channelId)
      : yield* provider.create(read(folder, 0))
  })

/** Commits the block of the folder that belongs at the ledger's height. */
export const commitSigned = (ledger: PeerLedgerShape, folder: string): Effect.Effect<unknown, unknown> =>
  Effect.suspend(() => {
    const n = Number(ledger.height())
    const codes = n === 1 ? [0] : planned(n).map(({ code }) => code ?? 0)
    return ledger.commit({ block: read(folder, n), codes: Uint8Array.from(codes), ...privateOfBlock(n) })
  })
