/**
 * Durations as Go writes them (`5s`, `1m30s`, `250ms`). Pure; nanoseconds as bigint, since Go's values are exact.
 * Source: Go's time.ParseDuration and Duration.String; orderer.md 2.2 rule 6, peer-endorse-validate.md 2.1 rule 8.
 */

const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n
}
const limit = 1n << 63n
const part = /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/y

/** Nanoseconds, or undefined for a text that is no Go duration (or one beyond 64 bits). */
export const parseGoDuration = (text: string): bigint | undefined => {
  const signed = /^[+-]/.test(text)
  const body = signed ? text.slice(1) : text
  if (body === "0") return 0n
  if (body === "") return undefined
  let total = 0n
  part.lastIndex = 0
  for (let at = 0; at < body.length; at = part.lastIndex) {
    part.lastIndex = at
    const found = part.exec(body)
    if (found === null) return undefined
    const [, whole = "", fraction = "", name = ""] = found
    const unit = units[name]
    if (unit === undefined || (whole === "" && fraction === "")) return undefined
    total += BigInt(whole === "" ? "0" : whole) * unit
    if (fraction !== "") total += (BigInt(fraction) * unit) / 10n ** BigInt(fraction.length)
    if (total >= limit) return undefined
  }
  return text.startsWith("-") ? -total : total
}

/** As Go prints a duration: `1h0m0s`, `1.5s`, `250ms`, `0s`. */
export const formatGoDuration = (nanos: bigint): string => {
  if (nanos === 0n) return "0s"
  const sign = nanos < 0n ? "-" : ""
  const value = nanos < 0n ? -nanos : nanos
  const decimal = (amount: bigint, unit: bigint): string => {
    const rest = amount % unit
    const digits =
      rest === 0n
        ? ""
        : `.${rest
            .toString()
            .padStart(unit.toString().length - 1, "0")
            .replace(/0+$/, "")}`
    return `${amount / unit}${digits}`
  }
  if (value < 1_000n) return `${sign}${value}ns`
  if (value < 1_000_000n) return `${sign}${decimal(value, 1_000n)}µs`
  if (value < 1_000_000_000n) return `${sign}${decimal(value, 1_000_000n)}ms`
  const hours = value / 3_600_000_000_000n
  const minutes = (value / 60_000_000_000n) % 60n
  const seconds = decimal(value % 60_000_000_000n, 1_000_000_000n)
  if (hours > 0n) return `${sign}${hours}h${minutes}m${seconds}s`
  return minutes > 0n ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`
}
