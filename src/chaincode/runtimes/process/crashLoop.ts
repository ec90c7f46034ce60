/** Chaincode that keeps ending by itself is not started again at once: each start costs, and says nothing new. Pure. */
import * as Duration from "effect/Duration"

/** After `exits` ends within `window` a chaincode is not started again before `pause` has passed. */
export interface CrashLoopLimit {
  readonly exits: number
  readonly window: Duration.DurationInput
  readonly pause: Duration.DurationInput
}

const DEFAULT: CrashLoopLimit = { exits: 5, window: "1 minute", pause: "30 seconds" }

/** Ends by chaincode; times are milliseconds. */
export class CrashLoop {
  private readonly ends = new Map<string, ReadonlyArray<number>>()

  constructor(private readonly limit: CrashLoopLimit = DEFAULT) {}

  /** A chaincode has ended though nobody wished for it. */
  add(chaincode: string, at: number): void {
    const since = at - Duration.toMillis(this.limit.window)
    const recent = (this.ends.get(chaincode) ?? []).filter((time) => time > since)
    this.ends.set(chaincode, [...recent, at])
  }

  /** Why it is not started now; undefined when it may be. */
  refusal(chaincode: string, now: number): string | undefined {
    const ends = this.ends.get(chaincode) ?? []
    const last = ends.at(-1)
    const { exits, pause, window } = this.limit
    if (last === undefined || ends.length < exits) return undefined
    const wait = last + Duration.toMillis(pause) - now
    if (wait <= 0) {
      this.ends.delete(chaincode)
      return undefined
    }
    const within = Duration.format(Duration.decode(window))
    return `it ended ${ends.length} times within ${within}; started again in ${Math.ceil(wait / 1000)}s at the earliest`
  }
}
