/** How the nodes of a network are run: as processes of their own, or inside this one. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Environment } from "../environment.js"
import type { NodeFailed } from "../errors.js"

/** One node to be started. */
export interface NodeRequest {
  readonly name: string
  readonly environment: Environment
  /** Loopback port of its gRPC service: it is up when this answers. */
  readonly port: number
  readonly log: string
}

export class Nodes extends Context.Tag("network/nodes/Nodes")<
  Nodes,
  {
    /** Starts an orderer; done when it serves. Stopped with the scope. */
    readonly orderer: (request: NodeRequest) => Effect.Effect<RunningNode, NodeFailed, Scope.Scope>
    readonly peer: (request: NodeRequest) => Effect.Effect<RunningNode, NodeFailed, Scope.Scope>
  }
>() {}

export interface RunningNode {
  readonly name: string
  /** Process id; this process's own for embedded nodes. */
  readonly pid: number
  /** Fails when the node ends by itself; never succeeds. */
  readonly failure: Effect.Effect<never, NodeFailed>
}
