/**
 * Resident memory of orderer, peer and chaincode: idle, and after each of several rounds of transactions; a node that
 * leaks shows here. Run: npm run bench -- memory. BENCH_TARGET measures another network (see support/target.ts);
 * BENCH_ROUNDS and BENCH_INVOKES set how many rounds of how many transactions.
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import { makeSubmitter, measured } from "./support/load.js"
import { Report, usageOf } from "./support/report.js"
import { amount, openTarget, type Target } from "./support/target.js"

const report = new Report()
const rounds = amount("BENCH_ROUNDS", 5)
const invokes = amount("BENCH_INVOKES", 4000)

const look = ({ name, orderer, peers: [peer] }: Target, what: string): void => {
  const [ofOrderer, ofPeer, ofChaincode] = [orderer.pid, peer?.pid, peer?.chaincodePid].map(usageOf)
  report.add({
    name: what,
    unit: "MiB",
    value: ofPeer?.rss ?? Number.NaN,
    peerPeakMiB: ofPeer?.peak,
    ordererMiB: ofOrderer?.rss,
    ordererPeakMiB: ofOrderer?.peak,
    chaincodeMiB: ofChaincode?.rss,
    target: name
  })
}

const program = Effect.gen(function* () {
  const target = yield* openTarget()
  look(target, "peer, idle")
  const { submit } = yield* makeSubmitter(target)
  const run = randomBytes(4).toString("hex")
  const value = randomBytes(50).toString("hex")
  for (let round = 1; round <= rounds; round++) {
    yield* measured(invokes, 128, (i) => submit([...target.put, `m${run}${round}-${i}`, value]))
    look(target, `peer, after ${round * invokes} transactions`)
  }
  yield* Effect.sleep("10 seconds")
  look(target, "peer, ten seconds later")
})

await Effect.runPromise(Effect.scoped(program))
report.table()
