/** Causes of refused transactions of one channel, block by block: gathered while it is validated, told at the commit. */
import * as Effect from "effect/Effect"
import type { Committed } from "../../ledger/index.js"
import * as Log from "../../runtime/Log.js"
import { annotate } from "../../runtime/span.js"
import { codeMeaning, codeName, type Refusal, refusalFields } from "../../validation/index.js"
import type { RefusalsShape } from "./Refusals.js"

const log = Log.module("committer", "refused")

/** Refused transactions of a block that get a line in the log; of the others there is one line with their number. */
const LOGGED = 20

type Version = { readonly blockNum: bigint; readonly txNum: bigint } | undefined
const versionText = (version: Version): string | undefined =>
  version === undefined ? undefined : `version ${version.blockNum}:${version.txNum}`

/** A transaction that the rules of state refused. */
export const conflictRefusal = (
  channel: string,
  block: bigint,
  position: number,
  { chaincode, code, conflict, txId }: Committed["txs"][number]
): Refusal => ({
  channel,
  txId,
  code: codeName(code),
  block,
  position,
  ...codeMeaning(code),
  chaincode: chaincode?.name,
  ...(conflict === undefined
    ? {}
    : {
        namespace: conflict.namespace,
        collection: conflict.collection === "" ? undefined : conflict.collection,
        key:
          conflict.rangeEnd === undefined
            ? conflict.key
            : `range from ${conflict.key} to ${conflict.rangeEnd || "the end"}`,
        expected: conflict.rangeEnd === undefined ? (versionText(conflict.read) ?? "no such key") : undefined,
        found: conflict.inBlock
          ? "written by an earlier transaction of the block"
          : conflict.rangeEnd === undefined
            ? (versionText(conflict.committed) ?? "no such key")
            : undefined
      })
})

export interface BlockRefusals {
  /** A transaction that validation refused. */
  readonly refused: (refusal: Refusal) => void
  /** The block is committed: the rules of state have refused some more. */
  readonly committed: (block: Committed) => Effect.Effect<void>
}

export const makeBlockRefusals = (channel: string, refusals: RefusalsShape): BlockRefusals => {
  let gathered: Array<Refusal> = []
  return {
    refused: (refusal) => void gathered.push(refusal),
    committed: ({ number, txs }) => {
      const before = gathered
        .filter(({ block }) => block === number)
        // validation gives no id to what it cannot open; the ledger finds one where it can
        .map((refusal) =>
          refusal.txId === "" ? { ...refusal, txId: txs[refusal.position ?? 0]?.txId ?? "" } : refusal
        )
      gathered = gathered.filter(({ block }) => block !== number)
      const known = new Set(before.map(({ position }) => position))
      const all = [...before]
      for (const [position, tx] of txs.entries())
        if (tx.code !== 0 && !known.has(position)) all.push(conflictRefusal(channel, number, position, tx))
      if (all.length === 0) return Effect.void
      for (const refusal of all) refusals.add(refusal)
      return Effect.gen(function* () {
        yield* annotate(() => ({
          refused: all
            .slice(0, LOGGED)
            .map(({ code, txId }) => `${txId}=${code}`)
            .join(" ")
        }))
        for (const refusal of all.slice(0, LOGGED)) {
          const { code, position, reason, txId } = refusal
          yield* log.warning(
            `[${channel}] transaction [${txId}] (${position} of block [${number}]) is not valid, ${code}: ${reason}`,
            refusalFields(refusal)
          )
        }
        if (all.length > LOGGED)
          yield* log.warning(`[${channel}] ${all.length - LOGGED} more transactions of block [${number}] are not valid`)
      })
    }
  }
}
