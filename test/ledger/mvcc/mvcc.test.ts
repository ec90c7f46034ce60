import { assert, describe, it } from "vitest"
import {
  applyWrites,
  commitHash,
  mvccCode,
  mvccConflict,
  UpdateBatch,
  updateBytes
} from "../../../src/ledger/mvcc/index.js"
import { hashId } from "../../../src/ledger/mvcc/UpdateBatch.js"
import type { NamespaceSet } from "../../../src/ledger/rwset/index.js"
import { kvrwset, protos } from "../../../src/wire/index.js"
import { EMPTY, fromHex, toHex, toText, utf8 } from "../../../src/wire/protoutil.js"
import { FakeSnapshot, version } from "../simulator/fakes.js"

const Code = protos.TxValidationCode
type Sets = Parameters<typeof kvrwset.KVRWSet.create>[0]
const sets = (set: Sets, namespace = "mycc"): ReadonlyArray<NamespaceSet> => [
  { namespace, public: kvrwset.KVRWSet.create(set), collections: [] }
]
const put = (key: string, value: string) => ({ key, value: utf8(value) })
const del = (key: string) => ({ key, isDelete: true })
const metadata = (key: string, value?: string) => ({
  key,
  entries: value === undefined ? [] : [{ name: "m", value: utf8(value) }]
})

describe("the commit hash (ledger-privatedata.md 4.3)", () => {
  it("is the vectors'", () => {
    const state = new FakeSnapshot()
    const first = new UpdateBatch()
    applyWrites(sets({ writes: [put("a", "100")] }), state, first, version(1, 0))
    assert.equal(toHex(updateBytes(first)), "0a130a046d7963631a01612a033130303203010100")
    const h1 = commitHash(Uint8Array.of(0), first, EMPTY)
    assert.equal(toHex(h1), "e39b76cbc81ddef2cdd02798922c4ae2821bd3905de4c3ab5c1bcc5d631046ee")
    const second = new UpdateBatch()
    applyWrites(sets({ writes: [del("a")] }), state, second, version(2, 0))
    assert.equal(toHex(updateBytes(second)), "0a100a046d7963631a016120013203010200")
    assert.equal(
      toHex(commitHash(fromHex("000b"), second, h1)),
      "33dee0da7504e61b65081d8752e5f9efc00a0e3d756d69773f3f9a3e99e60c27"
    )
  })
  it("leaves out the config namespace and counts versions past one byte", () => {
    const batch = new UpdateBatch()
    applyWrites(sets({ writes: [put("k", "v")] }, ""), new FakeSnapshot(), batch, version(300, 5))
    assert.equal(updateBytes(batch).length, 0)
  })
})

