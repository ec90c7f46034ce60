/**
 * Keeping the causes of refusals, and the operations service's page that tells them: `/explain?txid=T[&channel=C]`.
 * Guarded like /metrics. Beyond Fabric; `operations.explain.entries: 0` switches both off.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Operations } from "../../operations/index.js"
import { stage } from "../../runtime/Stage.js"
import { codeName, type Refusal, refusalLines } from "../../validation/index.js"
import { ChannelTable, type PeerChannel } from "../channels/ChannelTable.js"
import { PeerConfig } from "../PeerConfig.js"
import { Refusals } from "../refusals/index.js"

/** Keeps refusals from here on. */
export const layer = Layer.unwrapEffect(
  Effect.map(PeerConfig, ({ operations: { explain } }) =>
    explain.entries === 0 ? Layer.empty : Refusals.layer(explain.entries)
  )
).pipe(stage("refusals", { remedy: "nothing here can fail; report this" }))

/** What the ledger knows of a transaction. */
const committed = ({ id, ledger }: PeerChannel, txId: string) =>
  Effect.map(Effect.either(ledger.txById(txId)), (found) =>
    found._tag === "Right"
      ? [
          {
            channel: id,
            block: found.right.block,
            position: found.right.index,
            code: codeName(found.right.validationCode)
          }
        ]
      : []
  )

interface Answer {
  readonly txId: string
  /** The transaction in the chains of this peer. */
  readonly committed: ReadonlyArray<{
    readonly channel: string
    readonly block: bigint
    readonly position: number
    readonly code: string
  }>
  /** Causes still in memory, the oldest first; `lines` are for people. */
  readonly refusals: ReadonlyArray<Refusal & { readonly lines: ReadonlyArray<string> }>
}

/** Serves the page. */
export const pageLayer = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { explain } = (yield* PeerConfig).operations
    if (explain.entries === 0) return
    const { addPage } = yield* Operations
    const { get, list } = yield* ChannelTable
    const { find } = yield* Refusals
    yield* addPage("/explain", (query) =>
      Effect.gen(function* () {
        const txId = query.get("txid") ?? ""
        if (txId === "") return { status: 400, body: { error: "the parameter txid is missing" } }
        const channel = query.get("channel") ?? undefined
        const channels = (channel === undefined ? list() : [channel]).flatMap((id) => get(id) ?? [])
        const places = (yield* Effect.forEach(channels, (one) => committed(one, txId))).flat()
        const refusals = find(txId, channel).map((refusal) => ({ ...refusal, lines: refusalLines(refusal) }))
        const body: Answer = { txId, committed: places, refusals }
        return { status: places.length + body.refusals.length === 0 ? 404 : 200, body }
      })
    )
  })
).pipe(stage("explain page", { remedy: "nothing here can fail; report this" }))
