/** Durations as Go writes and reads them (`1h15m30.918s`, `250ms`); in whole nanoseconds. Pure. */
import * as Either from "effect/Either"
import { ConfigError } from "./errors.js"

const second = 1_000_000_000n
const units: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["\u00b5s", 1_000n],
  ["\u03bcs", 1_000n],
  ["ms", 1_000_000n],
  ["s", second],
  ["m", 60n * second],
  ["h", 3600n * second]
])
const longest = 1n << 63n

/** Text in quotes as Go's time package writes it: bytes outside printable ASCII in hex. */
const quote = (text: string): string => {
  let out = ""
  for (const byte of Buffer.from(text, "utf8")) {
    const c = String.fromCharCode(byte)
    if (byte >= 0x80 || byte < 0x20) out += `\\x${byte.toString(16).padStart(2, "0")}`
    else out += c === '"' || c === "\\" ? `\\${c}` : c
  }
  return `"${out}"`
}

/** Reads a Go duration. Out: nanoseconds. Errors: Go's texts. */
export const parseGoDuration = (text: string): Either.Either<bigint, ConfigError> => {
  const invalid = () => Either.left(new ConfigError({ detail: `time: invalid duration ${quote(text)}` }))
  const negative = text.startsWith("-")
  let rest = negative || text.startsWith("+") ? text.slice(1) : text
  if (rest === "0") return Either.right(0n)
  if (rest === "") return invalid()
  let total = 0n
  while (rest !== "") {
    const number = /^(\d*)(?:\.(\d*))?/.exec(rest)
    const whole = number?.[1] ?? ""
    const fraction = number?.[2] ?? ""
    if (whole === "" && fraction === "") return invalid()
    rest = rest.slice(number?.[0].length ?? 0)
    const unit = /^[^.0-9]+/.exec(rest)?.[0]
    if (unit === undefined) {
      return Either.left(new ConfigError({ detail: `time: missing unit in duration ${quote(text)}` }))
    }
    const scale = units.get(unit)
    if (scale === undefined) {
      return Either.left(new ConfigError({ detail: `time: unknown unit ${quote(unit)} in duration ${quote(text)}` }))
    }
    rest = rest.slice(unit.length)
    if (whole.length > 20 || fraction.length > 100) return invalid()
    total += BigInt(whole === "" ? "0" : whole) * scale
    if (fraction !== "") total += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length)
    if (total > longest) return invalid()
  }
  if (negative) return Either.right(-total)
  return total >= longest ? invalid() : Either.right(total)
}

const decimal = (value: bigint, scale: bigint): string => {
  const fraction = String(value % scale)
    .padStart(String(scale).length - 1, "0")
    .replace(/0+$/, "")
  return fraction === "" || scale === 1n ? String(value / scale) : `${value / scale}.${fraction}`
}

/** Writes nanoseconds as Go does: `0s`, `250ms`, `2s`, `1m0s`, `1h0m0.5s`. */
export const formatGoDuration = (nanoseconds: bigint): string => {
  if (nanoseconds === 0n) return "0s"
  const sign = nanoseconds < 0n ? "-" : ""
  const d = nanoseconds < 0n ? -nanoseconds : nanoseconds
  if (d < 1_000n) return `${sign}${d}ns`
  if (d < 1_000_000n) return `${sign}${decimal(d, 1_000n)}\u00b5s`
  if (d < second) return `${sign}${decimal(d, 1_000_000n)}ms`
  const minutes = d / (60n * second)
  const seconds = `${decimal(d % (60n * second), second)}s`
  if (minutes === 0n) return `${sign}${seconds}`
  return minutes < 60n ? `${sign}${minutes}m${seconds}` : `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`
}
