/** An orderer's Deliver over recorded blocks; Broadcast is refused. Real gRPC on a free port. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import {
  blockResponse,
  type DeliverChain,
  declareDeliverMetrics,
  makeDeliverHandler
} from "../../../src/deliver/index.js"
import { makeMemory } from "../../../src/ledger/blockstore/memory.js"
import * as Metrics from "../../../src/runtime/Metrics.js"
import { makeGrpcServer, type ServerOptions } from "../../../src/transport/index.js"
import { AtomicBroadcast } from "../../../src/wire/services.js"
import { chainA } from "../support.js"

/** The blocks that the recorded orderer served, in order. */
export const recordedBlocks: ReadonlyArray<Uint8Array> = readdirSync(join(chainA, "orderer/blocks"))
  .sort()
  .map((name) => readFileSync(join(chainA, "orderer/blocks", name)))

export interface ServedChain {
  readonly address: string
  /** Lets one more block be read. */
  readonly append: (block: Uint8Array) => Effect.Effect<void, unknown>
  /** Streams opened so far. */
  readonly requests: () => number
}

/** Serves `blocks` of `mychannel`, as if they had all been there at the start. */
export const serveChain = (
  blocks: ReadonlyArray<Uint8Array>,
  options: Partial<ServerOptions> = {}
): Effect.Effect<ServedChain, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const store = makeMemory("mychannel")
    for (const block of blocks) yield* store.append(block)
    let requests = 0
    const chain: DeliverChain = {
      sequence: () => 0n,
      height: store.height,
      blocks: (from) => {
        requests += 1
        return store.iterator(from)
      },
      errored: () => undefined,
      checkAccess: () => Effect.void
    }
    const server = yield* makeGrpcServer({ address: "127.0.0.1:0", stopGrace: "100 millis", ...options })
    yield* server.addService(AtomicBroadcast, {
      Deliver: makeDeliverHandler({
        channel: (id) => (id === "mychannel" ? chain : undefined),
        blockMessage: blockResponse,
        filtered: false,
        timeWindow: 900_000,
        mutualTls: server.mutualTls,
        checkExpiration: false,
        metrics: declareDeliverMetrics(Metrics.disabled)
      })
    })
    yield* server.serve
    return { address: server.address, append: store.append, requests: () => requests }
  }).pipe(Effect.provide(Metrics.layerDisabled))
