/**
 * Stages 11 and 20: a node without ledgers gets the system channel's, with the bootstrap block; a node with ledgers must
 * have been bootstrapped from the same system channel. The reference crashes where this says what does not fit.
 * Source: orderer.md section 1; orderer/common/server/main.go (extractSysChanLastConfig, initializeBootstrapChannel).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BlockStoreProvider } from "../../ledger/blockstore/index.js"
import * as Log from "../../runtime/Log.js"
import { common } from "../../wire/index.js"
import { blockHeaderHash, equalBytes, toHex } from "../../wire/protoutil.js"
import { hashOfBlock } from "../multichannel/BlockWriter.js"
import { configBlockOf } from "../multichannel/ChainSupport.js"
import { BootstrapBlock, type BootstrapBlockShape } from "./BootstrapBlock.js"
import { StartFailed, textOf } from "./errors.js"

const log = Log.module("orderer.common.server")

/** The system channel's ledger is there and has its first block. */
export class SystemLedger extends Context.Tag("orderer/stages/SystemLedger")<
  SystemLedger,
  { readonly channelId: string }
>() {}

const failed = (what: string) => (cause: unknown) => new StartFailed({ detail: `${what}: ${textOf(cause)}`, cause })

const bootstrap = ({ block, bundle }: BootstrapBlockShape) =>
  Effect.gen(function* () {
    const ledgers = yield* BlockStoreProvider
    const store = yield* Effect.mapError(
      ledgers.getOrCreate(bundle.channelId),
      failed("Failed to create the system channel")
    )
    yield* Effect.mapError(store.append(common.Block.encode(block)), failed("Could not write genesis block to ledger"))
  })

const check = ({ block, bundle }: BootstrapBlockShape, existing: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { channelId } = bundle
    if (!existing.includes(channelId)) {
      return yield* new StartFailed({
        detail: `the bootstrap block is of channel ${channelId}, but the ledgers here are of ${existing.join(", ")}`
      })
    }
    const store = yield* Effect.mapError(
      (yield* BlockStoreProvider).getOrCreate(channelId),
      failed("Failed getting system channel ledger")
    )
    const first = yield* Effect.mapError(store.get(0n), failed("Failed getting system channel ledger"))
    const header = block.header ?? common.BlockHeader.create()
    // a later config block of the same chain is a bootstrap block too; only another first block can be told apart
    if (header.number === 0n && !equalBytes(hashOfBlock(first), blockHeaderHash(header))) {
      return yield* new StartFailed({
        detail: `the bootstrap block of channel ${channelId} (hash ${toHex(blockHeaderHash(header))}) is not the first block of its ledger (hash ${toHex(hashOfBlock(first))})`
      })
    }
    const config = yield* Effect.mapError(configBlockOf(channelId, store), failed("Failed reading system channel"))
    yield* log.info(
      `System channel: name=${channelId}, height=${store.height()}, last config block number=${config.header?.number ?? 0n}`
    )
  })

export const layer: Layer.Layer<SystemLedger, StartFailed, BlockStoreProvider | BootstrapBlock> = Layer.effect(
  SystemLedger,
  Effect.gen(function* () {
    const bootstrapBlock = yield* BootstrapBlock
    const { channelId } = bootstrapBlock.bundle
    const ledgers = yield* BlockStoreProvider
    const named = yield* Effect.mapError(ledgers.list, failed("Failed listing the ledgers"))
    // a kill between making a ledger and its first block leaves it empty: as if it were not there
    const existing: Array<string> = []
    for (const id of named) {
      const store = yield* Effect.mapError(ledgers.getOrCreate(id), failed(`Failed opening the ledger of ${id}`))
      if (store.height() > 0n) existing.push(id)
    }
    if (existing.length === 0) {
      yield* log.info("Bootstrapping because no existing channels")
      yield* bootstrap(bootstrapBlock)
    } else {
      yield* log.info(`Not bootstrapping because of ${existing.length} existing channels`)
      yield* check(bootstrapBlock, existing)
    }
    return { channelId }
  })
)
