import { assert, describe, it } from "vitest"
import { TxSimulator } from "../../../src/ledger/simulator/index.js"
import { ccprovider, common, kvrwset, rwset } from "../../../src/wire/index.js"
import { EMPTY, sha256, toHex, utf8 } from "../../../src/wire/protoutil.js"
import { FakeSnapshot, version } from "./fakes.js"

const snapshot = () => {
  const made = new FakeSnapshot()
  made.put("lscc", "mycc", ccprovider.ChaincodeData.encode({ name: "mycc", version: "1" }), version(3, 0))
  made.put(
    "lscc",
    "mycc~collection",
    common.CollectionConfigPackage.encode({ config: [{ staticCollectionConfig: { name: "coll1" } }] }),
    version(3, 0)
  )
  return made.put("mycc", "a", "100", version(5, 1)).put("mycc", "b", "x", version(5, 1))
}

const refusal = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return "accepted"
}

const ranges = (simulator: TxSimulator, namespace = "mycc") => {
  const set = rwset.TxReadWriteSet.decode(simulator.getTxSimulationResults().public).nsRwset.find(
    (ns) => ns.namespace === namespace
  )
  return kvrwset.KVRWSet.decode(set?.rwset ?? EMPTY).rangeQueriesInfo
}

describe("read-write sets (ledger-privatedata.md 4.4)", () => {
  it("are the public vector", () => {
    const simulator = TxSimulator.make(snapshot(), "tx")
    simulator.getState("mycc", "a")
    simulator.getState("mycc", "zz")
    simulator.getState("lscc", "mycc")
    simulator.setState("mycc", "a", utf8("90"))
    simulator.deleteState("mycc", "b")
    simulator.setStateMetadata("mycc", "a", new Map([["VALIDATION_PARAMETER", Uint8Array.of(1)]]))
    assert.equal(
      toHex(simulator.getTxSimulationResults().public),
      "12140a046c736363120c0a0a0a046d7963631202080312490a046d79636312410a090a01611204080510010a040a027a7a1a070a01611a0239301a050a01621001221e0a016112190a1456414c49444154494f4e5f504152414d45544552120101"
    )
  })
  it("are the private vector, hidden reads of the definition included", () => {
    const simulator = TxSimulator.make(snapshot(), "tx")
    simulator.setPrivateData("mycc", "coll1", "k1", utf8("v1"))
    const results = simulator.getTxSimulationResults()
    const secret = results.private?.nsPvtRwset[0]?.collectionPvtRwset[0]?.rwset ?? EMPTY
    assert.equal(toHex(secret), "1a080a026b311a027631")
    assert.equal(toHex(sha256(secret)), "e1448b2b9ea484e88ae5113e65a00b69fa1d9ce94d983be97546c7ff8ff39810")
    assert.equal(toHex(sha256(results.public)), "f611bee34a87d5d53f2c6fe630c9b4377f6c36af4e63a028c2260a85d43e7d01")
  })
})

describe("reads", () => {
  it("never see own writes (rule 23)", () => {
    const simulator = TxSimulator.make(snapshot(), "tx")
    simulator.setState("mycc", "a", utf8("1"))
    assert.equal(toHex(simulator.getState("mycc", "a") ?? EMPTY), toHex(utf8("100")))
  })
  it("of private data need the version of the hash (rule 31)", () => {
    const state = snapshot().putPrivate("mycc", "coll1", "k", "v", version(4, 0))
    const simulator = TxSimulator.make(state, "tx")
    assert.equal(toHex(simulator.getPrivateData("mycc", "coll1", "k") ?? EMPTY), toHex(utf8("v")))
    assert.isUndefined(simulator.getPrivateData("mycc", "coll1", "none"))
    state.putHash("mycc", "coll1", "gone", "v", version(5, 0))
    assert.equal(
      refusal(() => simulator.getPrivateData("mycc", "coll1", "gone")),
      "private data matching public hash version is not available. Public hash version = {BlockNum: 5, TxNum: 0}, Private data version = <nil>"
    )
    assert.equal(
      refusal(() => simulator.getPrivateData("mycc", "other", "k")),
      "collection [other] not defined in the collection config for chaincode [mycc]"
    )
  })
  it("after done are refused", () => {
    const state = snapshot()
    const simulator = TxSimulator.make(state, "tx")
    simulator.done()
    simulator.done()
    assert.equal(state.released, 1)
    assert.equal(
      refusal(() => simulator.getState("mycc", "a")),
      "this instance should not be used after calling Done()"
    )
  })
})

