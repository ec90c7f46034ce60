/**
 * Two ledgers' databases entry by entry: public and hashed state with versions and metadata, history, collection
 * configurations. What a peer has in clear depends on what it was given, so private state is held against its hashes.
 */

import { compareBytes, equalBytes, sha256, toHex } from "../../wire/protoutil.js"
import { configHistoryTables } from "../confighistory/index.js"
import { historyTables } from "../history/index.js"
import type { Cursor, Entry } from "../lmdb/index.js"
import type { Storage } from "../peer/Storage.js"
import { parseJsonObject } from "../statedb/goJson.js"
import { stateTables } from "../statedb/StateDb.js"
import { decodeValue } from "../statedb/value.js"

/** One entry that is not the same on both sides. */
export interface Difference {
  readonly what: "state" | "private data hash" | "history" | "collection configuration"
  readonly key: string
  readonly stored: string
  readonly replayed: string
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const absent = "absent"

/** Names and keys may hold anything: shown as JSON strings. */
const quote = (bytes: Uint8Array): string => JSON.stringify(asBuffer(bytes).toString("utf8"))
const shorten = (text: string): string => (text.length > 120 ? `${text.slice(0, 117)}...` : text)

const sized = (key: Uint8Array, count: number): { readonly parts: ReadonlyArray<Buffer>; readonly rest: Buffer } => {
  const bytes = asBuffer(key)
  const parts: Array<Buffer> = []
  let at = 0
  for (let i = 0; i < count; i++) {
    const length = bytes.readUInt32BE(at)
    parts.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return { parts, rest: bytes.subarray(at) }
}

const upToZero = (bytes: Buffer): readonly [Buffer, Buffer] => {
  const zero = bytes.indexOf(0)
  return [bytes.subarray(0, zero), bytes.subarray(zero + 1)]
}

const valueText = (bytes: Uint8Array): string => {
  const { metadata, value, version } = decodeValue(bytes)
  const meta = metadata === undefined ? "" : `, metadata ${toHex(metadata)}`
  return `version ${version.blockNum}:${version.txNum}, value ${shorten(quote(value))}${meta}`
}

interface Compared {
  readonly what: Difference["what"]
  readonly table: string
  readonly key: (key: Uint8Array) => string
  readonly value: (value: Uint8Array) => string
}

const stateComparisons: ReadonlyArray<Compared> = [
  {
    what: "state",
    table: stateTables.public,
    key: (key) => {
      const [namespace, rest] = upToZero(asBuffer(key))
      return `${quote(namespace)} ${shorten(quote(rest))}`
    },
    value: valueText
  },
  {
    what: "private data hash",
    table: stateTables.hashed,
    key: (key) => {
      const [namespace, rest] = upToZero(asBuffer(key))
      const [collection, hash] = upToZero(rest)
      return `${quote(namespace)} ${quote(collection)} ${toHex(hash)}`
    },
    value: valueText
  },
  {
    what: "collection configuration",
    table: configHistoryTables.configHistory,
    key: (key) => {
      const { parts, rest } = sized(key, 1)
      const block = 0xffff_ffff_ffff_ffffn - rest.readBigUInt64BE()
      return `${parts.map(quote).join(" ")} of block [${block}]`
    },
    value: (value) => shorten(toHex(value))
  }
]
const historyComparison: Compared = {
  what: "history",
  table: historyTables.history,
  key: (key) => {
    const { parts, rest } = sized(key, 2)
    return `${parts.map((part) => shorten(quote(part))).join(" ")} in block [${rest.readBigUInt64BE()}] transaction [${rest.readUInt32BE(8)}]`
  },
  value: () => "an entry"
}

/**
 * What differs; undefined comes every thousand entries, so that the caller may breathe.
 * @param history whether the stored ledger keeps one
 */
export function* differences(
  stored: Storage,
  replayed: Storage,
  history: boolean
): Generator<Difference | undefined, void> {
  const snapshots = [stored.environment.snapshot(), replayed.environment.snapshot()] as const
  try {
    for (const compared of history ? [...stateComparisons, historyComparison] : stateComparisons) {
      const [left, right] = [
        snapshots[0].range(stored.environment.table(compared.table)),
        snapshots[1].range(replayed.environment.table(compared.table))
      ]
      yield* merged(left, right, compared)
    }
  } finally {
    for (const snapshot of snapshots) snapshot.close()
  }
}

function* merged(left: Cursor, right: Cursor, { key, value, what }: Compared): Generator<Difference | undefined, void> {
  const report = (entry: Entry, a: Entry | undefined, b: Entry | undefined): Difference => ({
    what,
    key: key(entry.key),
    stored: a === undefined ? absent : value(a.value),
    replayed: b === undefined ? absent : value(b.value)
  })
  let a = left.next()
  let b = right.next()
  for (let count = 1; a !== undefined || b !== undefined; count++) {
    if (count % 1000 === 0) yield undefined
    const order = a === undefined ? 1 : b === undefined ? -1 : compareBytes(a.key, b.key)
    if (order < 0 && a !== undefined) {
      yield report(a, a, undefined)
      a = left.next()
    } else if (order > 0 && b !== undefined) {
      yield report(b, undefined, b)
      b = right.next()
    } else if (a !== undefined && b !== undefined) {
      if (!equalBytes(a.value, b.value)) yield report(a, a, b)
      a = left.next()
      b = right.next()
    }
  }
}

/**
 * Private values that contradict their hashes; undefined every thousand entries. A value older than its hash is no
 * fault: the newer one is missing here, and the old one is not served.
 */
export function* privateStateFaults(storage: Storage): Generator<string | undefined, void> {
  const snapshot = storage.environment.snapshot()
  try {
    const hashes = storage.environment.table(stateTables.hashed)
    const cursor = snapshot.range(storage.environment.table(stateTables.private))
    let count = 0
    for (let entry = cursor.next(); entry !== undefined; entry = cursor.next()) {
      if (++count % 1000 === 0) yield undefined
      const [namespace, rest] = upToZero(asBuffer(entry.key))
      const [collection, key] = upToZero(rest)
      const at = `${quote(namespace)} ${quote(collection)} ${shorten(quote(key))}`
      const held = decodeValue(entry.value)
      const zero = Buffer.from([0])
      const bytes = snapshot.get(hashes, Buffer.concat([namespace, zero, collection, zero, sha256(key)]))
      if (bytes === undefined) continue
      const hash = decodeValue(bytes)
      const { blockNum, txNum } = held.version
      const newer =
        blockNum > hash.version.blockNum || (blockNum === hash.version.blockNum && txNum > hash.version.txNum)
      if (newer) yield `private value of ${at} is newer than its hash`
      const same = blockNum === hash.version.blockNum && txNum === hash.version.txNum
      // CouchDB writes JSON anew: the hash is of what the chaincode wrote
      const rewritten = storage.state.database === "CouchDB" && parseJsonObject(held.value) !== undefined
      if (same && !rewritten && !equalBytes(sha256(held.value), hash.value))
        yield `private value of ${at} does not have its hash`
    }
  } finally {
    snapshot.close()
  }
}
