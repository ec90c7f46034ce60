/**
 * MVCC: whether what a transaction read is still so, given committed state and the block's earlier updates. Pure and
 * synchronous; reads of state may throw when the medium fails.
 * Source: ledger-privatedata.md 3.F; statebasedval/state_based_validator.go, range_query_validator.go.
 */
import { kvrwset, protos } from "../../wire/index.js"
import { compareUtf8, equalBytes, toHex } from "../../wire/protoutil.js"
import type { NamespaceSet, Version } from "../rwset/index.js"
import { type MerkleSummary, RangeResults } from "../rwset/index.js"
import type { UpdateBatch, VersionedValue } from "./UpdateBatch.js"
import { hashId } from "./UpdateBatch.js"

/** Committed state as of the block before, read key by key. */
export interface CommittedState {
  readonly get: (namespace: string, key: string) => VersionedValue | undefined
  readonly version: (namespace: string, key: string) => Version | undefined
  /** Keys from `start` (inclusive) to `end` (exclusive; empty means no end) in byte order. */
  readonly range: (namespace: string, start: string, end: string) => Iterable<readonly [string, Version]>
  /** The hash of a private value under the hash of its key. */
  readonly getHashed: (namespace: string, collection: string, keyHash: Uint8Array) => VersionedValue | undefined
  readonly hashedVersion: (namespace: string, collection: string, keyHash: Uint8Array) => Version | undefined
  /** A private value in clear, where this peer has it. */
  readonly getPrivate: (namespace: string, collection: string, key: string) => VersionedValue | undefined
}

const Code = protos.TxValidationCode

export const sameVersion = (a: Version | undefined, b: Version | undefined): boolean =>
  a === undefined || b === undefined ? a === b : a.blockNum === b.blockNum && a.txNum === b.txNum

// ---- Ranges (rule 54) --------------------------------------------------------------------------------------------

type Item = readonly [key: string, version: Version]

/** Committed keys with the block's updates over them; deleted ones are gone. */
function* merged(
  state: CommittedState,
  batch: UpdateBatch,
  namespace: string,
  start: string,
  end: string
): Generator<Item> {
  const updates = batch.public.get(namespace)
  const committed = state.range(namespace, start, end)
  if (updates === undefined || updates.size === 0) {
    yield* committed
    return
  }
  const above = updates.range(start, end)
  let update = above.next()
  for (const item of committed) {
    while (update.done !== true && compareUtf8(update.value[0], item[0]) < 0) {
      const [key, { value, version }] = update.value
      if (value !== undefined) yield [key, version]
      update = above.next()
    }
    if (update.done !== true && update.value[0] === item[0]) continue // the update shadows it
    yield item
  }
  while (update.done !== true) {
    const [key, { value, version }] = update.value
    if (value !== undefined) yield [key, version]
    update = above.next()
  }
}

function* rangeOf(
  state: CommittedState,
  batch: UpdateBatch,
  namespace: string,
  info: kvrwset.RangeQueryInfo
): Generator<Item> {
  yield* merged(state, batch, namespace, info.startKey, info.endKey)
  if (info.itrExhausted) return
  // the iterator stopped at its end key: that key was seen and comes last
  const update = batch.public.get(namespace)?.get(info.endKey)
  if (update !== undefined) {
    if (update.value !== undefined) yield [info.endKey, update.version]
    return
  }
  const version = state.version(namespace, info.endKey)
  if (version !== undefined) yield [info.endKey, version]
}

const rawHolds = (items: Iterator<Item>, reads: ReadonlyArray<kvrwset.KVRead>): boolean => {
  for (const { key, version } of reads) {
    const item = items.next()
    // a read without version cannot have come from a scan (trap 10)
    if (item.done === true || version === undefined) return false
    if (item.value[0] !== key || !sameVersion(item.value[1], version)) return false
  }
  return items.next().done === true
}

const sameHashes = (a: ReadonlyArray<Uint8Array>, b: ReadonlyArray<Uint8Array>): boolean =>
  a.length === b.length && a.every((hash, i) => equalBytes(hash, b[i] ?? new Uint8Array()))

const merkleHolds = (items: Iterator<Item>, recorded: MerkleSummary): boolean => {
  if (recorded.maxDegree < 2) return false // the reference would crash (trap 10)
  const results = new RangeResults(recorded.maxDegree)
  let matched = 0
  for (let item = items.next(); item.done !== true; item = items.next()) {
    const [key, version] = item.value
    results.add(kvrwset.KVRead.create({ key, version }))
    const { maxLevel, maxLevelHashes } = results.summary
    // a difference is found as soon as a hash of the recorded level is complete
    if (maxLevel < recorded.maxLevel || maxLevelHashes.length === matched) continue
    if (maxLevelHashes.length > recorded.maxLevelHashes.length) return false
    const index = matched
    matched += 1
    const hash = maxLevelHashes[index]
    const expected = recorded.maxLevelHashes[index]
    if (hash === undefined || expected === undefined || !equalBytes(hash, expected)) return false
  }
  const outcome = results.done()
  return (
    outcome._tag === "Merkle" &&
    outcome.summary.maxLevel === recorded.maxLevel &&
    outcome.summary.maxDegree === recorded.maxDegree &&
    sameHashes(outcome.summary.maxLevelHashes, recorded.maxLevelHashes)
  )
}

