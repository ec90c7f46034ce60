/**
 * The memory limit of a process group. The system's own limit counts address space, of which Node and Java take gigabytes
 * that they never touch; so the memory really held is looked at now and then (Linux), and the language's own heap limit
 * is set lower, so that well-behaved chaincode collects its garbage in time and ends with an error of its own.
 */
import * as fs from "node:fs/promises"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** How often it is looked at. */
const INTERVAL = Duration.millis(500)
/** Part of the limit that the heap of the language may take. */
const HEAP_SHARE = 0.75
const MIB = 1024 * 1024

const heapBytes = (limit: number): number => Math.max(16 * MIB, Math.floor(limit * HEAP_SHARE))

/** What is added to the environment of a chaincode of this type. `NODE_OPTIONS` is given as it would be otherwise. */
export const heapEnvironment = (
  type: string,
  limit: number | undefined,
  nodeOptions: string | undefined
): Readonly<Record<string, string>> => {
  const options = nodeOptions === undefined ? [] : [nodeOptions]
  if (limit !== undefined && type === "NODE") options.push(`--max-old-space-size=${Math.floor(heapBytes(limit) / MIB)}`)
  return {
    ...(options.length === 0 ? {} : { NODE_OPTIONS: options.join(" ") }),
    ...(limit !== undefined && type === "GOLANG" ? { GOMEMLIMIT: `${heapBytes(limit)}B` } : {}),
    ...(limit !== undefined && type === "JAVA"
      ? { JAVA_TOOL_OPTIONS: `-Xmx${Math.floor(heapBytes(limit) / MIB)}m` }
      : {})
  }
}

/** Bytes held by all members of a process group; 0 when there is none. */
export const groupMemory = async (group: number): Promise<number> => {
  let total = 0
  for (const entry of await fs.readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const stat = await fs.readFile(`/proc/${entry}/stat`, "utf8")
      // the second field may hold anything; the group is the fifth
      if (stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2] !== String(group)) continue
      const status = await fs.readFile(`/proc/${entry}/status`, "utf8")
      total += Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
    } catch {
      // it ended meanwhile
    }
  }
  return total
}

/** Completes with the bytes held once they are more than the limit; never on other systems than Linux. */
export const exceeded = (group: number, limit: number): Effect.Effect<number> =>
  process.platform === "linux"
    ? Effect.sleep(INTERVAL).pipe(
        Effect.zipRight(Effect.promise(() => groupMemory(group))),
        Effect.repeat({ until: (held) => held > limit })
      )
    : Effect.never
