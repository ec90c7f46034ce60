/** What the reading commands share: where results go, and the walk over blocks. */
import * as Effect from "effect/Effect"
import type { ParsedBlock } from "../../ledger/index.js"
import { breathe } from "../../runtime/breathe.js"
import type { ChainReader } from "./chains.js"
import { LedgerToolFailed, textOf } from "./errors.js"
import type { Progress } from "./progress.js"
import { printable, type Readable } from "./values.js"

/** Where results go: `line` for people, `data` for scripts; each command chooses one of the two for what it lists. */
export interface Out {
  readonly json: boolean
  readonly write: (text: string) => void
}

export const row = (out: Out, text: string, data: Readable): void =>
  out.write(out.json ? `${JSON.stringify(data)}\n` : `${printable(text)}\n`)
export const document = (out: Out, data: Readable): void =>
  out.write(out.json ? `${JSON.stringify(data)}\n` : `${JSON.stringify(data, undefined, 2)}\n`)

const failed = (cause: unknown): LedgerToolFailed =>
  cause instanceof LedgerToolFailed ? cause : new LedgerToolFailed({ reason: textOf(cause), remedy: "" })
export const attempt = <A>(read: () => A): Effect.Effect<A, LedgerToolFailed> =>
  Effect.try({ try: read, catch: failed })

/** A range of blocks as a person gives it: from (default 0) to (default the last), both inclusive. */
export interface Range {
  readonly from?: bigint | undefined
  readonly to?: bigint | undefined
}

/** Walks blocks; `visit` answers false to stop. */
export const walk = (
  chain: ChainReader,
  range: Range,
  visit: (block: ParsedBlock) => boolean,
  progress?: Progress
): Effect.Effect<void, LedgerToolFailed> =>
  Effect.gen(function* () {
    const to = range.to === undefined || range.to >= chain.height ? chain.height - 1n : range.to
    const from = range.from ?? 0n
    if (from >= chain.height)
      return yield* new LedgerToolFailed({
        reason: `channel ${chain.channelId} has no block [${from}]`,
        remedy: chain.height === 0n ? "it has no blocks" : `its last block is [${chain.height - 1n}]`
      })
    const blocks = chain.read(from)
    let breathed = performance.now()
    for (let number = from; number <= to; number++) {
      const step = yield* attempt(() => blocks.next())
      if (step.done === true || !visit(step.value)) return
      progress?.at(number, to + 1n)
      if (performance.now() - breathed > 10) {
        yield* breathe
        breathed = performance.now()
      }
    }
  })
