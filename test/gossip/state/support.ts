/** A state provider on a fake core over a commit line that keeps blocks in memory. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as PubSub from "effect/PubSub"
import { Bundle } from "../../../src/channelconfig/index.js"
import { BlockRefused, type CommitPipeline, isConfigBlock, type VouchedBlock } from "../../../src/commit/index.js"
import type { StateSettings } from "../../../src/gossip/settings.js"
import { makeStateProvider, type StateProvider, type StateSupport } from "../../../src/gossip/state/index.js"
import type { Committed, TxPvtData } from "../../../src/ledger/index.js"
import { common, gossip } from "../../../src/wire/index.js"
import { type FakeNode, lenient } from "../fakes.js"

export const CHANNEL = "ch"

/** A block of one transaction with that content. */
export const block = (number: bigint, { config = false, size = 10 } = {}): Uint8Array => {
  const channelHeader = common.ChannelHeader.encode(
    common.ChannelHeader.create({
      type: config ? common.HeaderType.CONFIG : common.HeaderType.ENDORSER_TRANSACTION,
      channelId: CHANNEL
    })
  )
  const payload = common.Payload.encode(
    common.Payload.create({ header: common.Header.create({ channelHeader }), data: new Uint8Array(size) })
  )
  return common.Block.encode(
    common.Block.create({
      header: common.BlockHeader.create({ number }),
      data: common.BlockData.create({ data: [common.Envelope.encode(common.Envelope.create({ payload }))] })
    })
  )
}

export const settings: StateSettings = {
  enabled: true,
  checkIntervalMs: 20,
  responseTimeoutMs: 100,
  batchSize: 10,
  blockBufferSize: 5,
  maxRetries: 3,
  channelSize: 100,
  nonBlockingCommitMode: false
}

export interface Line {
  readonly line: CommitPipeline
  readonly blocks: Array<Uint8Array>
  readonly privateData: Map<bigint, TxPvtData>
  /** Numbers of blocks that are refused once. */
  readonly refuse: Set<bigint>
  /** Commits wait for it while it is not done. */
  gate: Deferred.Deferred<void>
}

/** Whose configuration it is does not matter here. */
const bundle = Either.getOrThrow(
  Bundle.fromBlock(common.Block.decode(readFileSync(join("test", "vectors", "chain-a", "blocks", "000000.block"))))
)

export const makeLine: Effect.Effect<Line> = Effect.gen(function* () {
  const commits = yield* PubSub.unbounded<Committed>()
  const open = yield* Deferred.make<void>()
  yield* Deferred.succeed(open, undefined)
  const blocks: Array<Uint8Array> = [block(0n)]
  const refuse = new Set<bigint>()
  const privateData = new Map<bigint, TxPvtData>()
  const self: Line = {
    blocks,
    refuse,
    privateData,
    gate: open,
    line: {
      next: () => BigInt(blocks.length),
      submit: (given, received) =>
        Effect.gen(function* () {
          const bytes = given instanceof Uint8Array ? given : given.bytes
          const number = BigInt(blocks.length)
          const claimed = common.Block.decode(bytes).header?.number
          if (claimed !== number || refuse.delete(number))
            return yield* new BlockRefused({ channel: CHANNEL, block: claimed, reason: `expected ${number}` })
          yield* Deferred.await(self.gate)
          blocks.push(bytes)
          if (received !== undefined) privateData.set(number, received)
          yield* PubSub.publish(commits, {
            number,
            block: bytes,
            codes: new Uint8Array(1),
            txs: [],
            commitHash: undefined,
            updatedChaincodes: []
          })
        }),
      verify: (bytes) =>
        Effect.suspend(() => {
          const decoded = common.Block.decode(bytes)
          const number = decoded.header?.number ?? 0n
          if (Buffer.from(bytes).includes("forged"))
            return new BlockRefused({ channel: CHANNEL, block: number, reason: "forged" })
          return Effect.succeed<VouchedBlock>({
            _tag: "Vouched",
            number,
            bytes,
            block: decoded,
            config: isConfigBlock(decoded),
            bundle
          })
        }),
      commits: PubSub.subscribe(commits),
      reached: () => Effect.void,
      failure: Effect.never
    }
  }
  return self
})

export interface Running extends Line {
  readonly state: StateProvider
}

export const start = (node: FakeNode, over: Partial<StateSupport> = {}) =>
  Effect.gen(function* () {
    const made = yield* makeLine
    const state = yield* makeStateProvider({
      channelId: CHANNEL,
      gossip: node.gossip,
      security: lenient((bytes) => (Buffer.from(bytes).includes("forged") ? "forged" : undefined)),
      settings,
      metrics: { height: () => {}, committed: () => {}, bufferSize: () => {} },
      line: made.line,
      height: () => BigInt(made.blocks.length),
      payloadFor: (number) =>
        Effect.suspend(() => {
          const data = made.blocks[Number(number)]
          return data === undefined
            ? Effect.fail({ message: "no such block" })
            : Effect.succeed(gossip.Payload.create({ seqNum: number, data }))
        }),
      persist: () => Effect.void,
      random: () => 0.5,
      ...over
    })
    return Object.assign(made, { state })
  })

/** Waits until `holds`, without limit of its own. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.zipRight(Effect.sleep(5), until(holds))))
