/**
 * How often V8 collects the old generation of a node that serves. For the launchers: V8's flags are the process's.
 *
 * Buffers of messages lie outside the heap and count towards its limit from the moment that they are made, and a small heap
 * may grow by 8 MiB only, whatever V8 reckons. At a modest load a node whose own data is small would collect all of it once
 * a second, without need; at a high load its garbage would pile up if it collected seldom.
 */

/** Bytes that the process may hold before its memory is given back early. */
const PLENTY = 190 << 20
/** Processors' time in a second from which on the load is high. */
const BUSY = 0.75
/** Percent by which the old generation may grow before it is collected again. */
const ROOMY = 200
const TIGHT = 30
/** Milliseconds between looks. */
const PACE = 1000
/** Looks in a row that must find room before it is given: a load that pauses for a moment is still a high one. */
const PATIENCE = 10

/**
 * Percent by which the old generation may grow.
 * @param resident bytes that the process holds
 * @param busy processors that it kept busy lately, a fraction
 */
export const growingPercent = (resident: number, busy: number): number =>
  resident < PLENTY && busy < BUSY ? ROOMY : TIGHT

/** What is known of a process, and its flags. */
export interface Collections {
  /** Sets a flag of V8, such as `--heap-growing-percent=30`. */
  readonly setFlag: (flag: string) => void
  /** Bytes that the process holds now. */
  readonly resident: () => number
  /** Processors' time that it has used so far, microseconds. */
  readonly cpu: () => number
  /** Milliseconds, monotonic. */
  readonly now: () => number
}

/**
 * Fits the flag to size and load, which it looks at once a second. It begins tight, tightens at once, and gives room after
 * ten looks in a row that found some. Keeps no process alive; the result ends it.
 */
export const fitCollections = ({ cpu, now, resident, setFlag }: Collections): (() => void) => {
  let current = TIGHT
  let roomy = 0
  let last = { used: cpu(), at: now() }
  const set = (percent: number): void => {
    current = percent
    setFlag(`--heap-growing-percent=${percent}`)
  }
  const look = (): void => {
    const next = { used: cpu(), at: now() }
    const passed = next.at - last.at
    if (passed <= 0) return
    const percent = growingPercent(resident(), (next.used - last.used) / 1000 / passed)
    last = next
    roomy = percent === ROOMY ? roomy + 1 : 0
    if (percent !== current && (percent === TIGHT || roomy >= PATIENCE)) set(percent)
  }
  set(TIGHT)
  const timer = setInterval(look, PACE)
  timer.unref()
  return () => clearInterval(timer)
}

/** A process as `fitCollections` looks at it. */
export const ofProcess = (
  { cpuUsage, memoryUsage }: Pick<NodeJS.Process, "cpuUsage" | "memoryUsage">,
  setFlag: (flag: string) => void
): Collections => ({
  setFlag,
  resident: memoryUsage.rss,
  cpu: () => {
    const { system, user } = cpuUsage()
    return system + user
  },
  now: () => performance.now()
})
