/**
 * Bounds on what arrives (ours: the reference has none but the transport's 100 MiB). Decoding makes an object for every
 * field, many times the size of its bytes, so fields are counted before. Pure.
 */
import { common, gossip } from "../wire/index.js"
import { Reader } from "../wire/reader.js"
import type { MessageInfo } from "../wire/types.js"

/** Most fields that one message, or one block, may hold. */
export const maxFields = 250_000

/** Messages deeper than this are refused by decoding anyway. */
const maxDepth = 500

/** Key of a field on the wire -> the message in it, of every message that can be reached from `roots`. */
const nestedMessages = (
  roots: ReadonlyArray<MessageInfo>
): ReadonlyMap<MessageInfo, ReadonlyMap<number, MessageInfo>> => {
  const tables = new Map<MessageInfo, ReadonlyMap<number, MessageInfo>>()
  const visit = (info: MessageInfo): void => {
    if (tables.has(info)) return
    const inner = new Map<number, MessageInfo>()
    tables.set(info, inner)
    for (const { number, message, mapKey } of info.fields) {
      if (message !== undefined && mapKey === undefined) inner.set(number * 8 + 2, message())
    }
    for (const message of inner.values()) visit(message)
  }
  for (const root of roots) visit(root)
  return tables
}

const nested = nestedMessages([gossip.Envelope, gossip.GossipMessage, gossip.Secret, common.Block])
const noneNested: ReadonlyMap<number, MessageInfo> = new Map()

/**
 * Fields of a message and of those inside it, counted up to one more than `limit`; -1 where it is nested too deeply.
 * Bytes are passed over, so that a block in a message costs nothing. Throws WireError.
 */
export const countFields = (type: MessageInfo, bytes: Uint8Array, limit: number): number => {
  const reader = new Reader(bytes)
  let count = 0
  const walk = (info: MessageInfo, depth: number): boolean => {
    const inner = nested.get(info) ?? noneNested
    while (reader.pos < reader.end) {
      count += 1
      if (count > limit) return true
      const key = reader.key()
      const message = inner.get(key)
      if (message === undefined) {
        reader.pass(key, info.typeName)
        continue
      }
      if (depth === maxDepth) return false
      const outer = reader.open()
      if (!walk(message, depth + 1)) return false
      if (count > limit) return true
      reader.end = outer
    }
    return true
  }
  return walk(type, 1) ? count : -1
}
