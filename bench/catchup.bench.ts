/**
 * A new peer catches up with a channel: from its join to the height of the orderer. Run: npm run bench -- catchup
 *
 * Starts a network of ours, fills it, starts a second peer. With BENCH_TARGET the channel of another network is caught
 * up with by the peer at BENCH_NEW_PEER (host:port, BENCH_NEW_PEER_PID): one of its own that has just been started and
 * has not joined yet. BENCH_TRANSACTIONS sets how many transactions a network of ours is filled with.
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { fetchBlock, query, system } from "../src/client/index.js"
import { connect } from "../src/transport/index.js"
import { common } from "../src/wire/index.js"
import { makeSubmitter, measured } from "./support/load.js"
import { cpuPer, Report, rounded, usageOf } from "./support/report.js"
import { amount, openTarget, type Target } from "./support/target.js"

const report = new Report()
const { env } = process

const fill = (target: Target, transactions: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { submit } = yield* makeSubmitter(target)
      const value = randomBytes(50).toString("hex")
      yield* measured(transactions, 128, (i) => submit([...target.put, `f${i}`, value]))
    })
  )

/** The peer that is to catch up: not joined yet. */
const newPeer = (target: Target) =>
  Effect.gen(function* () {
    if (target.own === undefined)
      return {
        address: env.BENCH_NEW_PEER ?? "",
        pid: env.BENCH_NEW_PEER_PID ? Number(env.BENCH_NEW_PEER_PID) : undefined
      }
    const { pid } = yield* target.own.startPeer(1)
    return { address: target.own.addressOf(1), pid }
  })

const program = Effect.gen(function* () {
  const target = yield* openTarget({ peers: 2 })
  if (target.own !== undefined) yield* fill(target, amount("BENCH_TRANSACTIONS", 10_000))
  const { channelId, signer } = target
  const block = (at: "newest" | 0n) =>
    fetchBlock(target.orderer.channel, { channelId, signer, seek: { start: at, stop: at } })
  const genesis = yield* block(0n)
  const last = common.Block.decode(yield* block("newest")).header?.number ?? 0n

  const { address, pid } = yield* newPeer(target)
  const peer = yield* connect(address)
  const before = usageOf(pid)
  const started = performance.now()
  yield* query(peer, { channelId: "", signer, ...system.joinChannel(genesis) })
  const heightOf = Effect.map(query(peer, { channelId, signer, ...system.getChainInfo(channelId) }), ({ payload }) =>
    common.BlockchainInfo.decode(payload)
  )
  yield* heightOf.pipe(
    Effect.filterOrFail(
      ({ height }) => height > last,
      () => new Error("not there yet")
    ),
    Effect.retry(Schedule.spaced("50 millis"))
  )
  const seconds = (performance.now() - started) / 1000
  const after = usageOf(pid)
  const count = target.own === undefined ? Number.NaN : amount("BENCH_TRANSACTIONS", 10_000)
  const blocks = Number(last) + 1
  report.add({
    name: `catch up with ${blocks} blocks`,
    unit: "blocks/s",
    value: Math.round(blocks / seconds),
    txPerSecond: Math.round(count / seconds),
    seconds: rounded(seconds, 2),
    cpuUsPerBlock: cpuPer(blocks, before, after),
    cpuUsPerTx: cpuPer(count, before, after),
    rssMiB: after.rss,
    peakMiB: after.peak,
    target: target.name
  })
})

await Effect.runPromise(Effect.scoped(program))
report.table()
