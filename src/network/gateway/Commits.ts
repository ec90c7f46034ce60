/**
 * What became of transactions: one stream of filtered blocks from a peer, shared by all who wait. It is opened for the
 * first who waits and again after it broke.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import { filteredBlocks, forever } from "../../client/index.js"
import type { Signer } from "../../msp/index.js"
import type { Channel } from "../../transport/index.js"
import type { protos } from "../../wire/index.js"
import type { StepFailed } from "../errors.js"
import { failing } from "./failing.js"

/** A transaction's place and the verdict on it. */
export interface Committed {
  readonly block: bigint
  /** `protos.TxValidationCode`. */
  readonly code: number
}

export interface Commits {
  /**
   * Ready once blocks are watched: give the transaction to the orderer after that. The effect inside waits for the
   * transaction's block; its registration ends with the scope.
   */
  readonly expect: (txId: string) => Effect.Effect<Effect.Effect<Committed, StepFailed>, StepFailed, Scope.Scope>
}

export interface FollowOptions {
  readonly channelId: string
  readonly signer: Effect.Effect<Signer, StepFailed>
  readonly peer: Effect.Effect<Channel, StepFailed>
}

/** Tells `show` of every block that the peer commits from now on; `ready` runs once nothing can be missed. */
export const follow = (
  { channelId, peer, signer }: FollowOptions,
  show: (block: protos.FilteredBlock) => Effect.Effect<void>,
  ready: Effect.Effect<unknown> = Effect.void
): Effect.Effect<never, StepFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const events = yield* filteredBlocks(yield* peer, {
        channelId,
        signer: yield* signer,
        seek: { start: "newest", stop: forever }
      })
      yield* events.next // the newest is there already
      yield* ready
      for (;;) {
        const block = yield* events.next
        if (block !== undefined) yield* show(block)
      }
    })
  ).pipe(failing("follow blocks"))

/** In: the scope in which the stream lives. */
export const makeCommits = (options: FollowOptions, scope: Scope.Scope): Commits => {
  const waiting = new Map<string, Deferred.Deferred<Committed, StepFailed>>()
  let watched: Deferred.Deferred<void, StepFailed> | undefined

  const show = (block: protos.FilteredBlock) =>
    Effect.forEach(
      block.filteredTransactions,
      ({ txid, txValidationCode: code }) => {
        const waiter = waiting.get(txid)
        return waiter === undefined ? Effect.void : Deferred.succeed(waiter, { block: block.number, code })
      },
      { discard: true }
    )

  /** Starts the stream; when it breaks, all who wait are told and the next one starts another. */
  const watch = Effect.suspend(() => {
    if (watched !== undefined) return Deferred.await(watched)
    const ready = Deferred.unsafeMake<void, StepFailed>(FiberId.none)
    watched = ready
    return follow(options, show, Deferred.succeed(ready, undefined)).pipe(
      Effect.onExit((exit) =>
        Effect.gen(function* () {
          watched = undefined
          const over = Exit.isFailure(exit) ? Exit.failCause(exit.cause) : Exit.interrupt(yield* Effect.fiberId)
          yield* Deferred.done(ready, over)
          yield* Effect.forEach(waiting.values(), (waiter) => Deferred.done(waiter, over), { discard: true })
        })
      ),
      Effect.ignore,
      Effect.forkIn(scope),
      Effect.zipRight(Deferred.await(ready))
    )
  })

  return {
    expect: (txId) =>
      Effect.gen(function* () {
        const waiter = yield* Deferred.make<Committed, StepFailed>()
        yield* Effect.acquireRelease(
          Effect.sync(() => waiting.set(txId, waiter)),
          () => Effect.sync(() => waiting.delete(txId))
        )
        yield* watch
        return Deferred.await(waiter)
      })
  }
}
