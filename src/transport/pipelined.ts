/**
 * A bidirectional stream that answers every message with one message, in order, with many in flight: the form of
 * Broadcast. Preparation (decoding, signatures in the thread pool) of several messages overlaps; the deciding step runs
 * for one message at a time, in the stream's order.
 * Source: design.md section 5 (Broadcast); orderer.md 3.5.
 */
import { type CallInfo, type RawHandler, rawHandler, type ServerCall } from "./handlers.js"

/** The answer to one message. */
export interface Answer {
  readonly message: Uint8Array
  /** True: the stream ends with OK after this answer; messages behind it are dropped undecided. */
  readonly last?: boolean
}

export interface PipelinedOptions<P> {
  /** Messages taken in and not answered yet, at most. */
  readonly window: number
  /** Begins the work on a message; called in order, results may come out of order. */
  readonly prepare: (message: Uint8Array, call: CallInfo) => P | PromiseLike<P>
  /** Decides; called in order, never before the decision on the message before it. */
  readonly answer: (prepared: P, call: CallInfo) => Answer | PromiseLike<Answer>
  /** Called once when the stream is over. */
  readonly closed?: (call: CallInfo) => void
}

const isPromise = <A>(value: A | PromiseLike<A>): value is PromiseLike<A> =>
  typeof value === "object" && value !== null && "then" in value

interface Slot<P> {
  /** Set when the preparation is done. */
  done?: { readonly value: P }
}

class Pipeline<P> {
  private readonly slots: Array<Slot<P>> = []
  private over = false
  private ended = false
  private deciding = false
  private writable = true

  constructor(
    private readonly call: ServerCall,
    private readonly options: PipelinedOptions<P>
  ) {
    for (let i = 0; i < options.window; i += 1) call.read()
  }

  message(message: Uint8Array): void {
    if (this.over) return
    const prepared = this.options.prepare(message, this.call.info)
    if (!isPromise(prepared)) {
      this.slots.push({ done: { value: prepared } })
      this.advance()
      return
    }
    const slot: Slot<P> = {}
    this.slots.push(slot)
    prepared.then(
      (value) => {
        slot.done = { value }
        this.safely(() => this.advance())
      },
      (error) => this.fail(error)
    )
  }
  halfClosed(): void {
    this.ended = true
    this.endWhenAnswered()
  }
  drained(): void {
    this.writable = true
    this.safely(() => this.advance())
  }
  closed(): void {
    this.over = true
    this.slots.length = 0
    this.options.closed?.(this.call.info)
  }

  /** Decides on what is prepared, from the head on; loops as long as answers come at once. */
  private advance(): void {
    while (!this.over && !this.deciding && this.writable) {
      const done = this.slots[0]?.done
      if (done === undefined) return
      const answer = this.options.answer(done.value, this.call.info)
      if (isPromise(answer)) {
        this.deciding = true
        answer.then(
          (value) => {
            this.deciding = false
            this.safely(() => {
              this.reply(value)
              this.advance()
            })
          },
          (error) => this.fail(error)
        )
        return
      }
      this.reply(answer)
    }
  }
  private reply(answer: Answer): void {
    if (this.over) return
    this.slots.shift()
    this.writable = this.call.send(answer.message)
    if (answer.last === true) {
      this.over = true
      this.call.end()
      return
    }
    this.call.read()
    this.endWhenAnswered()
  }
  private endWhenAnswered(): void {
    if (this.ended && this.slots.length === 0) this.call.end()
  }
  private fail(error: unknown): void {
    this.over = true
    this.call.fail(error)
  }
  /** Promise callbacks have no guard above them. */
  safely(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.fail(error)
    }
  }
}

/** A `RawHandler` that pipelines. A throw or rejection ends the stream as a handler's failure does. */
export const pipelined = <P>(options: PipelinedOptions<P>): RawHandler =>
  rawHandler((call) => {
    const pipeline = new Pipeline(call, options)
    return {
      message: (message) => pipeline.safely(() => pipeline.message(message)),
      halfClosed: () => pipeline.halfClosed(),
      drained: () => pipeline.drained(),
      closed: () => pipeline.closed()
    }
  })
