/**
 * What a SeekInfo asks for, resolved against a ledger's height. Pure.
 * Source: orderer.md 3.6 steps 8-11; peer-endorse-validate.md 3.5 items 6-8; common/deliver/deliver.go.
 */
import { common, type orderer } from "../wire/index.js"

/** Blocks `start`, `start + 1`, … up to the one whose number equals `stop`: an equality, so a stop below never comes. */
export interface SeekRange {
  readonly _tag: "Range"
  readonly start: bigint
  readonly stop: bigint
}

export interface SeekRefused {
  readonly _tag: "Refused"
  readonly status: number
}

const refused = (status: number): SeekRefused => ({ _tag: "Refused", status })

/** The newest number at a height, in the reference's unsigned arithmetic (an empty ledger has none: the largest). */
export const newestNumber = (height: bigint): bigint => BigInt.asUintN(64, height - 1n)

/** Resolves a request at the moment it is made. */
export const resolveSeek = (seek: orderer.SeekInfo, height: bigint): SeekRange | SeekRefused => {
  const { start: from, stop: to } = seek
  if (from === undefined || to === undefined) return refused(common.Status.BAD_REQUEST)
  const start = startOf(from, height)
  // beyond the end or without a variant: an iterator that finds nothing, whatever the stop says
  if (start === undefined) return refused(common.Status.NOT_FOUND)
  if (to.oldest !== undefined) return { _tag: "Range", start, stop: start }
  if (to.newest !== undefined) {
    // newest to newest is one block, even when another one lands in between
    return { _tag: "Range", start, stop: from.newest !== undefined ? start : newestNumber(height) }
  }
  const stop = to.specified?.number ?? 0n
  if (to.specified !== undefined && stop < start) return refused(common.Status.BAD_REQUEST)
  return { _tag: "Range", start, stop }
}

const startOf = (from: orderer.SeekPosition, height: bigint): bigint | undefined => {
  if (from.oldest !== undefined) return 0n
  if (from.newest !== undefined) return newestNumber(height)
  if (from.specified === undefined || from.specified.number > height) return undefined
  return from.specified.number
}
