/**
 * The signatures of blocks, verified beside the thread that commits them. A portion of many goes to worker threads in one
 * message each: a job of node:crypto's thread pool for every signature would cost this thread as much as it saves. Few
 * signatures, or a machine with one processor, make no worker worth it: they go to the thread pool.
 * Source: design.md section 5 (signatures in parallel).
 */
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type SignatureJob, verifyJob } from "../crypto/index.js"
import * as Log from "../runtime/Log.js"

export interface SignatureVerifierShape {
  /**
   * Verifies side by side; a byte for each job, 1 where the signature holds. `undefined` stands for one that cannot hold.
   * Settles always, never rejects. What the jobs refer to may not change until then.
   */
  readonly verifyAll: (jobs: ReadonlyArray<SignatureJob | undefined>) => Promise<Uint8Array>
}

export class SignatureVerifier extends Context.Tag("validation/SignatureVerifier")<
  SignatureVerifier,
  SignatureVerifierShape
>() {}

const log = Log.module("committer.txvalidator")

/** Portions below this are not worth a message. */
const FEW = 16
const MOST_WORKERS = 4

type Jobs = ReadonlyArray<SignatureJob | undefined>

const inThreadPool = async (jobs: Jobs): Promise<Uint8Array> => {
  const good = await Promise.all(jobs.map((job) => (job === undefined ? false : verifyJob(job))))
  return Uint8Array.from(good, Number)
}

/** A portion as the worker takes it: everything in one buffer that is handed over without a copy. */
const packed = (id: number, jobs: Jobs) => {
  let length = 0
  for (const job of jobs) if (job !== undefined) length += job.data.length + job.der.length
  const bytes = new Uint8Array(length)
  const table = new Uint32Array(jobs.length * 6)
  const keys: Array<SignatureJob["key"]> = []
  const hashes: Array<string> = []
  const indexIn = <A>(known: Array<A>, value: A): number => {
    const index = known.indexOf(value)
    return index >= 0 ? index : known.push(value) - 1
  }
  let end = 0
  const append = (part: Uint8Array): void => {
    bytes.set(part, end)
    end += part.length
  }
  for (const [i, job] of jobs.entries()) {
    if (job === undefined) continue // an empty signature never holds
    const at = i * 6
    table[at] = indexIn(keys, job.key)
    table[at + 1] = indexIn(hashes, job.hash)
    table[at + 2] = end
    append(job.data)
    table[at + 3] = end
    table[at + 4] = end
    append(job.der)
    table[at + 5] = end
  }
  return { id, keys, hashes, bytes, table }
}

interface Waiting {
  readonly jobs: Jobs
  readonly settle: (good: Uint8Array) => void
}

/** One worker and the portions that it has not answered. When it dies, the thread pool does them. */
class VerifyingThread {
  private readonly waiting = new Map<number, Waiting>()
  private next = 0
  private worker: Worker | undefined
  private ending = false

  constructor(
    file: URL,
    /** Hears why the worker is gone before its time. */
    private readonly gone: (reason: string) => void
  ) {
    this.worker = new Worker(file, { name: "signatures", resourceLimits: { maxYoungGenerationSizeMb: 8 } })
    this.worker.unref()
    this.worker.on("message", ({ good, id }: { readonly good: Uint8Array; readonly id: number }) => {
      const done = this.waiting.get(id)
      this.waiting.delete(id)
      done?.settle(good)
    })
    this.worker.on("error", ({ message }) => this.lost(message))
    this.worker.on("exit", (code) => this.lost(`it ended with ${code}`))
  }

  verify(jobs: Jobs): Promise<Uint8Array> {
    const { worker } = this
    if (worker === undefined) return inThreadPool(jobs)
    return new Promise((settle) => {
      const message = packed(this.next++, jobs)
      this.waiting.set(message.id, { jobs, settle })
      worker.postMessage(message, [message.bytes.buffer, message.table.buffer])
    })
  }

  private lost(reason: string): void {
    if (this.worker !== undefined && !this.ending) this.gone(reason)
    this.worker = undefined
    const left = [...this.waiting.values()]
    this.waiting.clear()
    for (const { jobs, settle } of left) void inThreadPool(jobs).then(settle)
  }

  async end(): Promise<void> {
    this.ending = true
    await this.worker?.terminate()
  }
}

/** As many threads as there are processors besides the one that commits; started when there is first work for them. */
export const makeSignatureVerifier = (
  processors: number = availableParallelism()
): Effect.Effect<SignatureVerifierShape, never, Scope.Scope> =>
  Effect.gen(function* () {
    const count = Math.min(processors - 1, MOST_WORKERS)
    const threads: Array<VerifyingThread> = []
    const lines = yield* log.sync
    const gone = (reason: string): void =>
      lines.warning(`a thread that verifies signatures is gone, the thread pool does its work: ${reason}`)
    yield* Effect.addFinalizer(() => Effect.promise(() => Promise.all(threads.splice(0).map((thread) => thread.end()))))
    const file = new URL("./signatureWorker.mjs", import.meta.url)
    const inThreads = async (jobs: Jobs): Promise<Uint8Array> => {
      while (threads.length < count) threads.push(new VerifyingThread(file, gone))
      const each = Math.ceil(jobs.length / threads.length)
      const portions = await Promise.all(
        threads.map((thread, i) => thread.verify(jobs.slice(i * each, (i + 1) * each)))
      )
      return portions.length === 1 && portions[0] !== undefined ? portions[0] : Buffer.concat(portions)
    }
    return {
      verifyAll: (jobs) => (count < 1 || jobs.length < FEW ? inThreadPool(jobs) : inThreads(jobs))
    }
  })

export const layerSignatureVerifier: Layer.Layer<SignatureVerifier> = Layer.scoped(
  SignatureVerifier,
  makeSignatureVerifier()
)
