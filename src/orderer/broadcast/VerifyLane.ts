/**
 * The node's way to verify envelope signatures. A few that wait alone are verified right here, as long as this takes a
 * small share of the thread's time: to wake another thread and to be woken by it costs two busy cores more than the
 * verification. More go to node's thread pool, bounded
 * so that the journal's synced writes, which share the pool's one queue, never wait behind thousands of signatures; once
 * there is a backlog worker threads take batches.
 * Source: design.md section 5 (bytes and speed).
 */
import type { KeyObject } from "node:crypto"
import { availableParallelism } from "node:os"
import { type EventLoopUtilization, performance } from "node:perf_hooks"
import * as Either from "effect/Either"
import { admitSignature, nodeHashName, signatureHash, verifyDer } from "../../crypto/index.js"

import type { Identity } from "../../msp/index.js"
import { type Job, VerifyWorker } from "./verifyWorker.js"

interface Waiting extends Job {
  readonly identity: Identity
  readonly done: (good: boolean) => void
}

/** Signatures verified here at a time, when nothing is under way elsewhere. */
const hereLimit = 4
/** Of this thread's time, and milliseconds of it that may be used in one go after a rest. */
const hereShare = 0.2
const hereMost = 4
/** Signatures in the pool at a time: enough to keep its four threads busy. */
const poolLimit = 8
/** A backlog that starts the first worker. */
const workerBacklog = 64
/**
 * Batches in a row that leave more than the next one waiting, and the share of its time that this thread may be busy
 * meanwhile: then another worker helps. Where this thread is what all wait for, it would only take up memory.
 */
const patience = 32
const busyShare = 0.7
/**
 * Workers at most. One for each processor, though this thread needs one too: ordering takes a third of the time that the
 * same messages' signatures take.
 */
const mostWorkers = 4
/** Signatures in one batch for a worker, batches on their way to one, bytes in one. */
const batchLimit = 128
const batchesAhead = 2
const batchBytes = 1024 * 1024

const hashes = new Map(
  (["SHA2", "SHA3"] as const).map((family) => [family as string, nodeHashName(signatureHash(family))])
)

const keyOf = ({ certificate }: Identity): KeyObject | undefined =>
  certificate.publicKey.kind === "ec" ? certificate.publicKey.key : undefined

interface BusyWorker {
  readonly worker: VerifyWorker
  /** On their way, in the order sent. */
  readonly batches: Array<ReadonlyArray<Waiting>>
}

export interface VerifyLaneOptions {
  /** Worker threads that are ever started; 0 keeps to the pool. Default: one for each processor, at most four. */
  readonly workers?: number
  readonly newWorker?: (...args: ConstructorParameters<typeof VerifyWorker>) => VerifyWorker
}

export class VerifyLane {
  private waiting: Array<Waiting> = []
  private inPool = 0
  private scheduled = false
  /** Milliseconds that may be spent on verifying here, as of a time. */
  private allowance = hereMost
  private allowedAt = 0
  private workers: ReadonlyArray<BusyWorker> = []
  private mayStart: number
  /** Batches in a row that left a backlog, and what this thread had done before them. */
  private pressed = 0
  private before: EventLoopUtilization | undefined
  private closed = false

  private readonly newWorker: NonNullable<VerifyLaneOptions["newWorker"]>

  /** `defect` is told of what a `done` throws, and of a worker that broke. */
  constructor(
    private readonly defect: (error: unknown) => void,
    options: VerifyLaneOptions = {}
  ) {
    this.mayStart = options.workers ?? Math.min(availableParallelism(), mostWorkers)
    this.newWorker = options.newWorker ?? ((answered, broken) => new VerifyWorker(answered, broken))
  }

  /** Calls `done` once, later. Neither `data` nor `signature` may change until then. */
  verify(identity: Identity, data: Uint8Array, signature: Uint8Array, done: (good: boolean) => void): void {
    const key = keyOf(identity)
    const hash = identity.signatureFamily === undefined ? undefined : hashes.get(identity.signatureFamily)
    const admitted = key === undefined ? undefined : admitSignature(identity.certificate.publicKey, signature)
    if (key === undefined || hash === undefined || admitted === undefined) {
      this.settle(identity.verifyAsync(data, signature), done)
      return
    }
    if (Either.isLeft(admitted)) {
      queueMicrotask(() => this.answer(done, false))
      return
    }
    this.waiting.push({ identity, key, hash, data, signature: admitted.right, done })
    this.schedule()
  }

  /** Stops the workers; what is under way is never answered. */
  async close(): Promise<void> {
    this.closed = true
    this.waiting = []
    await Promise.all(this.workers.map(({ worker }) => worker.terminate()))
  }