describe("merging writes (rule 56, traps 7-9)", () => {
  const state = new FakeSnapshot().put("mycc", "a", "old", version(1, 0))
  const after = (...writes: ReadonlyArray<Sets>) => {
    const batch = new UpdateBatch()
    for (const [i, set] of writes.entries()) applyWrites(sets(set), state, batch, version(2, i))
    const held = batch.public.get("mycc")?.get("a")
    return held === undefined
      ? "untouched"
      : `${held.value === undefined ? "-" : toText(held.value)} ${held.metadata === undefined ? "-" : "m"} ${held.version.txNum}`
  }
  it.each<[string, ReadonlyArray<Sets>, string]>([
    [
      "a value keeps earlier metadata",
      [{ metadataWrites: [metadata("a", "1")] }, { writes: [put("a", "new")] }],
      "new m 1"
    ],
    ["metadata alone keeps the value, with a new version", [{ metadataWrites: [metadata("a", "1")] }], "old m 0"],
    [
      "metadata can be deleted",
      [{ metadataWrites: [metadata("a", "1")] }, { metadataWrites: [metadata("a")] }],
      "old - 1"
    ],
    ["a delete takes metadata along", [{ writes: [del("a")], metadataWrites: [metadata("a", "1")] }], "- - 0"],
    ["an empty value deletes", [{ writes: [put("a", "")] }], "- - 0"],
    [
      "metadata after a delete does nothing",
      [{ writes: [del("a")] }, { metadataWrites: [metadata("a", "1")] }],
      "- - 0"
    ],
    [
      "a key written twice keeps the old value and loses metadata",
      [{ writes: [put("a", "x"), put("a", "y")] }],
      "old - 0"
    ]
  ])("%s", (_, writes, expected) => {
    assert.equal(after(...writes), expected)
  })
  it("metadata on a key that is not there does nothing", () => {
    const batch = new UpdateBatch()
    applyWrites(sets({ metadataWrites: [metadata("none", "1")] }), state, batch, version(2, 0))
    assert.isUndefined(batch.public.get("mycc")?.get("none"))
  })
  it("takes a collection that is named twice for one set, as the reference does", () => {
    const keyHash = fromHex("01")
    const hashed = (value: string) =>
      kvrwset.HashedRWSet.create({ hashedWrites: [{ keyHash, valueHash: utf8(value) }] })
    const collection = (value: string) => ({ collection: "c", hashed: hashed(value), privateHash: EMPTY })
    const apply = (batch: UpdateBatch, txNum: number, ...values: ReadonlyArray<string>) =>
      applyWrites(
        [{ namespace: "mycc", public: kvrwset.KVRWSet.create({}), collections: values.map(collection) }],
        state,
        batch,
        version(2, txNum)
      )
    const held = (batch: UpdateBatch) => batch.hashed.get("mycc")?.get("c")?.get(hashId(keyHash))
    // a key written in both is a key written twice: nothing is there to keep
    const absent = new UpdateBatch()
    apply(absent, 0, "x", "y")
    assert.isUndefined(held(absent))
    const present = new UpdateBatch()
    apply(present, 0, "old")
    apply(present, 1, "x", "y")
    assert.deepEqual(held(present), { value: utf8("old"), metadata: undefined, version: version(2, 1) })
  })
})

