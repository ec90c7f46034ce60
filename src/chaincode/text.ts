/** Small text helpers of this folder. */

/** Order of names by their UTF-8 bytes, as the reference's directory listings are sorted. */
export const compareNames = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** The short form of a transaction id in log lines. */
export const shortTxId = (txId: string): string => txId.slice(0, 8)

/** `name:version`, the key of handlers, launches and metrics. */
export const canonicalName = (name: string, version: string): string => `${name}:${version}`
