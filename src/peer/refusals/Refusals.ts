/**
 * What this peer refused of late, with the causes: asked by `network.mjs explain`. Bounded, in memory only: after a
 * restart `network.mjs ledger explain` finds the causes of committed transactions again, from the blocks.
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { Refusal } from "../../validation/index.js"

export interface RefusalsShape {
  /** Keeps a refusal; the oldest goes when there are too many. Must be cheap and must not throw. */
  readonly add: (refusal: Refusal) => void
  /** What is known of a transaction id, the oldest first: a proposal may have been refused, and the transaction too. */
  readonly find: (txId: string, channelId?: string) => ReadonlyArray<Refusal>
}

const nothing: RefusalsShape = { add: () => {}, find: () => [] }

/** Refusals kept of one transaction id: the id is the client's choice. */
const OF_ONE = 4

/** Keeps the causes of up to `most` transaction ids. */
export const makeRefusals = (most: number): RefusalsShape => {
  const byId = new Map<string, ReadonlyArray<Refusal>>()
  return {
    add: (refusal) => {
      const { txId } = refusal
      // without an id nobody can ask; the log has it
      if (txId === "" || txId.length > 128) return
      const before = byId.get(txId) ?? []
      byId.delete(txId)
      byId.set(txId, [...before, refusal].slice(-OF_ONE))
      if (byId.size <= most) return
      const [oldest] = byId.keys()
      if (oldest !== undefined) byId.delete(oldest)
    },
    find: (txId, channelId) =>
      (byId.get(txId) ?? []).filter(({ channel }) => channelId === undefined || channel === channelId)
  }
}

/** Keeps nothing unless the peer says so. */
export class Refusals extends Context.Reference<Refusals>()("peer/refusals/Refusals", {
  defaultValue: (): RefusalsShape => nothing
}) {
  static readonly layer = (most: number): Layer.Layer<Refusals> => Layer.sync(Refusals, () => makeRefusals(most))
}
