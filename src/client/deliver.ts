/** Reading blocks from an orderer or a peer. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Channel, GrpcFailure } from "../transport/index.js"
import { common, protos } from "../wire/index.js"
import * as raw from "../wire/raw.js"
import { AtomicBroadcast, PeerDeliver } from "../wire/services.js"
import type { ClientSigner } from "./envelope.js"
import { AnswerMalformed, DeliverEnded } from "./errors.js"
import { moment } from "./moment.js"
import type { Seek } from "./seek.js"
import { seekEnvelope } from "./seek.js"

export interface DeliverRequest {
  readonly channelId: string
  readonly signer: ClientSigner
  readonly seek: Seek
  readonly tlsCertHash?: Uint8Array
}

/** Blocks as they come: pull `next`; undefined once the range is complete. */
export interface BlockSource<A> {
  readonly next: Effect.Effect<A | undefined, GrpcFailure | AnswerMalformed | DeliverEnded>
}

interface Answer<A> {
  readonly status: number | undefined
  readonly item: A | undefined
}

const source =
  <A>(path: { readonly path: string }, decode: (bytes: Uint8Array) => Answer<A>) =>
  (node: Channel, request: DeliverRequest): Effect.Effect<BlockSource<A>, GrpcFailure, Scope.Scope> =>
    Effect.gen(function* () {
      const stream = yield* node.bidi(path)
      yield* stream.send(seekEnvelope({ ...request, ...(yield* moment) }))
      const malformed = (reason: string) => new AnswerMalformed({ address: node.address, reason })
      const next = Effect.gen(function* () {
        const bytes = yield* stream.next
        if (bytes === undefined) return yield* malformed("the stream ended without a status")
        const answer = yield* Effect.try({ try: () => decode(bytes), catch: (error) => malformed(String(error)) })
        if (answer.item !== undefined) return answer.item
        if (answer.status === common.Status.SUCCESS) return undefined
        return yield* new DeliverEnded({ status: answer.status ?? common.Status.UNKNOWN })
      })
      return { next }
    })

/** A block as the node sent it: its bytes are not re-encoded. */
const rawBlock =
  (field: number) =>
  (bytes: Uint8Array): Answer<Uint8Array> => {
    const item = raw.field(bytes, field)
    const status = raw.varint(bytes, 1)
    return { item, status: status === undefined ? undefined : Number(status) }
  }

/** Raw `common.Block` bytes from an orderer's Deliver. */
export const ordererBlocks = source(AtomicBroadcast.methods.Deliver, rawBlock(2))

/** Raw `common.Block` bytes from a peer's Deliver. */
export const peerBlocks = source(PeerDeliver.methods.Deliver, rawBlock(2))

/** Filtered blocks from a peer: ids, codes and event names only. */
export const filteredBlocks = source(PeerDeliver.methods.DeliverFiltered, (bytes): Answer<protos.FilteredBlock> => {
  const answer = protos.DeliverResponse.decode(bytes)
  return { status: answer.status, item: answer.filteredBlock }
})

/** The one block at `seek` from an orderer; used to fetch config blocks and to wait for a channel. */
export const fetchBlock = (
  node: Channel,
  request: DeliverRequest,
  from: typeof ordererBlocks = ordererBlocks
): Effect.Effect<Uint8Array, GrpcFailure | AnswerMalformed | DeliverEnded> =>
  Effect.scoped(
    Effect.gen(function* () {
      const block = yield* Effect.flatMap(from(node, request), ({ next }) => next)
      return block ?? (yield* new DeliverEnded({ status: common.Status.NOT_FOUND }))
    })
  )