describe("ranges (3.D, 4.5)", () => {
  const keys = (count: number) => {
    const state = new FakeSnapshot()
    for (let i = 0; i < count; i++) state.put("mycc", `k${String(i).padStart(5, "0")}`, "v", version(1, i))
    return TxSimulator.make(state, "tx")
  }
  const drain = (simulator: TxSimulator, take = Number.POSITIVE_INFINITY) => {
    const results = simulator.getStateRange("mycc", "k", "l")
    for (let n = 0; n < take && results.next() !== undefined; n++);
  }
  it("keep up to 50 reads, then a merkle summary", () => {
    const few = keys(50)
    drain(few)
    assert.lengthOf(ranges(few)[0]?.rawReads?.kvReads ?? [], 50)
    const cases: ReadonlyArray<readonly [number, number, ReadonlyArray<string>]> = [
      [51, 1, ["91ae3433fa4bbfe4085551af4d2a38b60c408403abef60865cc498c9590a2d15"]],
      [
        101,
        1,
        [
          "91ae3433fa4bbfe4085551af4d2a38b60c408403abef60865cc498c9590a2d15",
          "4594b4b1a9b8d8bcb67b9d17f7beca40f472ded5732f4e4241e60fcb5f5e0665"
        ]
      ],
      [
        2602,
        2,
        [
          "78d1bbf11fb04ed08790c7b87497880abfe5e7019bbf1f65837da107acc55427",
          "3bb4f51938ff1be51e7038f75019843f741adee4d707ab71db01f8a2abc3f634"
        ]
      ]
    ]
    for (const [count, level, hashes] of cases) {
      const simulator = keys(count)
      drain(simulator)
      const summary = ranges(simulator)[0]?.readsMerkleHashes
      assert.equal(summary?.maxLevel, level)
      assert.equal(summary?.maxDegree, 50)
      assert.deepEqual(summary?.maxLevelHashes.map(toHex), hashes)
    }
  })
  it("say how far they were read (rule 37)", () => {
    const simulator = keys(5)
    drain(simulator, 2)
    drain(simulator, 2) // the same again is left out
    drain(simulator)
    assert.deepEqual(
      ranges(simulator).map((r) => [r.startKey, r.endKey, r.itrExhausted, r.rawReads?.kvReads.length]),
      [
        ["k", "k00001", false, 2],
        ["k", "l", true, 5]
      ]
    )
  })
  it("have no reads when they found nothing (rule 38)", () => {
    const simulator = keys(0)
    drain(simulator)
    assert.deepInclude(ranges(simulator)[0], { endKey: "l", itrExhausted: true, rawReads: undefined })
  })
  it("page with the next key as bookmark (rule 40)", () => {
    const simulator = keys(5)
    const page = simulator.getStateRangePage("mycc", "k", "l", 2)
    assert.equal(page.next()?.key, "k00000")
    assert.equal(page.next()?.key, "k00001")
    assert.equal(page.bookmark(), "k00002")
    assert.equal(
      refusal(() => simulator.setState("mycc", "a", utf8("1"))),
      "txid [tx]: Transaction has already performed a paginated query. Writes are not allowed"
    )
  })
  it("sort by UTF-8 bytes (trap 1)", () => {
    const state = new FakeSnapshot()
    for (const key of ["\u{10000}", "\ufffd", "\u{10fffe}", "z"]) state.put("mycc", key, "v", version(1, 0))
    const simulator = TxSimulator.make(state, "tx")
    const results = simulator.getStateRange("mycc", "", "")
    assert.deepEqual(
      [results.next(), results.next(), results.next(), results.next()].map((kv) => kv?.key),
      ["z", "\ufffd", "\u{10000}", "\u{10fffe}"]
    )
  })
})

describe("modes (rule 30)", () => {
  it("exclude each other", () => {
    const simulator = TxSimulator.make(snapshot(), "tx")
    simulator.setState("mycc", "a", utf8("1"))
    assert.equal(
      refusal(() => simulator.getPrivateDataRange("mycc", "coll1", "", "")),
      "txid [tx]: Queries on pvt data is supported only in a read-only transaction"
    )
    const other = TxSimulator.make(snapshot(), "tx")
    other.getPrivateDataRange("mycc", "coll1", "", "")
    assert.equal(
      refusal(() => other.setPrivateData("mycc", "coll1", "a", utf8("1"))),
      "txid [tx]: Transaction has already performed queries on pvt data. Writes are not allowed"
    )
    assert.equal(
      refusal(() => other.executeQuery("mycc", "{}")),
      "ExecuteQuery not supported for leveldb"
    )
    other.getTxSimulationResults()
    assert.equal(
      refusal(() => other.getTxSimulationResults()),
      "this function should only be called once on a transaction simulator instance"
    )
  })
})
