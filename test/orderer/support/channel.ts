/** One channel without network and disk: a ledger in memory, real processors, writer and solo. Not a test. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as TestClock from "effect/TestClock"
import { Bundle } from "../../../src/channelconfig/index.js"
import { makeMemory } from "../../../src/ledger/blockstore/index.js"
import { loadLocalMsp } from "../../../src/msp/index.js"
import type { Ordering } from "../../../src/orderer/consensus/Chain.js"
import { soloConsenter } from "../../../src/orderer/consensus/solo/SoloChain.js"
import { type Message, readMessage } from "../../../src/orderer/msgprocessor/Message.js"
import { makeChainSupport } from "../../../src/orderer/multichannel/ChainSupport.js"
import { breathe } from "../../../src/runtime/breathe.js"
import { common } from "../../../src/wire/index.js"
import { chainA, msps, textsOf } from "./node.js"

export const blockFile = (name: string) => fs.readFileSync(path.join(chainA, name))

export const opened = (bytes: Uint8Array): Message => Either.getOrThrow(readMessage(bytes))

/** A time at which the recorded certificates hold. */
export const recordedAt = Date.parse("2026-12-01T00:00:00Z")

/** A channel on a first block: `mychannel` unless another is given. */
export const makeChannel = (options: { readonly block?: Uint8Array; readonly checkExpiration?: boolean } = {}) =>
  Effect.gen(function* () {
    const { block = blockFile("orderer/blocks/000000.block"), checkExpiration = false } = options
    yield* TestClock.setTime(recordedAt)
    const bundle = Either.getOrThrow(Bundle.fromBlock(common.Block.decode(block)))
    const ledger = makeMemory(bundle.channelId)
    yield* ledger.append(block)
    const { signer } = yield* loadLocalMsp({
      dir: path.join(chainA, "crypto-config", msps.orderer),
      mspId: "OrdererMSP"
    })
    const clock = yield* Effect.clock
    let channels = 1
    const created: Array<common.Envelope> = []
    const filled: Array<number> = []
    const support = yield* makeChainSupport({
      ledger,
      bundle,
      signing: { signer, nonce: () => new Uint8Array(24), now: () => clock.unsafeCurrentTimeMillis() },
      checkExpiration,
      consenters: new Map([["solo", soloConsenter]]),
      cutterMetrics: () => ({ filled: (seconds) => void filled.push(seconds) }),
      actors: [],
      channelCount: () => channels,
      createChannel: (envelope) =>
        Effect.sync(() => {
          created.push(envelope)
          channels += 1
        })
    })
    yield* support.chain.start
    const settle = Effect.gen(function* () {
      for (let i = 0; i < 5; i++) yield* breathe
    })
    return {
      ...support,
      created,
      filled,
      current: () => support.bundles.current(),
      /** Everything that can happen at this time has happened. */
      settle,
      order: (...messages: ReadonlyArray<Ordering>) => Effect.zipRight(support.chain.order(messages), settle),
      /** Sends an update as Broadcast does. */
      update: (bytes: Uint8Array) =>
        Effect.gen(function* () {
          const processed = yield* support.processor.processConfigUpdate(opened(bytes))
          yield* support.chain.configure(processed)
          yield* settle
          return processed
        }),
      /** Messages of each block after the first. */
      blocks: Effect.suspend(() =>
        Effect.forEach(Array.from({ length: Number(ledger.height()) - 1 }), (_, i) =>
          Effect.map(ledger.get(BigInt(i + 1)), (bytes) => common.Block.decode(bytes))
        )
      ),
      texts: Effect.suspend(() =>
        Effect.forEach(Array.from({ length: Number(ledger.height()) - 1 }), (_, i) =>
          Effect.map(ledger.get(BigInt(i + 1)), (bytes) => textsOf([bytes]).map((text) => text.slice(0, 20)))
        )
      )
    }
  })
