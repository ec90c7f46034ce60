/** The ledger's metrics under Fabric's names. Source: ledger-privatedata.md 3.L. */
import { ledgerBuckets, type MetricsShape } from "../../runtime/Metrics.js"
import { common, protos } from "../../wire/index.js"
import type { CommittedTx } from "./prepare.js"

/** Seconds that the parts of a commit took. */
export interface CommitTimes {
  /** Validation of the read-write sets and the making of the batch. */
  readonly processing: number
  /** Private data and block on disk. */
  readonly blockAndPvtData: number
  /** The block file alone. */
  readonly block: number
  /** State, history and index in their database. */
  readonly state: number
}

export interface LedgerMetrics {
  readonly height: (height: bigint) => void
  readonly committed: (times: CommitTimes, txs: ReadonlyArray<CommittedTx>) => void
}

/** Declares the metrics once per node; the result makes the handles of a channel. */
export const makeLedgerMetrics = (metrics: MetricsShape): ((channel: string) => LedgerMetrics) => {
  const histogram = (name: string, help: string) =>
    metrics.histogram({ namespace: "ledger", name, help, labelNames: ["channel"], buckets: ledgerBuckets })
  const height = metrics.gauge({
    namespace: "ledger",
    name: "blockchain_height",
    help: "Height of the chain in blocks.",
    labelNames: ["channel"]
  })
  const blockTime = histogram("blockstorage_commit_time", "Time taken in seconds for committing the block to storage.")
  const processing = histogram("block_processing_time", "Time taken in seconds for ledger block processing.")
  const storage = histogram(
    "blockstorage_and_pvtdata_commit_time",
    "Time taken in seconds for committing the block and private data to storage."
  )
  const state = histogram("statedb_commit_time", "Time taken in seconds for committing block changes to state db.")
  const transactions = metrics.counter({
    namespace: "ledger",
    name: "transaction_count",
    help: "Number of transactions processed.",
    labelNames: ["channel", "transaction_type", "chaincode", "validation_code"]
  })
  return (channel) => ({
    height: (blocks) => height.with({ channel }).set(Number(blocks)),
    committed: (times, txs) => {
      blockTime.with({ channel }).observe(times.block)
      processing.with({ channel }).observe(times.processing)
      storage.with({ channel }).observe(times.blockAndPvtData)
      state.with({ channel }).observe(times.state)
      for (const { chaincode, code, type } of txs)
        transactions
          .with({
            channel,
            transaction_type: type < 0 ? "unknown" : (common.HeaderTypeInfo.nameOf(type) ?? String(type)),
            chaincode: chaincode === undefined ? "unknown" : `${chaincode.name}:${chaincode.version}`,
            validation_code: protos.TxValidationCodeInfo.nameOf(code) ?? String(code)
          })
          .add(1)
    }
  })
}
