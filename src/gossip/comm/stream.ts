/** A gossip stream as both ends see it: marshalled envelopes in and out. */
import type * as Effect from "effect/Effect"
import { Code, GrpcFailure } from "../../transport/index.js"

export interface GossipStream {
  /** `host:port` of the remote end, as the transport saw it. */
  readonly address: string
  /** The next envelope's bytes; undefined: the remote says no more. */
  readonly next: Effect.Effect<Uint8Array | undefined, GrpcFailure>
  /** Waits while the remote is slow. */
  readonly send: (bytes: Uint8Array) => Effect.Effect<void, GrpcFailure>
}

/** Ends a stream as Go ends it for a plain error: Unknown with its text. */
export const refusal = (details: string): GrpcFailure => new GrpcFailure({ code: Code.Unknown, details })