describe("conflicts (rules 52-54)", () => {
  const state = new FakeSnapshot()
    .put("mycc", "a", "1", version(1, 0))
    .put("mycc", "b", "1", version(1, 1))
    .put("mycc", "d", "1", version(1, 2))
  const raw = (...keys: ReadonlyArray<readonly [string, number]>) => ({
    kvReads: keys.map(([key, tx]) => ({ key, version: version(1, tx) }))
  })
  const code = (set: Sets, ...before: ReadonlyArray<Sets>) => {
    const batch = new UpdateBatch()
    for (const [i, earlier] of before.entries()) applyWrites(sets(earlier), state, batch, version(2, i))
    const found = mvccCode(sets(set), state, batch)
    // the explanation refuses what the check refuses, for the same
    assert.equal(mvccConflict(sets(set), state, batch)?.code ?? Code.VALID, found)
    return found
  }
  const all = { startKey: "a", endKey: "z", itrExhausted: true, rawReads: raw(["a", 0], ["b", 1], ["d", 2]) }
  const early = { startKey: "a", endKey: "b", itrExhausted: false, rawReads: raw(["a", 0], ["b", 1]) }
  it.each<[string, number, Sets, ReadonlyArray<Sets>]>([
    ["a read of the committed version", Code.VALID, { reads: [{ key: "a", version: version(1, 0) }] }, []],
    ["a stale read", Code.MVCC_READ_CONFLICT, { reads: [{ key: "a", version: version(0, 0) }] }, []],
    ["a read of nothing where nothing is", Code.VALID, { reads: [{ key: "c" }] }, []],
    ["a read of nothing where something is", Code.MVCC_READ_CONFLICT, { reads: [{ key: "a" }] }, []],
    [
      "a read of what the block wrote",
      Code.MVCC_READ_CONFLICT,
      { reads: [{ key: "a", version: version(1, 0) }] },
      [{ writes: [put("a", "2")] }]
    ],
    [
      "a read of a key whose metadata the block wrote",
      Code.MVCC_READ_CONFLICT,
      { reads: [{ key: "a", version: version(1, 0) }] },
      [{ metadataWrites: [metadata("a", "1")] }]
    ],
    ["an unchanged range", Code.VALID, { rangeQueriesInfo: [all] }, []],
    [
      "a key inserted into a range",
      Code.PHANTOM_READ_CONFLICT,
      { rangeQueriesInfo: [all] },
      [{ writes: [put("c", "1")] }]
    ],
    ["a key deleted from a range", Code.PHANTOM_READ_CONFLICT, { rangeQueriesInfo: [all] }, [{ writes: [del("b")] }]],
    ["a key behind an early end", Code.VALID, { rangeQueriesInfo: [early] }, [{ writes: [put("c", "1")] }]],
    [
      "the end key of an early end deleted",
      Code.PHANTOM_READ_CONFLICT,
      { rangeQueriesInfo: [early] },
      [{ writes: [del("b")] }]
    ],
    [
      "an empty range that is not",
      Code.PHANTOM_READ_CONFLICT,
      { rangeQueriesInfo: [{ startKey: "a", endKey: "z", itrExhausted: true }] },
      []
    ],
    [
      "a merkle summary of degree 1",
      Code.PHANTOM_READ_CONFLICT,
      {
        rangeQueriesInfo: [
          { startKey: "a", endKey: "z", itrExhausted: true, readsMerkleHashes: { maxDegree: 1, maxLevel: 1 } }
        ]
      },
      []
    ]
  ])("%s", (_, expected, set, before) => {
    assert.equal(code(set, ...before), expected)
  })
  it("says which read it was", () => {
    const conflict = (set: Sets, ...before: ReadonlyArray<Sets>) => {
      const batch = new UpdateBatch()
      for (const [i, earlier] of before.entries()) applyWrites(sets(earlier), state, batch, version(2, i))
      return mvccConflict(sets(set), state, batch)
    }
    const stale = {
      reads: [
        { key: "b", version: version(1, 1) },
        { key: "a", version: version(0, 3) }
      ]
    }
    const found = conflict(stale)
    assert.deepInclude(found, { code: Code.MVCC_READ_CONFLICT, namespace: "mycc", collection: "", key: "a" })
    assert.deepInclude(found, { rangeEnd: undefined, committed: version(1, 0), inBlock: false })
    assert.deepInclude(found?.read, { blockNum: 0n, txNum: 3n })
    const written = conflict({ reads: [{ key: "a", version: version(1, 0) }] }, { writes: [put("a", "2")] })
    assert.deepInclude(written, { key: "a", inBlock: true })
    assert.deepInclude(conflict({ rangeQueriesInfo: [all] }, { writes: [put("c", "1")] }), { key: "a", rangeEnd: "z" })
    const hashed: ReadonlyArray<NamespaceSet> = [
      {
        namespace: "mycc",
        public: kvrwset.KVRWSet.create({}),
        collections: [
          {
            collection: "coll",
            privateHash: EMPTY,
            hashed: kvrwset.HashedRWSet.create({ hashedReads: [{ keyHash: fromHex("ab01"), version: version(9, 9) }] })
          }
        ]
      }
    ]
    assert.deepInclude(mvccConflict(hashed, state, new UpdateBatch()), {
      code: mvccCode(hashed, state, new UpdateBatch()),
      collection: "coll",
      key: "ab01",
      committed: undefined
    })
  })
  it("lets a phantom in an earlier namespace win over a read conflict in a later one (trap 17)", () => {
    const two = [
      ...sets({ rangeQueriesInfo: [{ startKey: "a", endKey: "z", itrExhausted: true }] }),
      ...sets({ reads: [{ key: "x", version: version(9, 9) }] }, "z")
    ]
    assert.equal(mvccCode(two, state, new UpdateBatch()), Code.PHANTOM_READ_CONFLICT)
  })
})
