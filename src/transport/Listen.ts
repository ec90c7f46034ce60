/**
 * The door: serving begins when this layer is built and ends first of all when the node stops. Built on the layers of
 * all services.
 * Source: design.md section 3, tier 7.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { GrpcServer } from "./GrpcServer.js"

export const layer: Layer.Layer<never, never, GrpcServer> = Layer.scopedDiscard(
  Effect.flatMap(GrpcServer, (server) => server.serve)
)
