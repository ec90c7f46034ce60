/**
 * The last step of a program: its exit code once what it said is out. A pipe takes 64 KiB at a time, and what waits for its
 * reader is lost with the process: `peer chaincode query | jq` would read the first half of an answer. For the launchers.
 */
import type { Writable } from "node:stream"
import { textOf } from "./Stage.js"

/** As shells report a program that went on writing to a reader who had left, which is how Go's programs end. */
const READER_LEFT = 141

/** Why something could not be written; undefined once everything was. */
const flushed = (stream: Writable): Promise<Error | undefined> =>
  new Promise((resolve) => {
    if (stream.errored !== null) return resolve(stream.errored)
    stream.once("error", resolve)
    stream.write("", (error) => resolve(error ?? undefined))
  })

const isEpipe = (error: Error): boolean => "code" in error && error.code === "EPIPE"

export interface Ending {
  readonly stdout: Writable
  readonly stderr: Writable
  /** Milliseconds to wait for readers; without it as long as they take. */
  readonly patience?: number | undefined
}

/**
 * Waits until both streams have given away what they hold. In: the code that the program would end with. Out: the code to
 * end with, another one when it was 0 and standard output was lost.
 */
export const ended = async (code: number, { patience, stderr, stdout }: Ending): Promise<number> => {
  const waiting = { stop: () => {} }
  const limit = new Promise<undefined>((resolve) => {
    if (patience === undefined) return
    const timer = setTimeout(() => resolve(undefined), patience)
    waiting.stop = () => clearTimeout(timer)
  })
  const lost = await Promise.race([flushed(stdout), limit])
  if (lost !== undefined && !isEpipe(lost)) stderr.write(`Error: standard output cannot be written: ${textOf(lost)}\n`)
  await Promise.race([flushed(stderr), limit])
  waiting.stop()
  if (code !== 0 || lost === undefined) return code
  return isEpipe(lost) ? READER_LEFT : 1
}

/** Keeps a stream's failure for {@link ended}: nobody listening, it would end the process in the middle of its work. */
export const guarded = <S extends Writable>(stream: S): S => stream.on("error", () => {})
