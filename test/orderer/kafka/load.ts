/** Random load on orderers of one topic, and what must come of it. Not a test. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Bundle } from "../../../src/channelconfig/index.js"
import type { ClientSigner } from "../../../src/client/index.js"
import { type Channel, connect } from "../../../src/transport/index.js"
import { common, orderer } from "../../../src/wire/index.js"
import { lastConfigIndex, sha256, toHex } from "../../../src/wire/protoutil.js"
import { AtomicBroadcast as service } from "../../../src/wire/services.js"
import { broadcastOne, deliverAll, message, seekMessage, signerOf } from "../support/node.js"
import { batchUpdate } from "./support.js"
import { dump } from "./topic.js"

export const hashOf = (envelope: Uint8Array): string => toHex(sha256(envelope))

/** Numbers that look random and are the same for one seed. */
export const randomOf = (seed: number) => {
  let state = seed >>> 0
  return (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

export interface Load {
  readonly channelId: string
  readonly signer: ClientSigner
  readonly acknowledged: Set<string>
  readonly random: (below: number) => number
  sent: number
  stopped: boolean
}

export const makeLoad = (channelId: string, seed: number) =>
  Effect.map(
    signerOf("ordererAdmin"),
    (signer): Load => ({
      channelId,
      signer,
      acknowledged: new Set(),
      random: randomOf(seed),
      sent: 0,
      stopped: false
    })
  )

/** One stream's life: sends with up to 20 in flight, until it breaks or the load is stopped and all is answered. */
const stream = (load: Load, client: Channel) =>
  Effect.scoped(
    Effect.gen(function* () {
      const bidi = yield* client.bidi(service.methods.Broadcast)
      const waiting: Array<string> = []
      const push = Effect.suspend(() => {
        const size = 10 + load.random(2000)
        const bytes = message(load.signer, load.channelId, `${load.sent++} ${"x".repeat(size)}`)
        waiting.push(hashOf(bytes))
        return bidi.send(bytes)
      })
      for (let i = 0; i < 20; i++) yield* push
      while (waiting.length > 0) {
        const answer = yield* bidi.next
        const hash = waiting.shift()
        if (answer === undefined || hash === undefined) return
        if (orderer.BroadcastResponse.decode(answer).status !== common.Status.SUCCESS) return
        load.acknowledged.add(hash)
        if (!load.stopped) yield* push
      }
    })
  ).pipe(Effect.ignore)

/** Streams to an address until the load is stopped; a broken one is followed by another. */
export const sendTo = (load: Load, address: () => string, streams: number) =>
  Effect.all(
    Array.from({ length: streams }, () =>
      Effect.gen(function* () {
        while (!load.stopped) {
          yield* Effect.scoped(Effect.flatMap(connect(address()), (client) => stream(load, client))).pipe(Effect.ignore)
          yield* Effect.sleep("50 millis")
        }
      })
    ),
    { concurrency: "unbounded", discard: true }
  )

/** Blocks from a number on, as they are now. */
export const deliveredFrom = (client: Channel, channelId: string, from: bigint | "newest") =>
  Effect.gen(function* () {
    const reader = yield* signerOf("ordererAdmin")
    const { blocks } = yield* deliverAll(client, seekMessage(reader, channelId, from, "newest", { bestEffort: true }))
    return blocks.map((bytes) => common.Block.decode(bytes))
  })

/** The config in force according to a node's newest block. */
const bundleAt = (client: Channel, channelId: string) =>
  Effect.gen(function* () {
    const [newest] = yield* deliveredFrom(client, channelId, "newest")
    const index = newest === undefined ? 0n : newest.header?.number === 0n ? 0n : lastConfigIndex(newest)
    const [block] = yield* deliveredFrom(client, channelId, index)
    return Either.getOrThrow(Bundle.fromBlock(block ?? common.Block.create()))
  })

/** Changes the batch size now and then, through any of the addresses, until the load is stopped. */
export const updateNowAndThen = (load: Load, addresses: () => ReadonlyArray<string>, pauseMs: number) =>
  Effect.gen(function* () {
    let updates = 0
    while (!load.stopped) {
      yield* Effect.sleep(pauseMs)
      const all = addresses()
      const address = all[load.random(all.length)] ?? ""
      const updated = Effect.scoped(
        Effect.gen(function* () {
          const client = yield* connect(address)
          const bundle = yield* bundleAt(client, load.channelId)
          const count = bundle.orderer?.batchSize.maxMessageCount ?? 0
          // 5 to 44, never what it is now
          const update = yield* batchUpdate(bundle, 5 + ((count - 4 + load.random(39)) % 40))
          return yield* broadcastOne(client, update)
        })
      )
      const answer = yield* Effect.either(updated)
      if (Either.isRight(answer) && answer.right?.status === 200) updates += 1
    }
    return updates
  })

/** Waits until so many more messages have been acknowledged. */
export const untilAcknowledged = (load: Load, more: number) => {
  const target = load.acknowledged.size + more
  const wait: Effect.Effect<void> = Effect.suspend(() =>
    load.acknowledged.size >= target ? Effect.void : Effect.delay(wait, "20 millis")
  )
  return wait
}

const { LAST_CONFIG, ORDERER, TRANSACTIONS_FILTER } = common.BlockMetadataIndex

/** What is the same on all orderers, whatever restarts there were; `exact`: without any (3.8, "Identity between orderers"). */
const comparable = ({ data, header, metadata }: common.Block, exact: boolean) => {
  const slot = (index: number) => metadata?.metadata[index] ?? new Uint8Array()
  const { lastOffsetPersisted, lastOriginalOffsetProcessed } = orderer.KafkaMetadata.decode(
    common.Metadata.decode(slot(ORDERER)).value
  )
  return {
    number: header?.number,
    header: [header?.previousHash, header?.dataHash].map((hash) => toHex(hash ?? new Uint8Array())),
    data: data?.data.map(hashOf),
    slots: [LAST_CONFIG, TRANSACTIONS_FILTER].map((index) => toHex(slot(index))),
    offsets: exact ? toHex(slot(ORDERER)) : [lastOffsetPersisted, lastOriginalOffsetProcessed]
  }
}

/** Reads a node's chain until it holds all messages, or does not grow for a while. */
const chainWith = (client: Channel, channelId: string, all: ReadonlySet<string>) =>
  Effect.gen(function* () {
    const blocks: Array<common.Block> = []
    const missing = new Set(all)
    for (let quiet = 0; missing.size > 0 && quiet < 150; quiet++) {
      for (const block of yield* deliveredFrom(client, channelId, BigInt(Math.max(blocks.length - 1, 0)))) {
        if (Number(block.header?.number) !== blocks.length) continue
        blocks.push(block)
        for (const entry of block.data?.data ?? []) missing.delete(hashOf(entry))
        quiet = 0
      }
      if (missing.size > 0) yield* Effect.sleep("20 millis")
    }
    return blocks
  })

export interface Outcome {
  /** Block numbers in which two nodes differ. */
  readonly different: ReadonlyArray<number>
  readonly missing: ReadonlyArray<string>
  /**
   * Messages that are in the chain more often than in the topic, but those that were posted again after a config update:
   * the protocol allows these (trap 8).
   */
  readonly doubled: ReadonlyArray<string>
  /** Messages that are in the topic more often than once: a post whose answer was lost is tried again. */
  readonly repeated: number
  readonly acknowledged: number
  readonly blocks: number
  readonly configBlocks: number
  readonly resubmitted: number
}

/** Ends the load and judges the chains of all nodes, which must be there. */
export const judge = (load: Load, addresses: ReadonlyArray<string>, broker: string, exact = false) =>
  Effect.scoped(
    Effect.gen(function* () {
      const clients = yield* Effect.forEach(addresses, (address) => connect(address))
      const last = message(load.signer, load.channelId, "the last message")
      const [first] = clients
      if (first === undefined) return yield* Effect.die(new Error("no nodes"))
      yield* Effect.repeat(broadcastOne(first, last), { until: (answer) => answer?.status === 200 })
      load.acknowledged.add(hashOf(last))
      const chains = yield* Effect.forEach(clients, (client) => chainWith(client, load.channelId, load.acknowledged))
      const [model = [], ...others] = chains.map((blocks) => blocks.map((block) => comparable(block, exact)))
      const different = others.flatMap((blocks) =>
        // one may have a block more by now: messages posted again come behind the last
        model
          .slice(0, blocks.length)
          .flatMap((block, i) => (JSON.stringify(block, text) === JSON.stringify(blocks[i], text) ? [] : [i]))
      )
      const seen = new Map<string, number>()
      for (const { data } of model) for (const hash of data ?? []) seen.set(hash, (seen.get(hash) ?? 0) + 1)
      const again = new Set<string>()
      const posted = new Map<string, number>()
      for (const { message: record } of yield* dump(broker, load.channelId)) {
        if (record.regular === undefined) continue
        const hash = hashOf(record.regular.payload)
        if (record.regular.originalOffset !== 0n) again.add(hash)
        else posted.set(hash, (posted.get(hash) ?? 0) + 1)
      }
      return {
        different,
        missing: [...load.acknowledged].filter((hash) => !seen.has(hash)),
        doubled: [...seen]
          .filter(([hash, times]) => times > Math.max(posted.get(hash) ?? 0, 1) && !again.has(hash)) // block 0 is in no topic
          .map(([hash]) => hash),
        repeated: [...posted.values()].filter((times) => times > 1).length,
        acknowledged: load.acknowledged.size,
        blocks: model.length,
        configBlocks: new Set(model.map(({ slots }) => slots[0])).size - 1,
        resubmitted: again.size
      } satisfies Outcome
    })
  )

const text = (_key: string, value: unknown) => (typeof value === "bigint" ? String(value) : value)
