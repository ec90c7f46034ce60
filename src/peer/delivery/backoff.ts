/** How long to wait before the next attempt. Pure; milliseconds. Source: peer-endorse-validate.md 3.7 rules 4 and 5. */

/** After failed attempt number `attempt` (from 1): 1 s, 2 s, 4 s, … up to `max`. */
export const connectionDelay = (attempt: number, max: number): number => Math.min(2 ** attempt * 500, max)

/** After the `n`-th status in a row (from 0): 100 ms, 200 ms, … up to ten seconds. */
export const statusDelay = (n: number): number => Math.min(100 * 2 ** n, 10_000)

/** BAD_REQUEST and FORBIDDEN in a row that end a delivery; one more than this does it. */
export const refusalLimit = 10
