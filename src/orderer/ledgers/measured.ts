/**
 * The orderer's ledgers with their metrics under Fabric's names: height from the opening on, time of each append.
 * Source: operations-cli.md 3.2; common/ledger/blkstorage/fsblkstorage/metrics.go.
 */
import * as Effect from "effect/Effect"
import type { BlockStoreProviderShape, BlockStoreShape } from "../../ledger/blockstore/index.js"
import { ledgerBuckets, type MetricsShape } from "../../runtime/Metrics.js"

/** Declares them in a node's registry; call once per node. */
export const measured = (ledgers: BlockStoreProviderShape, metrics: MetricsShape): BlockStoreProviderShape => {
  const labelNames = ["channel"] as const
  const heights = metrics.gauge({
    namespace: "ledger",
    name: "blockchain_height",
    help: "Height of the chain in blocks.",
    labelNames
  })
  const times = metrics.histogram({
    namespace: "ledger",
    name: "blockstorage_commit_time",
    help: "Time taken in seconds for committing the block to storage.",
    labelNames,
    buckets: ledgerBuckets
  })
  const stores = new Map<string, BlockStoreShape>()
  const wrap = (channel: string, store: BlockStoreShape): BlockStoreShape => {
    const [height, time] = [heights.with({ channel }), times.with({ channel })]
    const tell = () => height.set(Number(store.height()))
    tell()
    return {
      ...store,
      append: (block) =>
        Effect.suspend(() => {
          const started = performance.now()
          return Effect.tap(store.append(block), () =>
            Effect.sync(() => {
              time.observe((performance.now() - started) / 1000)
              tell()
            })
          )
        })
    }
  }
  return {
    ...ledgers,
    getOrCreate: (channel) =>
      Effect.map(ledgers.getOrCreate(channel), (store) => {
        const known = stores.get(channel)
        if (known !== undefined) return known
        const made = wrap(channel, store)
        stores.set(channel, made)
        return made
      })
  }
}
