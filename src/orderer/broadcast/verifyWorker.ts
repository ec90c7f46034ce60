/**
 * A worker thread that verifies ECDSA signatures in batches. A hop to node's thread pool wakes a thread for each
 * signature, which costs the main thread as much as a good part of a verification; a batch wakes one for hundreds.
 */
import type { KeyObject } from "node:crypto"
import { Worker } from "node:worker_threads"

/** One signature to verify; `signature` is canonical DER that was admitted (`admitSignature`). */
export interface Job {
  readonly key: KeyObject
  /** OpenSSL's name. */
  readonly hash: string
  readonly data: Uint8Array
  readonly signature: Uint8Array
}

interface Batch {
  /** Keys that the worker has not seen, by the number that jobs use from now on. */
  readonly keys: ReadonlyArray<readonly [number, KeyObject, string]>
  /** Per job: key number, length of data, length of signature. */
  readonly heads: Uint32Array
  /** Data and signature of all jobs, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>
}

interface Answer {
  readonly verdicts: Uint8Array
  readonly buffer: ArrayBuffer
}

/** Runs in the worker. Its source text is the worker's program: it must not refer to anything outside itself. */
const program = (threads: typeof import("node:worker_threads"), crypto: typeof import("node:crypto")): void => {
  const keys = new Map<number, { readonly key: KeyObject; readonly hash: string }>()
  threads.parentPort?.on("message", (batch: Batch) => {
    for (const [number, key, hash] of batch.keys) keys.set(number, { key, hash })
    const verdicts = new Uint8Array(batch.heads.length / 3)
    let at = 0
    for (let i = 0; i < verdicts.length; i++) {
      const known = keys.get(batch.heads[3 * i] ?? 0)
      const end = at + (batch.heads[3 * i + 1] ?? 0)
      const next = end + (batch.heads[3 * i + 2] ?? 0)
      try {
        const data = batch.bytes.subarray(at, end)
        const good = known !== undefined && crypto.verify(known.hash, data, known.key, batch.bytes.subarray(end, next))
        verdicts[i] = good ? 1 : 0
      } catch {
        verdicts[i] = 0 // an error inside OpenSSL is a wrong signature
      }
      at = next
    }
    // the buffer goes back: the main thread fills it again, and nobody's garbage collector has to find it
    threads.parentPort?.postMessage({ verdicts, buffer: batch.bytes.buffer }, [verdicts.buffer, batch.bytes.buffer])
  })
}

/** Buffers that wait to be filled again, and the largest of them. */
const keptBuffers = 3
const keptBytes = 2 * 1024 * 1024
const smallestBuffer = 384 * 1024
/** Keys that the worker remembers; beyond it they are numbered anew. */
const keyLimit = 10_000

export class VerifyWorker {
  private readonly worker: Worker
  private numbers = new Map<KeyObject, number>()
  private next = 0
  private readonly buffers: Array<ArrayBuffer> = []

  /** `answered` gets a batch's verdicts in the order of its jobs, batches in the order sent; `broken` is called once. */
  constructor(answered: (verdicts: Uint8Array) => void, broken: (error: unknown) => void) {
    this.worker = new Worker(`(${String(program)})(require("node:worker_threads"), require("node:crypto"))`, {
      eval: true,
      name: "verify",
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 }
    })
    this.worker.unref() // does not keep a process alive that is otherwise done
    this.worker.on("message", ({ buffer, verdicts }: Answer) => {
      if (this.buffers.length < keptBuffers && buffer.byteLength <= keptBytes) this.buffers.push(buffer)
      answered(verdicts)
    })
    this.worker.on("error", broken)
    this.worker.on("messageerror", broken)
    this.worker.on("exit", () => broken(new Error("the verifying worker has ended")))
  }

  send(jobs: ReadonlyArray<Job>): void {
    const keys: Array<readonly [number, KeyObject, string]> = []
    const heads = new Uint32Array(3 * jobs.length)
    const size = jobs.reduce((sum, { data, signature }) => sum + data.length + signature.length, 0)
    const bytes = new Uint8Array(this.take(size))
    let at = 0
    for (const [i, { data, hash, key, signature }] of jobs.entries()) {
      heads[3 * i] = this.numberOf(key, hash, keys)
      heads[3 * i + 1] = data.length
      heads[3 * i + 2] = signature.length
      bytes.set(data, at)
      bytes.set(signature, at + data.length)
      at += data.length + signature.length
    }
    const batch: Batch = { keys, heads, bytes }
    this.worker.postMessage(batch, [heads.buffer, bytes.buffer])
  }

  terminate(): Promise<unknown> {
    return this.worker.terminate()
  }

  private take(size: number): ArrayBuffer {
    const kept = this.buffers.pop()
    return kept !== undefined && kept.byteLength >= size ? kept : new ArrayBuffer(Math.max(size, smallestBuffer))
  }

  private numberOf(key: KeyObject, hash: string, unseen: Array<readonly [number, KeyObject, string]>): number {
    const known = this.numbers.get(key)
    if (known !== undefined) return known
    if (this.numbers.size >= keyLimit) this.numbers = new Map()
    // numbers are reused in a circle: those in flight are among the last
    const number = this.next
    this.next = (this.next + 1) % (4 * keyLimit)
    this.numbers.set(key, number)
    unseen.push([number, key, hash])
    return number
  }
}
