/** The client's side of a load: proposals, ordered broadcast over streams that stay open, commits seen in blocks. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  type Answer,
  filteredBlocks,
  forever,
  makeProposal,
  makeTransaction,
  moment,
  sendProposal
} from "../../src/client/index.js"
import { common, orderer } from "../../src/wire/index.js"
import { AtomicBroadcast } from "../../src/wire/services.js"
import type { Target } from "./target.js"

/** Runs `count` operations with so many at a time; milliseconds of each, and seconds of all. */
export const measured = <E, R>(
  count: number,
  atATime: number,
  operation: (index: number) => Effect.Effect<unknown, E, R>
): Effect.Effect<{ readonly seconds: number; readonly latencies: ReadonlyArray<number> }, E, R> =>
  Effect.gen(function* () {
    const latencies: Array<number> = []
    const started = performance.now()
    let next = 0
    const worker: Effect.Effect<void, E, R> = Effect.suspend(() => {
      if (next >= count) return Effect.void
      const index = next++
      const from = performance.now()
      return Effect.zipRight(
        Effect.tap(operation(index), () => Effect.sync(() => latencies.push(performance.now() - from))),
        worker
      )
    })
    yield* Effect.all(
      Array.from({ length: atATime }, () => worker),
      { concurrency: "unbounded", discard: true }
    )
    return { seconds: (performance.now() - started) / 1000, latencies }
  })

/** A chaincode call endorsed by every peer of the target. */
export const endorsed = (target: Target, args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { chaincode, channelId, signer } = target
    const proposal = makeProposal({ channelId, chaincode, args, signer, ...(yield* moment) })
    const answers: Array<Answer> = []
    for (const { channel } of target.peers) answers.push(yield* sendProposal(channel, proposal))
    for (const { response } of answers)
      if (response.response?.status !== 200)
        return yield* Effect.fail(new Error(`endorsement refused: ${response.response?.message}`))
    return { proposal, answers }
  })

/** Hands envelopes over, each answered in its turn. */
const broadcaster = (target: Target) =>
  Effect.gen(function* () {
    const stream = yield* target.orderer.channel.bidi(AtomicBroadcast.methods.Broadcast)
    const waiting: Array<(status: number) => void> = []
    yield* Effect.gen(function* () {
      for (;;) {
        const bytes = yield* stream.next
        if (bytes === undefined) return
        waiting.shift()?.(orderer.BroadcastResponse.decode(bytes).status)
      }
    }).pipe(Effect.ignore, Effect.forkScoped)
    return (envelope: Uint8Array) =>
      Effect.gen(function* () {
        const answer = new Promise<number>((resolve) => waiting.push(resolve))
        yield* stream.send(envelope)
        const status = yield* Effect.promise(() => answer)
        if (status !== common.Status.SUCCESS) return yield* Effect.fail(new Error(`broadcast: ${status}`))
      })
  })

export interface Submitter {
  /** One transaction from proposal to the block that the first peer has committed; gives its validation code. */
  readonly submit: (args: ReadonlyArray<string>) => Effect.Effect<number, unknown>
}

/** A client with so many broadcast streams that follows the first peer's blocks. */
export const makeSubmitter = (target: Target, streams = 4): Effect.Effect<Submitter, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const made = yield* Effect.forEach(Array.from({ length: streams }), () => broadcaster(target))
    let turn = 0
    const [first] = target.peers
    if (first === undefined) return yield* Effect.fail(new Error("no peer"))
    const waiting = new Map<string, (code: number) => void>()
    const { channelId, signer } = target
    const blocks = yield* filteredBlocks(first.channel, { channelId, signer, seek: { start: "newest", stop: forever } })
    yield* blocks.next
    yield* Effect.gen(function* () {
      for (;;) {
        const block = yield* blocks.next
        for (const { txid, txValidationCode } of block?.filteredTransactions ?? [])
          waiting.get(txid)?.(txValidationCode)
      }
    }).pipe(Effect.ignore, Effect.forkScoped)
    return {
      submit: (args) =>
        Effect.gen(function* () {
          const { answers, proposal } = yield* endorsed(target, args)
          const envelope = yield* makeTransaction(proposal, answers, signer)
          const committed = new Promise<number>((resolve) => waiting.set(proposal.txId, resolve))
          const send = made[turn++ % made.length]
          if (send === undefined) return yield* Effect.fail(new Error("no stream"))
          yield* send(envelope)
          const code = yield* Effect.promise(() => committed)
          waiting.delete(proposal.txId)
          return code
        })
    }
  })
