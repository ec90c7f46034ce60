/**
 * gRPC status codes by number and by the names that Go prints (they are metric labels and log fields).
 * Source: google.golang.org/grpc/codes; peer-endorse-validate.md 2.3, operations-cli.md 3.1.
 */

/** The codes that this project answers with or asks for. */
export const Code = {
  OK: 0,
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16
} as const

const names: ReadonlyArray<string> = Object.keys(Code)

/** Go's name of a code: `OK`, `Canceled`, `Unknown`, `Code(99)`. */
export const codeName = (code: number): string => names[code] ?? `Code(${code})`

const loneSurrogates = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g

/** Status texts travel percent-encoded in a header of bounded size: half surrogates would throw there, long texts break it. */
export const statusText = (text: string): string => {
  const short = text.length > maxStatusText ? `${text.slice(0, maxStatusText)}…` : text
  return short.replace(loneSurrogates, "\uFFFD")
}

/** Characters. A peer's header list limit is often 16 KiB; percent-encoding may triple what is not ASCII. */
const maxStatusText = 4096
