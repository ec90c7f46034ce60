/** Addresses as Go writes them: `host:port`, `[::1]:7051`, `:7051`, and its words when one cannot be bound. Pure. */
import * as Either from "effect/Either"

export interface HostPort {
  /** Without brackets; empty means every interface. */
  readonly host: string
  readonly port: number
}

/** Splits an address to listen on or to dial; the left side is Go's text. */
export const splitAddress = (address: string): Either.Either<HostPort, string> => {
  const colon = address.lastIndexOf(":")
  if (colon < 0) return Either.left(`address ${address}: missing port in address`)
  let host = address.slice(0, colon)
  if (host.startsWith("[") && host.endsWith("]")) host = host.slice(1, -1)
  else if (host.includes(":")) return Either.left(`address ${address}: too many colons in address`)
  const text = address.slice(colon + 1)
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (text === "") return Either.right({ host, port: 0 })
  if (!(port <= 65_535)) return Either.left(`address ${text}: invalid port`)
  return Either.right({ host, port })
}

/** `host:port`, with brackets around an IPv6 host. */
export const joinAddress = (host: string, port: number): string => `${host.includes(":") ? `[${host}]` : host}:${port}`

const bindReasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "bind: address already in use",
  EACCES: "bind: permission denied",
  EADDRNOTAVAIL: "bind: cannot assign requested address"
}

/** What Go prints after `listen tcp A: ` for a failed listen. */
export const bindReason = (error: NodeJS.ErrnoException): string => bindReasons[error.code ?? ""] ?? error.message
