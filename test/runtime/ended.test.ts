/** A program's last step: nothing that it said is lost, and its code tells what is. */
import { Writable } from "node:stream"
import { expect, test } from "vitest"
import { ended, guarded } from "../../src/runtime/ended.js"

interface Sink extends Writable {
  readonly taken: () => string
  /** Lets one write through. */
  readonly take: (error?: Error) => void
}

/** Takes nothing until it is told to. */
const sink = (): Sink => {
  let text = ""
  const waiting: Array<(error?: Error) => void> = []
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      waiting.push((error) => {
        if (error === undefined) text += chunk.toString()
        done(error)
      })
    }
  })
  return Object.assign(guarded(stream), { taken: () => text, take: (error?: Error) => waiting.shift()?.(error) })
}

/** Lets everything through. */
const ready = (): Sink => {
  let text = ""
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString()
      done()
    }
  })
  return Object.assign(guarded(stream), { taken: () => text, take: () => {} })
}

const fault = (code: string): Error => Object.assign(new Error(`write ${code}`), { code })
const turn = () => new Promise((resolve) => setImmediate(resolve))

test("waits until the readers have taken everything", async () => {
  const [stdout, stderr] = [sink(), sink()]
  stdout.write("first ")
  stdout.write("second")
  stderr.write("said")
  let code: number | undefined
  const ending = ended(3, { stdout, stderr }).then((given) => {
    code = given
  })
  const takes = [stdout, stdout, stdout, stderr, stderr]
  for (const stream of takes) {
    await turn()
    expect(code).toBeUndefined()
    stream.take()
  }
  await ending
  expect([code, stdout.taken(), stderr.taken()]).toEqual([3, "first second", "said"])
})

test("output that is lost is told and makes the program fail", async () => {
  const [stdout, stderr] = [sink(), ready()]
  stdout.write("answer")
  stdout.take(fault("ENOSPC"))
  await turn()
  expect(await ended(0, { stdout, stderr })).toBe(1)
  expect(stderr.taken()).toBe("Error: standard output cannot be written: write ENOSPC\n")
})

test("a reader who has left is no error to speak of", async () => {
  const during = [sink(), ready()] as const
  during[0].write("answer")
  const ending = ended(0, { stdout: during[0], stderr: during[1] })
  during[0].take(fault("EPIPE"))
  expect(await ending).toBe(141)
  expect(during[1].taken()).toBe("")
  const failed = sink()
  failed.write("answer")
  failed.take(fault("EPIPE"))
  await turn()
  expect(await ended(2, { stdout: failed, stderr: ready() })).toBe(2)
})

test("a node waits only so long", async () => {
  const stuck = sink()
  stuck.write("log")
  expect(await ended(0, { stdout: ready(), stderr: stuck, patience: 10 })).toBe(0)
})
