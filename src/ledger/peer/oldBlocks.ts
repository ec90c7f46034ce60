/**
 * Private data that arrives after its block: what of it still is the newest goes into state.
 * Source: ledger-privatedata.md rule 94; kvledger/hashcheck_pvtdata.go, lockbasedtxmgr/lockbased_txmgr.go
 * (RemoveStaleAndCommitPvtDataOfOldBlocks).
 */
import { common, rwset, WireError } from "../../wire/index.js"
import { chaincodeActionOf, equalBytes, sha256, utf8 } from "../../wire/protoutil.js"
import { Batch } from "../lmdb/index.js"
import { type CommittedState, sameVersion, UpdateBatch } from "../mvcc/index.js"
import type { TxPvtData } from "../pvtdata/index.js"
import { isDelete, type NamespaceSet, privateSets, readWriteSet, type Version } from "../rwset/index.js"
import type { PvtDataMismatch } from "./PeerLedger.js"
import { privateHashOf } from "./prepare.js"
import type { Storage } from "./Storage.js"

/** Stores and applies; gives what did not fit. Plain and synchronous. */
export const commitOldBlocks = (
  storage: Storage,
  blocks: ReadonlyMap<bigint, TxPvtData>
): ReadonlyArray<PvtDataMismatch> => {
  const mismatches: Array<PvtDataMismatch> = []
  const verified = new Map<bigint, TxPvtData>()
  for (const [block, data] of blocks) {
    const kept = new Map<number, rwset.TxPvtReadWriteSet>()
    for (const [tx, set] of data) {
      const good = verify(setsOf(storage, block, tx), block, tx, set, mismatches)
      if (good !== undefined) kept.set(tx, good)
    }
    if (kept.size > 0) verified.set(block, kept)
  }
  storage.pvtData.commitOldBlocks(verified)
  apply(storage, verified)
  return mismatches
}

/** After a crash: data that the private store has and state may not. */
export const reapplyOldBlocks = (storage: Storage): void => {
  const blocks = storage.pvtData.oldBlocksToApply.filter((block) => block < storage.engine.height)
  if (storage.pvtData.oldBlocksToApply.length === 0) return
  apply(storage, new Map(blocks.map((block) => [block, storage.pvtData.byBlock(block)])))
}

const setsOf = (storage: Storage, block: bigint, tx: number): ReadonlyArray<NamespaceSet> => {
  const { envelope } = storage.engine.transactionSync(block, tx)
  const action = chaincodeActionOf(common.Payload.decode(common.Envelope.decode(envelope).payload).data)
  if (action === undefined) throw new WireError(`transaction [${tx}] of block [${block}] has no chaincode action`)
  return readWriteSet(action.chaincodeAction.results)
}

/** The part of a private write set whose hashes fit; undefined when nothing does. */
const verify = (
  sets: ReadonlyArray<NamespaceSet>,
  block: bigint,
  tx: number,
  set: rwset.TxPvtReadWriteSet,
  mismatches: Array<PvtDataMismatch>
): rwset.TxPvtReadWriteSet | undefined => {
  const nsPvtRwset = set.nsPvtRwset.flatMap((ns) => {
    const collectionPvtRwset = ns.collectionPvtRwset.filter(({ collectionName: collection, rwset: bytes }) => {
      const expectedHash = privateHashOf(sets, ns.namespace, collection)
      if (expectedHash.length === 0) return false // not touched by the transaction: ignored
      if (equalBytes(sha256(bytes), expectedHash)) return true
      mismatches.push({ block, tx, namespace: ns.namespace, collection, expectedHash })
      return false
    })
    return collectionPvtRwset.length === 0 ? [] : [{ namespace: ns.namespace, collectionPvtRwset }]
  })
  return nsPvtRwset.length === 0 ? undefined : rwset.TxPvtReadWriteSet.create({ nsPvtRwset })
}

interface Write {
  readonly namespace: string
  readonly collection: string
  readonly key: string
  readonly value: Uint8Array | undefined
  readonly version: Version
}

/** Of each key the newest write, of transactions that are valid by the stored flags. */
const newestWrites = (storage: Storage, blocks: ReadonlyMap<bigint, TxPvtData>): Iterable<Write> => {
  const newest = new Map<string, Write>()
  for (const [block, data] of blocks) {
    const entry = storage.engine.entry(block)
    for (const [tx, set] of data) {
      if (entry.tx(tx)?.code !== 0) continue
      const version = { blockNum: block, txNum: BigInt(tx) }
      for (const { collections, namespace } of privateSets(set))
        for (const { collection, set: writes } of collections)
          for (const write of writes.writes) {
            const id = `${namespace}\0${collection}\0${write.key}`
            const known = newest.get(id)
            if (known !== undefined && !isBefore(known.version, version)) continue
            const value = isDelete(write) ? undefined : write.value
            newest.set(id, { namespace, collection, key: write.key, value, version })
          }
    }
  }
  return newest.values()
}

const isBefore = (a: Version, b: Version): boolean =>
  a.blockNum < b.blockNum || (a.blockNum === b.blockNum && a.txNum < b.txNum)

/** The version under which a write may go into state; undefined: it is stale. */
const liveVersion = (write: Write, state: CommittedState): Version | undefined => {
  const hash = state.getHashed(write.namespace, write.collection, sha256(utf8(write.key)))
  // the key was deleted or has expired: only a delete still says something
  if (hash === undefined) return write.value === undefined ? write.version : undefined
  if (sameVersion(hash.version, write.version)) return write.version
  // metadata was written since: the value is the same, its version is the hash's
  return write.value !== undefined && hash.value !== undefined && equalBytes(hash.value, sha256(write.value))
    ? hash.version
    : undefined
}

const apply = (storage: Storage, blocks: ReadonlyMap<bigint, TxPvtData>): void => {
  const updates = new UpdateBatch()
  const state = storage.state.snapshot()
  try {
    for (const write of newestWrites(storage, blocks)) {
      const version = liveVersion(write, state)
      if (version === undefined) continue
      const { collection, key, namespace, value } = write
      updates.privateOf(namespace, collection).set(key, { value, metadata: undefined, version })
    }
  } finally {
    state.release()
  }
  const batch = new Batch()
  storage.purge.scheduleOldBlocks(batch, updates)
  storage.state.put(batch, updates, undefined)
  const done = storage.pvtData.oldBlocksApplied(batch)
  storage.environment.commit(batch)
  done()
}
