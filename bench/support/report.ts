/** How benchmarks speak: a JSON line per row as it is measured, all rows as a table at the end. */
import * as fs from "node:fs"

/** One measured case. */
export interface Row {
  readonly name: string
  /** Of `value`: `tx/s`, `ms`, `MiB`. */
  readonly unit: string
  readonly value: number
  readonly [detail: string]: number | string | undefined
}

export const rounded = (value: number, digits = 1): number => Number(value.toFixed(digits))

/** The value below which that share of all lies. */
export const quantile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export class Report {
  private readonly rows: Array<Row> = []

  add(row: Row): void {
    const known = Object.entries(row).filter(([, value]) => value !== undefined && !Number.isNaN(value))
    console.log(JSON.stringify(Object.fromEntries(known)))
    this.rows.push(row)
  }
  table(): void {
    console.table(this.rows)
  }
}

/** CPU seconds that a process has used so far, resident MiB now and at most; NaN for processes that cannot be seen. */
export interface Usage {
  readonly cpu: number
  readonly rss: number
  readonly peak: number
}

const unseen: Usage = { cpu: Number.NaN, rss: Number.NaN, peak: Number.NaN }
/** The kernel counts CPU time in hundredths of a second for everyone. */
const TICKS = 100

export const usageOf = (pid: number | undefined): Usage => {
  if (pid === undefined) return unseen
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    const status = fs.readFileSync(`/proc/${pid}/status`, "utf8")
    const mebibytes = (key: string) => Math.round(Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024)
    return { cpu: (Number(fields[11]) + Number(fields[12])) / TICKS, rss: mebibytes("VmRSS"), peak: mebibytes("VmHWM") }
  } catch {
    return unseen
  }
}

/** Processes started by a process: a peer's chaincodes. */
export const childrenOf = (pid: number | undefined): ReadonlyArray<number> => {
  if (pid === undefined) return []
  try {
    return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** Microseconds of CPU that each of `count` operations cost between two looks. */
export const cpuPer = (count: number, before: Usage, after: Usage): number =>
  Math.round(((after.cpu - before.cpu) * 1e6) / count)