const rangeHolds = (
  state: CommittedState,
  batch: UpdateBatch,
  namespace: string,
  info: kvrwset.RangeQueryInfo
): boolean => {
  const items = rangeOf(state, batch, namespace, info)
  try {
    return info.readsMerkleHashes === undefined
      ? rawHolds(items, info.rawReads?.kvReads ?? [])
      : merkleHolds(items, info.readsMerkleHashes)
  } finally {
    items.return(undefined) // lets go of the cursor below when the answer came early
  }
}

// ---- A transaction -----------------------------------------------------------------------------------------------

/** Rule 52: namespace by namespace, reads, then ranges, then hashed reads; the first failure decides. */
export const mvccCode = (sets: ReadonlyArray<NamespaceSet>, state: CommittedState, batch: UpdateBatch): number => {
  for (const set of sets) {
    const { namespace } = set
    const updates = batch.public.get(namespace)
    for (const { key, version } of set.public.reads)
      if (updates?.has(key) === true || !sameVersion(state.version(namespace, key), version))
        return Code.MVCC_READ_CONFLICT
    for (const info of set.public.rangeQueriesInfo)
      if (!rangeHolds(state, batch, namespace, info)) return Code.PHANTOM_READ_CONFLICT
    for (const { collection, hashed } of set.collections) {
      const touched = batch.hashed.get(namespace)?.get(collection)
      for (const { keyHash, version } of hashed.hashedReads)
        if (
          touched?.has(hashId(keyHash)) === true ||
          !sameVersion(state.hashedVersion(namespace, collection, keyHash), version)
        )
          return Code.MVCC_READ_CONFLICT
    }
  }
  return Code.VALID
}

// ---- Explained ---------------------------------------------------------------------------------------------------

/** What a transaction read that is no longer so. */
export interface Conflict {
  readonly code: number
  readonly namespace: string
  /** Empty for public state. */
  readonly collection: string
  /** The key read; the first key of a range; the hash of a private key in hex. */
  readonly key: string
  /** For a range: its end (exclusive; empty means no end). */
  readonly rangeEnd: string | undefined
  /** The version that was read; undefined: there was no such key, or a range. */
  readonly read: Version | undefined
  /** The committed version; undefined: there is no such key, or a range. */
  readonly committed: Version | undefined
  /** An earlier transaction of the same block writes it. */
  readonly inBlock: boolean
}

/**
 * The read that `mvccCode` refused a transaction for; undefined when it refuses nothing. Goes the same way once more:
 * for refused transactions only.
 */
export const mvccConflict = (
  sets: ReadonlyArray<NamespaceSet>,
  state: CommittedState,
  batch: UpdateBatch
): Conflict | undefined => {
  for (const set of sets) {
    const { namespace } = set
    const updates = batch.public.get(namespace)
    for (const { key, version } of set.public.reads) {
      const inBlock = updates?.has(key) === true
      const committed = state.version(namespace, key)
      if (inBlock || !sameVersion(committed, version)) {
        const code = Code.MVCC_READ_CONFLICT
        return { code, namespace, collection: "", key, rangeEnd: undefined, read: version, committed, inBlock }
      }
    }
    for (const info of set.public.rangeQueriesInfo)
      if (!rangeHolds(state, batch, namespace, info))
        return {
          code: Code.PHANTOM_READ_CONFLICT,
          namespace,
          collection: "",
          key: info.startKey,
          rangeEnd: info.endKey,
          read: undefined,
          committed: undefined,
          inBlock: updates !== undefined && updates.size > 0
        }
    for (const { collection, hashed } of set.collections) {
      const touched = batch.hashed.get(namespace)?.get(collection)
      for (const { keyHash, version } of hashed.hashedReads) {
        const inBlock = touched?.has(hashId(keyHash)) === true
        const committed = state.hashedVersion(namespace, collection, keyHash)
        if (inBlock || !sameVersion(committed, version)) {
          const code = Code.MVCC_READ_CONFLICT
          const key = toHex(keyHash)
          return { code, namespace, collection, key, rangeEnd: undefined, read: version, committed, inBlock }
        }
      }
    }
  }
  return undefined
}
