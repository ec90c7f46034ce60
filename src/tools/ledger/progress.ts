/** A bar for long work on a terminal; elsewhere nothing is drawn. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ToolIo } from "../ToolIo.js"

export interface Progress {
  /** Plain: may be called for every block. */
  readonly at: (done: number | bigint, total: number | bigint) => void
  /** Takes the bar away before something is printed; the next `at` draws it again. */
  readonly clear: () => void
}

const width = 24
/** Milliseconds between two drawings. */
const pause = 100

const duration = (seconds: number): string => {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`
  return `${(seconds / 3600).toFixed(1)} h`
}

/** One bar as text, without line end. Pure. */
export const drawn = (what: string, done: number, total: number, elapsed: number, columns: number): string => {
  const share = total <= 0 ? 1 : Math.min(1, done / total)
  const filled = Math.round(share * width)
  const left =
    done > 0 && share < 1 && elapsed > 1000 ? `  ${duration(((elapsed / done) * (total - done)) / 1000)} left` : ""
  const text = `${what} [${"#".repeat(filled)}${".".repeat(width - filled)}] ${Math.floor(share * 100)}%  ${done}/${total}${left}`
  return text.slice(0, Math.max(0, columns - 1))
}

/** A bar with a name; it is gone when the scope ends. */
export const progressBar = (io: ToolIo, what: string): Effect.Effect<Progress, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { terminal } = io
    if (terminal === undefined) return { at: () => {}, clear: () => {} }
    const clock = yield* Effect.clock
    const began = clock.unsafeCurrentTimeMillis()
    let last = Number.NEGATIVE_INFINITY
    let shown = false
    const clear = () => {
      if (shown) io.stderr("\r\u001b[2K")
      shown = false
      last = Number.NEGATIVE_INFINITY
    }
    yield* Effect.addFinalizer(() => Effect.sync(clear))
    return {
      at: (done, total) => {
        const now = clock.unsafeCurrentTimeMillis()
        if (now - last < pause && done < total) return
        last = now
        shown = true
        io.stderr(`\r\u001b[2K${drawn(what, Number(done), Number(total), now - began, terminal.columns)}`)
      },
      clear
    }
  })
