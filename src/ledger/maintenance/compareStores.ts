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
import { decodeTrail, type Position } from "../statedb/trail.js"
import { decodeValue, plainRecord, trailOf } from "../statedb/value.js"

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
  /** The part of a value that is compared. */
  readonly plain: (value: Uint8Array) => Uint8Array
}

const whole = (value: Uint8Array): Uint8Array => value

const stateComparisons: ReadonlyArray<Compared> = [
  {
    what: "state",
    table: stateTables.public,
    key: (key) => {
      const [namespace, rest] = upToZero(asBuffer(key))
      return `${quote(namespace)} ${shorten(quote(rest))}`
    },
    value: valueText,
    plain: plainRecord
  },
  {
    what: "private data hash",
    table: stateTables.hashed,
    key: (key) => {
      const [namespace, rest] = upToZero(asBuffer(key))
      const [collection, hash] = upToZero(rest)
      return `${quote(namespace)} ${quote(collection)} ${toHex(hash)}`
    },
    value: valueText,
    plain: whole
  },
  {
    what: "collection configuration",
    table: configHistoryTables.configHistory,
    key: (key) => {
      const { parts, rest } = sized(key, 1)
      const block = 0xffff_ffff_ffff_ffffn - rest.readBigUInt64BE()
      return `${parts.map(quote).join(" ")} of block [${block}]`
    },
    value: (value) => shorten(toHex(value)),
    plain: whole
  }
]
const positionText = (namespace: Uint8Array, key: Uint8Array, { block, tx }: Position): string =>
  `${shorten(quote(namespace))} ${shorten(quote(key))} in block [${block}] transaction [${tx}]`

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
    const cursors = (table: string) =>
      [
        snapshots[0].range(stored.environment.table(table)),
        snapshots[1].range(replayed.environment.table(table))
      ] as const
    for (const compared of stateComparisons) yield* merged(...cursors(compared.table), compared)
    if (!history) return
    // a position may stand in the state record on one side and in the table on the other
    yield* unmatched(...cursors(historyTables.history), stored, replayed, (entry) => {
      const { parts, rest } = sized(entry.key, 2)
      const [namespace = noBytes, key = noBytes] = parts
      return { namespace, key, positions: [{ block: rest.readBigUInt64BE(), tx: rest.readUInt32BE(8) }] }
    })
    yield* unmatched(...cursors(stateTables.public), stored, replayed, (entry) => {
      const trail = trailOf(entry.value)
      const [namespace, key] = upToZero(asBuffer(entry.key))
      return { namespace, key, positions: trail === undefined ? [] : decodeTrail(trail) }
    })
  } finally {
    for (const snapshot of snapshots) snapshot.close()
  }
}

function* merged(
  left: Cursor,
  right: Cursor,
  { key, plain, value, what }: Compared
): Generator<Difference | undefined, void> {
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
      if (!equalBytes(plain(a.value), plain(b.value))) yield report(a, a, b)
      a = left.next()
      b = right.next()
    }
  }
}

interface KeyPositions {
  readonly namespace: Buffer
  readonly key: Buffer
  readonly positions: ReadonlyArray<Position>
}

/** Positions of one side's entries that the other side has neither here nor elsewhere. */
function* unmatched(
  left: Cursor,
  right: Cursor,
  stored: Storage,
  replayed: Storage,
  read: (entry: Entry) => KeyPositions
): Generator<Difference | undefined, void> {
  function* lacking(entry: Entry, other: Storage, here: boolean): Generator<Difference, void> {
    const { key, namespace, positions } = read(entry)
    if (positions.length === 0) return
    const known = new Set<string>()
    for (const { block, tx } of other.history.positions(namespace.toString("utf8"), key.toString("utf8")))
      known.add(`${block}/${tx}`)
    for (const position of positions)
      if (!known.has(`${position.block}/${position.tx}`))
        yield {
          what: "history",
          key: positionText(namespace, key, position),
          stored: here ? "an entry" : absent,
          replayed: here ? absent : "an entry"
        }
  }
  let a = left.next()
  let b = right.next()
  for (let count = 1; a !== undefined || b !== undefined; count++) {
    if (count % 1000 === 0) yield undefined
    const order = a === undefined ? 1 : b === undefined ? -1 : compareBytes(a.key, b.key)
    const same =
      order === 0 && a !== undefined && b !== undefined && equalBytes(trailBytes(a.value), trailBytes(b.value))
    if (!same && order <= 0 && a !== undefined) yield* lacking(a, replayed, true)
    if (!same && order >= 0 && b !== undefined) yield* lacking(b, stored, false)
    if (order <= 0) a = left.next()
    if (order >= 0) b = right.next()
  }
}

const noBytes = Buffer.alloc(0)
const trailBytes = (value: Uint8Array): Uint8Array => trailOf(value) ?? noBytes

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
