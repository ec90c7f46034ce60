/** The benchmark's figures as lines of a table. Pure. */
import type { Sent } from "./load.js"

export interface Figures extends Sent {
  readonly size: number
  readonly clients: number
  /** Until the last of them was delivered in a block. */
  readonly orderedSeconds: number
  readonly blocks: number
  /** Of the process, clients included, microseconds. */
  readonly cpuMicros: number
}

const columns = [
  ["size", 7],
  ["clients", 8],
  ["envelopes", 10],
  ["seconds", 8],
  ["accepted/s", 11],
  ["ordered/s", 10],
  ["MiB/s", 7],
  ["p50 ms", 8],
  ["p99 ms", 8],
  ["CPU us", 7],
  ["blocks", 7]
] as const

const line = (cells: ReadonlyArray<string>): string =>
  `${cells.map((cell, i) => cell.padStart(columns[i]?.[1] ?? 0)).join(" ")}\n`

export const head = line(columns.map(([name]) => name))

const quantile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0

export const row = (figures: Figures): string => {
  const { blocks, bytes, clients, count, cpuMicros, latencies, orderedSeconds, seconds, size } = figures
  return line([
    String(size),
    String(clients),
    String(count),
    seconds.toFixed(2),
    (count / seconds).toFixed(0),
    (count / orderedSeconds).toFixed(0),
    (bytes / seconds / 1024 / 1024).toFixed(1),
    quantile(latencies, 0.5).toFixed(1),
    quantile(latencies, 0.99).toFixed(1),
    (cpuMicros / Math.max(count, 1)).toFixed(0),
    String(blocks)
  ])
}
