/** Handing envelopes to an orderer. */
import * as Effect from "effect/Effect"
import type { Channel, GrpcFailure } from "../transport/index.js"
import { common, orderer } from "../wire/index.js"
import { AtomicBroadcast } from "../wire/services.js"
import { AnswerMalformed, BroadcastRefused } from "./errors.js"

/**
 * Sends one envelope and waits for its status. SUCCESS means taken in, not yet in a block. The orderer closes a stream
 * after every refusal, so each call has a stream of its own.
 */
export const broadcast = (
  channel: Channel,
  envelope: Uint8Array
): Effect.Effect<void, GrpcFailure | AnswerMalformed | BroadcastRefused> =>
  Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* channel.bidi(AtomicBroadcast.methods.Broadcast)
      yield* stream.send(envelope)
      const bytes = yield* stream.next
      if (bytes === undefined)
        return yield* new AnswerMalformed({ address: channel.address, reason: "the stream ended without a status" })
      const { info, status } = yield* Effect.try({
        try: () => orderer.BroadcastResponse.decode(bytes),
        catch: (error) => new AnswerMalformed({ address: channel.address, reason: String(error) })
      })
      yield* stream.end
      if (status !== common.Status.SUCCESS) return yield* new BroadcastRefused({ status, info })
    })
  )
