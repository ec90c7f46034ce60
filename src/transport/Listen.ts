/**
 * The door: serving begins when this layer is built and ends first of all when the node stops. Built on the layers of
 * all services.
 * Source: design.md section 3, tier 7.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Vital } from "../runtime/Vital.js"
import { GrpcServer } from "./GrpcServer.js"

/** A node whose door is shut by something else ends: its listener is a vital loop. */
export const layer: Layer.Layer<never, never, GrpcServer | Vital> = Layer.scopedDiscard(
  Effect.gen(function* () {
    const server = yield* GrpcServer
    const vital = yield* Vital
    yield* server.serve
    yield* vital.fork("grpc server", server.died)
  })
)
