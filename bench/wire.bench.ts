/**
 * CPU time of decoding and encoding, per message, against protobufjs's generated code on the same bytes. Run: npx vite-node
 * bench/wire.bench.ts. One JSON line per case. The bytes are those of a recorded chain.
 */
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import protobuf from "protobufjs"
import type { MessageInfo } from "../src/wire/index.js"
import { common, kvrwset, protos, rwset } from "../src/wire/index.js"
import { blockHeaderHash, chaincodeActionOf, computeTxId, openEnvelope } from "../src/wire/protoutil.js"
import * as raw from "../src/wire/raw.js"

const home = join(import.meta.dirname, "..", "protos")
const walk = (folder: string): Array<string> =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? walk(path) : path.endsWith(".proto") ? [path] : []
  })
const root = new protobuf.Root()
root.resolvePath = (_, target) => (target.startsWith("google/") || target.startsWith("/") ? target : join(home, target))
root.loadSync(walk(home))

const blocks = join(import.meta.dirname, "..", "test", "vectors", "chain-a", "blocks")
const recorded = readdirSync(blocks)
  .sort()
  .map((name) => readFileSync(join(blocks, name)))
const blockBytes = recorded.reduce((a, b) => (b.length > a.length ? b : a))
const entry = recorded
  .flatMap((bytes) => raw.blockEntries(bytes))
  .find((bytes) => {
    const open = openEnvelope(bytes)
    return open?.channelHeader.type === common.HeaderType.ENDORSER_TRANSACTION && chaincodeActionOf(open.payload.data)
  })
if (entry === undefined) throw new Error("no transaction recorded")
const open = openEnvelope(entry)
const parts = open && chaincodeActionOf(open.payload.data)
const header = common.Block.decode(blockBytes).header
if (open === undefined || parts === undefined || header === undefined) throw new Error("recorded transaction is odd")
const set = rwset.TxReadWriteSet.decode(parts.chaincodeAction.results).nsRwset[0]

const measure = (name: string, bytes: number, run: () => unknown): number => {
  const rounds: Array<number> = []
  let count = 64
  for (let round = 0; round < 9; ) {
    const started = process.cpuUsage()
    for (let i = 0; i < count; i++) run()
    const { user, system } = process.cpuUsage(started)
    const elapsed = (user + system) * 1000
    if (elapsed < 2e7) count *= 2
    else {
      rounds.push(elapsed / count)
      round++
    }
  }
  const median = rounds.sort((a, b) => a - b)[4] ?? 0
  console.log(JSON.stringify({ name, unit: "ns", median: Math.round(median), bytes }))
  return median
}

const compare = (type: MessageInfo, bytes: Uint8Array): void => {
  const other = root.lookupType(type.typeName)
  const message = type.decode(bytes)
  const otherMessage = other.decode(bytes)
  measure(`decode ${type.typeName}`, bytes.length, () => type.decode(bytes))
  measure(`decode ${type.typeName}, protobufjs`, bytes.length, () => other.decode(bytes))
  measure(`encode ${type.typeName}`, bytes.length, () => type.encode(message))
  measure(`encode ${type.typeName}, protobufjs`, bytes.length, () => other.encode(otherMessage).finish())
}

compare(common.Block, blockBytes)
compare(common.Envelope, entry)
compare(common.ChannelHeader, open.payload.header?.channelHeader ?? new Uint8Array())
compare(protos.ChaincodeAction, parts.responsePayload.extension)
compare(kvrwset.KVRWSet, set?.rwset ?? new Uint8Array())
measure("open an envelope to its headers", entry.length, () => openEnvelope(entry))
measure("open a transaction to its results", entry.length, () => {
  const opened = openEnvelope(entry)
  return opened && chaincodeActionOf(opened.payload.data)
})
measure("a block's data hash from raw bytes", blockBytes.length, () => raw.path(blockBytes, 1, 3))
measure("header hash", 0, () => blockHeaderHash(header))
measure("transaction id", 0, () => computeTxId(open.signatureHeader.nonce, open.signatureHeader.creator))
