/**
 * The network's client: connections to its nodes, the steps of an administrator, the calls of an application. Connections
 * are made when first used and closed with the scope.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { protos } from "../../wire/index.js"
import type { StepFailed } from "../errors.js"
import type { NetworkPorts, Shape } from "../layout.js"
import type { NetworkSpec } from "../spec.js"
import { type Administration, makeAdministration } from "./administration.js"
import { follow, makeCommits } from "./Commits.js"
import { makeConnections } from "./connections.js"
import { makeTransactions, type Transactions } from "./transactions.js"

export interface Gateway extends Administration, Transactions {
  /** Shows blocks as the first peer commits them, from the next one on; never ends by itself. */
  readonly blocks: (show: (block: protos.FilteredBlock) => Effect.Effect<void>) => Effect.Effect<never, StepFailed>
}

/** The gateway of a channel; of the network's first unless said otherwise. */
export type Gateways = (channel?: string) => Gateway

/** In: a network that is up, or will be when a gateway is used; it may grow meanwhile. */
export const makeGateways = (shape: () => Shape): Effect.Effect<Gateways, StepFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const connections = yield* makeConnections(shape)
    const made = new Map<string, Gateway>()
    const make = (channelId: string): Gateway => {
      const following = { channelId, signer: connections.admin(), peer: connections.firstPeer() }
      const commits = makeCommits(following, scope)
      const place = { channelId, shape, connections, commits }
      return {
        ...makeAdministration(place),
        ...makeTransactions(place),
        blocks: (show) => follow(following, show)
      }
    }
    return (channel = shape().spec.channel) => {
      const gateway = made.get(channel) ?? make(channel)
      made.set(channel, gateway)
      return gateway
    }
  })

/** The gateway of a network's first channel. */
export const makeGateway = (spec: NetworkSpec, ports: NetworkPorts): Effect.Effect<Gateway, StepFailed, Scope.Scope> =>
  Effect.map(
    makeGateways(() => ({ spec, ports })),
    (gatewayOf) => gatewayOf()
  )
