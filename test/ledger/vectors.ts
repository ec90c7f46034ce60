/** The recorded chain: test/vectors/chain-a. */
import * as fs from "node:fs"
import * as path from "node:path"
import { common, protos } from "../../src/wire/index.js"

const root = path.join(import.meta.dirname, "..", "vectors", "chain-a")

/** What Go's orderer served, or what Go's peer stored. */
export const chainA = (of: "orderer" | "peer"): Array<Uint8Array> => {
  const dir = of === "peer" ? path.join(root, "blocks") : path.join(root, "orderer", "blocks")
  return fs
    .readdirSync(dir)
    .sort()
    .map((name) => new Uint8Array(fs.readFileSync(path.join(dir, name))))
}

export const filterOf = (block: Uint8Array): Uint8Array =>
  common.Block.decode(block).metadata?.metadata[2] ?? new Uint8Array(0)

/** Final flags with those that the ledger decides taken back: what validation hands to the commit. */
export const decidedBefore = (codes: Uint8Array): Uint8Array =>
  codes.map((code) =>
    code === protos.TxValidationCode.MVCC_READ_CONFLICT || code === protos.TxValidationCode.PHANTOM_READ_CONFLICT
      ? 0
      : code
  )
