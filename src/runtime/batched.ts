/**
 * Writes of one turn of the event loop joined into one: a log line costs a system call of its own otherwise, which is a
 * tenth of a small request. What has not been written when the process is killed (SIGKILL) is lost.
 */

/** Characters from which a batch is written at once: a burst must not pile up. */
const MARK = 1 << 16

export interface Batched {
  readonly write: (text: string) => void
  /** Writes what waits; before the process ends. */
  readonly flush: () => void
}

/** In: a writer that is done when it returns. */
export const batched = (write: (text: string) => void): Batched => {
  let waiting = ""
  let turn: NodeJS.Immediate | undefined
  const flush = (): void => {
    if (turn !== undefined) clearImmediate(turn)
    turn = undefined
    if (waiting === "") return
    const text = waiting
    waiting = ""
    write(text)
  }
  return {
    flush,
    write: (text) => {
      waiting += text
      if (waiting.length >= MARK) flush()
      else turn ??= setImmediate(flush)
    }
  }
}

interface ProgramOutput {
  readonly stderr: (text: string) => void
  /** Ends the process at once. */
  readonly kill: (code: number) => void
}

/** Runs a program with its stderr batched; everything is written before it ends, however it ends. */
export const withBatchedStderr = async <O extends ProgramOutput, A>(
  options: O,
  run: (options: O) => Promise<A>
): Promise<A> => {
  const { flush, write } = batched(options.stderr)
  process.on("exit", flush) // an uncaught error ends the process without us
  const kill = (code: number): void => {
    flush()
    options.kill(code)
  }
  try {
    return await run({ ...options, stderr: write, kill })
  } finally {
    flush()
    process.off("exit", flush)
  }
}