  // ---- Sending ---------------------------------------------------------------------------------------------------

  /** Messages come in runs: one look at the whole run. */
  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      this.pump()
    })
  }

  /** Whether few enough wait, and this thread has not spent its share of time on them. */
  private mayVerifyHere(now: number): boolean {
    if (this.waiting.length > hereLimit || this.inPool > 0) return false
    if (this.workers.some(({ batches }) => batches.length > 0)) return false
    this.allowance = Math.min(hereMost, this.allowance + (now - this.allowedAt) * hereShare)
    this.allowedAt = now
    return this.allowance > 0
  }

  private verifyHere(began: number): void {
    const jobs = this.waiting
    this.waiting = []
    const verdicts = jobs.map(({ data, hash, key, signature }) => verifyDer(hash, data, key, signature))
    this.allowance -= performance.now() - began
    for (const [i, { done }] of jobs.entries()) this.answer(done, verdicts[i] === true)
  }

  private pump(): void {
    if (this.closed) return
    if (this.waiting.length === 0) return
    const now = performance.now()
    if (this.mayVerifyHere(now)) {
      this.verifyHere(now)
      return
    }
    if (this.workers.length === 0 && this.waiting.length >= workerBacklog) this.startWorker()
    if (this.workers.length > 0) {
      for (let worker = this.freest(); worker !== undefined && this.waiting.length > 0; worker = this.freest())
        this.sendBatch(worker)
      return
    }
    let taken = 0
    while (this.inPool < poolLimit) {
      const job = this.waiting[taken]
      if (job === undefined) break
      taken += 1
      this.inPool += 1
      this.settle(job.identity.verifyAsync(job.data, job.signature), job.done, () => {
        this.inPool -= 1
        this.pump()
      })
    }
    if (taken > 0) this.waiting = this.waiting.slice(taken)
  }

  /** The worker with the fewest batches; undefined when all have enough. */
  private freest(): BusyWorker | undefined {
    let found: BusyWorker | undefined
    for (const worker of this.workers)
      if (worker.batches.length < (found?.batches.length ?? batchesAhead)) found = worker
    return found
  }

  private sendBatch({ batches, worker }: BusyWorker): void {
    let bytes = 0
    let count = 0
    for (const { data } of this.waiting) {
      bytes += data.length
      if (count > 0 && (count >= batchLimit || bytes > batchBytes)) break
      count += 1
    }
    const batch = this.waiting.slice(0, count)
    this.waiting = this.waiting.slice(count)
    batches.push(batch)
    worker.send(batch)
  }

  /** One more, while fewer than allowed were ever started: one that is lost counts too. */
  private startWorker(): void {
    if (this.mayStart === 0) return
    this.mayStart -= 1
    this.workers = [...this.workers, this.makeWorker()]
  }

  /** A batch has been answered: looks whether the workers keep up. */
  private look(): void {
    if (this.waiting.length <= batchLimit) this.pressed = 0
    else if (this.pressed === 0) {
      this.pressed = 1
      this.before = performance.eventLoopUtilization()
    } else if (++this.pressed > patience) {
      this.pressed = 0
      if (performance.eventLoopUtilization(this.before).utilization < busyShare) this.startWorker()
    }
  }

  private makeWorker(): BusyWorker {
    const batches: Array<ReadonlyArray<Waiting>> = []
    const answered = (verdicts: Uint8Array) => {
      const batch = batches.shift() ?? []
      this.pump() // before the answers: the worker should not wait for them
      if (this.mayStart > 0) this.look()
      for (const [i, { done }] of batch.entries()) this.answer(done, verdicts[i] === 1)
    }
    const broken = (error: unknown) => {
      if (this.closed || !this.workers.includes(made)) return
      this.workers = this.workers.filter((other) => other !== made)
      this.defect(error)
      // what the worker had goes to the others, or to the pool
      this.waiting = [...batches.splice(0).flat(), ...this.waiting]
      this.pump()
    }
    const made: BusyWorker = { worker: this.newWorker(answered, broken), batches }
    return made
  }

  // ---- Answering -------------------------------------------------------------------------------------------------

  private settle(verdict: Promise<boolean>, done: (good: boolean) => void, before: () => void = () => {}): void {
    const finish = (good: boolean) => {
      before()
      this.answer(done, good)
    }
    verdict.then(finish, () => finish(false))
  }

  private answer(done: (good: boolean) => void, good: boolean): void {
    if (this.closed) return
    try {
      done(good)
    } catch (error) {
      this.defect(error)
    }
  }
}
