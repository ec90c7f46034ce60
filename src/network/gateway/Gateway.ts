/**
 * The network's client: connections to its nodes, the steps of an administrator, the calls of an application. Connections
 * are made when first used and closed with the scope.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { protos } from "../../wire/index.js"
import type { StepFailed } from "../errors.js"
import type { NetworkPorts } from "../layout.js"
import type { NetworkSpec } from "../spec.js"
import { type Administration, makeAdministration } from "./administration.js"
import { follow, makeCommits } from "./Commits.js"
import { makeConnections } from "./connections.js"
import { makeTransactions, type Transactions } from "./transactions.js"

export interface Gateway extends Administration, Transactions {
  /** Shows blocks as the first peer commits them, from the next one on; never ends by itself. */
  readonly blocks: (show: (block: protos.FilteredBlock) => Effect.Effect<void>) => Effect.Effect<never, StepFailed>
}

/** In: a network that is up, or will be when the gateway is used. */
export const makeGateway = (spec: NetworkSpec, ports: NetworkPorts): Effect.Effect<Gateway, StepFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const connections = yield* makeConnections(spec, ports)
    const following = { channelId: spec.channel, signer: connections.admin(), peer: connections.firstPeer() }
    const commits = yield* makeCommits(following)
    return {
      ...makeAdministration(spec, ports, connections, commits),
      ...makeTransactions(spec, connections, commits),
      blocks: (show) => follow(following, show)
    }
  })
