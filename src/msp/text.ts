/** Go's formatting verbs, as far as the texts of this folder need them. */

const SHOWN_OCTETS = 32

/** `%v` of a byte slice: decimal octets. Cut after 32 of them: the reference prints megabytes here. */
export const goBytes = (bytes: Uint8Array): string =>
  bytes.length <= SHOWN_OCTETS
    ? `[${Array.from(bytes).join(" ")}]`
    : `[${Array.from(bytes.subarray(0, SHOWN_OCTETS)).join(" ")} ... ${bytes.length} octets]`

/** `%v` of a duration given in milliseconds: 1h2m3.5s, 250ms. */
export const goDuration = (ms: number): string => {
  if (ms === 0) return "0s"
  if (Math.abs(ms) < 1000) return `${ms}ms`
  const total = Math.abs(ms)
  const hours = Math.floor(total / 3_600_000)
  const minutes = Math.floor(total / 60_000) % 60
  const seconds = (total % 60_000) / 1000
  const head = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : ""
  return `${ms < 0 ? "-" : ""}${head}${seconds}s`
}

/** `%x` of a big integer. */
export const goHex = (value: bigint): string => (value < 0n ? `-${(-value).toString(16)}` : value.toString(16))
