/**
 * One line on a terminal while a command waits: what it waits for, and how long. Nothing is drawn elsewhere, nor for
 * commands that end within a second; it is gone before anything else is printed.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { CliIo } from "./CliIo.js"

export interface Progress {
  /** Names what is being done from now on. Plain. */
  readonly step: (what: string) => void
  /** The same outputs; they take the line away first. */
  readonly io: CliIo
}

const CLEAR = "\r\u001b[2K"
/** Between two drawings, and before the first. */
const PAUSE = "1 second"

/** The line as text. Pure. */
export const drawn = (what: string, milliseconds: number, columns: number): string =>
  `${what} … ${Math.floor(milliseconds / 1000)} s`.slice(0, Math.max(0, columns - 1))

/** For the scope; `what` is shown until a step is named. */
export const progressLine = (io: CliIo, what: string): Effect.Effect<Progress, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { terminal } = io
    if (terminal === undefined) return { step: () => {}, io }
    const clock = yield* Effect.clock
    let text = what
    let began = clock.unsafeCurrentTimeMillis()
    let shown = false
    const clear = (): void => {
      if (shown) io.stderr(CLEAR)
      shown = false
    }
    const draw = Effect.sync(() => {
      io.stderr(`${CLEAR}${drawn(text, clock.unsafeCurrentTimeMillis() - began, terminal.columns)}`)
      shown = true
    })
    yield* Effect.addFinalizer(() => Effect.sync(clear))
    yield* Effect.sleep(PAUSE).pipe(Effect.zipRight(draw), Effect.forever, Effect.forkScoped)
    return {
      step: (next) => {
        text = next
        began = clock.unsafeCurrentTimeMillis()
      },
      io: {
        ...io,
        stdout: (data) => {
          clear()
          io.stdout(data)
        },
        stderr: (line) => {
          clear()
          io.stderr(line)
        }
      }
    }
  })
