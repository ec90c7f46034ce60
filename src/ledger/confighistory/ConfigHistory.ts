/**
 * Collection configurations by the block that committed them: what reconciliation and pull requests ask, since they ask
 * about the past.
 * Source: ledger-privatedata.md rule 96, trap 25; core/ledger/confighistory.
 */
import * as Data from "effect/Data"
import { common } from "../../wire/index.js"
import type { Batch, Environment, Table } from "../lmdb/index.js"

export const configHistoryTables = { configHistory: "confighistory" } as const

export interface CollectionConfigInfo {
  readonly config: common.CollectionConfigPackage
  /** Block that committed it. */
  readonly committingBlock: bigint
}

export class ConfigNotYetAvailable extends Data.TaggedError("ConfigNotYetAvailable")<{
  readonly maxCommitted: bigint
  readonly requested: bigint
}> {
  override get message() {
    return `The maximum block number committed [${this.maxCommitted}] is less than the requested block number [${this.requested}]`
  }
}

const highest = 0xffff_ffff_ffff_ffffn

/** `length || chaincode || inverted block`: newest first, and no search runs into another chaincode's entries. */
const keyOf = (chaincode: string, block: bigint): Buffer => {
  const name = Buffer.from(chaincode)
  const key = Buffer.allocUnsafe(4 + name.length + 8)
  key.writeUInt32BE(name.length, 0)
  key.set(name, 4)
  key.writeBigUInt64BE(highest - block, 4 + name.length)
  return key
}

export class ConfigHistory {
  private readonly table: Table

  constructor(
    private readonly environment: Environment,
    private readonly height: () => bigint
  ) {
    this.table = environment.table(configHistoryTables.configHistory)
  }

  put(batch: Batch, chaincode: string, block: bigint, config: Uint8Array): void {
    batch.put(this.table, keyOf(chaincode, block), config)
  }

  clear(batch: Batch): void {
    batch.clear(this.table)
  }

  /** The newest configuration that was committed before `block`; `block` must be above 0. */
  mostRecentBelow(block: bigint, chaincode: string): CollectionConfigInfo | undefined {
    if (block <= 0n) throw new RangeError(`block [${block}] should be greater than zero`)
    const snapshot = this.environment.snapshot()
    try {
      const cursor = snapshot.range(this.table, keyOf(chaincode, block - 1n), end(chaincode))
      const entry = cursor.next()
      if (entry === undefined) return undefined
      const committingBlock = highest - Buffer.from(entry.key).readBigUInt64BE(entry.key.length - 8)
      return { config: common.CollectionConfigPackage.decode(entry.value), committingBlock }
    } finally {
      snapshot.close()
    }
  }

  /** The configuration that exactly this block committed. @throws ConfigNotYetAvailable */
  at(block: bigint, chaincode: string): CollectionConfigInfo | undefined {
    const maxCommitted = this.height() - 1n
    if (maxCommitted < block) throw new ConfigNotYetAvailable({ maxCommitted, requested: block })
    const bytes = this.environment.get(this.table, keyOf(chaincode, block))
    return bytes === undefined
      ? undefined
      : { config: common.CollectionConfigPackage.decode(bytes), committingBlock: block }
  }
}

/** Behind the oldest entry of a chaincode. */
const end = (chaincode: string): Buffer => Buffer.concat([keyOf(chaincode, 0n), Buffer.from([0])])
