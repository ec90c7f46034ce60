/**
 * `ledger explain`: why a transaction was refused, found again from the blocks: everything before it is replayed from
 * scratch, then its block is judged anew. For ledgers of nodes that do not run; ours and a Go node's.
 */
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { type ParsedBlock, txIdOf } from "../../ledger/index.js"
import { openReplay } from "../../ledger/maintenance/index.js"
import { conflictRefusal } from "../../peer/refusals/index.js"
import { breathe } from "../../runtime/breathe.js"
import * as Log from "../../runtime/Log.js"
import { codeName, type Refusal, refusalLines } from "../../validation/index.js"
import { protos } from "../../wire/index.js"
import type { ToolIo } from "../ToolIo.js"
import { ChainCheck } from "./ChainCheck.js"
import { openWhere, type Where } from "./chains.js"
import { LedgerToolFailed } from "./errors.js"
import { attempt, type Out, row, walk } from "./listing.js"
import { progressBar } from "./progress.js"
import { codesIn } from "./readable.js"
import { makeRevalidate, type Revalidate } from "./revalidate.js"
import { printable } from "./values.js"
import { decidedBefore, scratchFolder } from "./verify.js"

const { VALID } = protos.TxValidationCode

export interface Explanation {
  readonly block: bigint
  readonly position: number
  /** The flag in the block; by the rules, where the block carries none. */
  readonly code: number
  /** Undefined for a valid transaction. */
  readonly refusal: Refusal | undefined
}

/** Finds a transaction and judges it anew. */
const explained = (
  io: ToolIo,
  where: Where & { readonly scratch?: string | undefined },
  txId: string
): Effect.Effect<Explanation, LedgerToolFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const chain = yield* openWhere(io, where)
      const { channelId } = chain
      const progress = yield* progressBar(io, `explain ${channelId}`)
      yield* Effect.addFinalizer(() => Effect.sync(() => progress.clear()))

      // ---- Where it is ----
      let place: { readonly block: bigint; readonly position: number } | undefined
      yield* walk(chain, {}, ({ envelopes, number }) => {
        const position = envelopes.findIndex((bytes) => txIdOf(bytes) === txId)
        if (position >= 0) place = { block: number, position }
        return position < 0
      })
      if (place === undefined)
        return yield* new LedgerToolFailed({
          reason: `channel ${channelId} has no transaction ${txId}`,
          remedy: "a proposal that was refused never gets into a block: ask the peer while it runs, or read its log"
        })
      const { block: number, position } = place

      // ---- Everything before it, then its block ----
      const scratch = where.scratch === undefined ? os.tmpdir() : path.resolve(io.cwd, where.scratch)
      const replay = yield* Effect.mapError(
        openReplay(channelId, yield* scratchFolder(scratch), chain.storage?.state.database),
        ({ message: reason }) => new LedgerToolFailed({ reason, remedy: "" })
      )
      const check = new ChainCheck(channelId, chain.root.owner)
      const refusals: Array<Refusal> = []
      let revalidate: Revalidate | undefined
      // what validation logs of refusals is told below, for the one that was asked about
      const quiet = Log.layerOf(
        yield* Effect.orDie(Log.make({ spec: "error", format: "%{message}", write: (text) => io.stderr(text) }))
      )
      const judge = (block: ParsedBlock) =>
        Effect.gen(function* () {
          const bundle = check.current
          if (bundle === undefined)
            return yield* new LedgerToolFailed({
              reason: `no configuration is in force at block [${block.number}]`,
              remedy: "see `ledger verify`"
            })
          revalidate ??= yield* makeRevalidate(channelId, bundle, replay, (refusal) => void refusals.push(refusal))
          return yield* revalidate(block)
        }).pipe(Effect.provide(quiet))
      const blocks = chain.read(0n)
      for (;;) {
        const step = yield* attempt(() => blocks.next())
        if (step.done === true)
          return yield* new LedgerToolFailed({ reason: `block [${number}] cannot be read`, remedy: "" })
        const block = step.value
        const carried = codesIn(block)
        const asked = block.number === number
        // an orderer's blocks carry no flags: they are judged from the beginning
        const first = block.number === 0n
        const codes = first
          ? new Uint8Array(block.envelopes.length)
          : asked || carried === undefined || revalidate !== undefined
            ? yield* judge(block)
            : decidedBefore(carried)
        const { codes: final, txs } = yield* attempt(() => replay.apply(block, codes))
        if (asked) {
          const code = final[position] ?? VALID
          const tx = txs[position]
          const told = refusals.find((one) => one.block === number && one.position === position)
          const conflict =
            told === undefined && code !== VALID && tx !== undefined
              ? conflictRefusal(channelId, number, position, tx)
              : undefined
          const refusal = told === undefined ? conflict : { ...told, txId }
          return { block: number, position, code: carried?.[position] ?? code, refusal }
        }
        check.block(block)
        progress.at(block.number, number + 1n)
        yield* breathe
      }
    })
  )

/** Numbers of 64 bits become texts in JSON. */
const exact = (_: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value)

export const explain = (
  io: ToolIo,
  where: Where & { readonly scratch?: string | undefined },
  txId: string,
  out: Out
): Effect.Effect<void, LedgerToolFailed> =>
  Effect.map(explained(io, where, txId), ({ block, code, position, refusal }) => {
    if (out.json) {
      out.write(`${JSON.stringify({ txId, block, position, code: codeName(code), refusal: refusal ?? null }, exact)}\n`)
      return
    }
    row(out, `${txId}: ${codeName(code)}, transaction ${position} of block ${block}`, null)
    if (refusal === undefined && code !== VALID)
      row(out, "the block says so; judged anew it is valid: see `ledger verify --transactions`", null)
    for (const line of refusal === undefined ? [] : refusalLines(refusal)) out.write(`${printable(line)}\n`)
  })
