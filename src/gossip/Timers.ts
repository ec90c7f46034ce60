/** Time for the protocol code: real timers in a peer, a controlled clock in the simulation. */
export interface Timers {
  /** Milliseconds of wall clock. */
  readonly now: () => number
  /** Milliseconds of a clock that never jumps, for measuring spans: a set wall clock must not make members look dead. */
  readonly monotonic: () => number
  /** Nanoseconds of wall clock, strictly growing from call to call (incarnation and sequence numbers; trap 5). */
  readonly nanos: () => bigint
  /** Runs `task` once after `ms`; the result cancels. */
  readonly after: (ms: number, task: () => void) => () => void
  /** Runs `task` every `ms`, first after `ms`; the result cancels. */
  readonly every: (ms: number, task: () => void) => () => void
}
