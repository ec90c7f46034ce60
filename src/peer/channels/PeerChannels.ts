/**
 * All channels of this peer: joins new ones while running, opens those it knows at the start. Each lives in a scope of
 * its own under this service's; what fails in one leaves the others alone.
 * Source: peer-endorse-validate.md 3.6 rules 1, 2 and 4; core/peer/peer.go (Initialize, CreateChainFromBlock).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Bundle } from "../../channelconfig/index.js"
import type { PrivateDataFetcher } from "../../commit/index.js"
import { GossipService } from "../../gossip/service/index.js"
import { LedgerProvider, type PeerLedgerShape } from "../../ledger/index.js"
import { TransientStores } from "../../ledger/transient/index.js"
import { LocalMsp } from "../../msp/index.js"
import { Operations } from "../../operations/index.js"
import * as Log from "../../runtime/Log.js"
import { Vital } from "../../runtime/Vital.js"
import type { ValidationServices } from "../../validation/index.js"
import { OrdererConnections } from "../delivery/OrdererConnections.js"
import { ChannelFailed } from "../errors.js"
import { ChaincodeEvents } from "../lifecycle/index.js"
import type { JoinBlock } from "../scc/cscc/configBlock.js"
import { ChannelTable, type PeerChannel } from "./ChannelTable.js"
import { usable } from "./configuration.js"
import { type ChannelSettings, openChannel } from "./openChannel.js"
import { TrustedRoots } from "./trustedRoots.js"

const log = Log.module("peer", "Initialize")

/** Runs when a channel has been opened, before anybody may use it; the scope is the channel's. */
export type ChannelInitializer = (channel: PeerChannel) => Effect.Effect<void, never, Scope.Scope>

export class PeerChannels extends Context.Tag("peer/channels/PeerChannels")<
  PeerChannels,
  {
    /** Creates the channel's ledger from its first block and opens it. */
    readonly join: (block: JoinBlock) => Effect.Effect<void, ChannelFailed>
    /** Opens every channel whose ledger is here. One that cannot be opened is logged and left out. */
    readonly openKnown: Effect.Effect<void, ChannelFailed>
    /** Has an initializer run for every channel opened from now on, until the scope closes. */
    readonly onOpen: (initializer: ChannelInitializer) => Effect.Effect<void, never, Scope.Scope>
  }
>() {}

export const layer = (
  settings: ChannelSettings
): Layer.Layer<
  PeerChannels,
  never,
  | ChaincodeEvents
  | ChannelTable
  | GossipService
  | LedgerProvider
  | LocalMsp
  | Operations
  | OrdererConnections
  | PrivateDataFetcher
  | TransientStores
  | TrustedRoots
  | ValidationServices
  | Vital
> => Layer.scoped(PeerChannels, make(settings))

const make = (settings: ChannelSettings) =>
  Effect.gen(function* () {
    const table = yield* ChannelTable
    const ledgers = yield* LedgerProvider
    const operations = yield* Operations
    const transients = yield* TransientStores
    const { actor } = yield* TrustedRoots
    const vital = yield* Vital
    const environment = yield* Effect.context<PrivateDataFetcher | ValidationServices>()
    const services = {
      settings,
      localMsp: yield* LocalMsp,
      orderers: yield* OrdererConnections,
      table,
      events: yield* ChaincodeEvents,
      gossip: yield* GossipService,
      actors: [actor]
    }
    const all = yield* Effect.scope
    const turn = yield* Effect.makeSemaphore(1)
    const initializers: Array<ChannelInitializer> = []

    /** Opens a channel in a scope of its own; on failure nothing of it stays. */
    const open = (channelId: string, opening: Effect.Effect<PeerLedgerShape, ChannelFailed, Scope.Scope>) =>
      Effect.gen(function* () {
        const scope = yield* Scope.fork(all, ExecutionStrategy.sequential)
        yield* Effect.gen(function* () {
          const ledger = yield* opening
          const { channel, start } = yield* openChannel(services, ledger, transients.of(channelId))
          yield* Effect.acquireRelease(
            Effect.sync(() => table.add(channel)),
            () => Effect.sync(() => table.remove(channelId))
          )
          yield* start.pipe(
            // the settings contradict each other: as in the reference this ends the node, not the channel
            Effect.tapErrorCause((cause) => vital.fail("gossip service", cause)),
            Effect.mapError((cause) => new ChannelFailed({ channel: channelId, reason: cause.message, cause }))
          )
          yield* operations
            .registerChecker(
              `channel ${channelId}`,
              Effect.suspend(() => channel.stopped() ?? Effect.void)
            )
            .pipe(Effect.orDie)
          for (const initializer of initializers) yield* initializer(channel)
        }).pipe(
          Scope.extend(scope),
          Effect.provide(environment),
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        )
      }).pipe(Effect.withSpan("PeerChannels.open", { captureStackTrace: false, attributes: { channel: channelId } }))

    const join = ({ block, bytes, channelId }: JoinBlock): Effect.Effect<void, ChannelFailed> => {
      const failed = (reason: string, cause?: unknown) => new ChannelFailed({ channel: channelId, reason, cause })
      const cannotCreate = (cause: { readonly message: string }) =>
        failed(`cannot create ledger from genesis block: ${cause.message}`, cause)
      return Effect.gen(function* () {
        if (yield* Effect.mapError(ledgers.exists(channelId), cannotCreate))
          return yield* cannotCreate({ message: "LedgerID already exists" })
        // looked at before the ledger is made: the reference leaves one behind that it can never open
        const bundle = yield* Either.mapLeft(Bundle.fromBlock(block), (cause) => failed(cause.message, cause))
        yield* usable(channelId, bundle)
        yield* open(channelId, Effect.mapError(ledgers.create(bytes), cannotCreate))
        yield* log.at("joinChain").info(`[${channelId}] joined the channel`)
      })
    }

    const openOne = (channelId: string): Effect.Effect<void> =>
      Effect.gen(function* () {
        yield* log.info(`Loading chain ${channelId}`)
        yield* open(
          channelId,
          Effect.mapError(
            ledgers.open(channelId),
            (cause) => new ChannelFailed({ channel: channelId, reason: cause.message, cause })
          )
        )
      }).pipe(
        Effect.catchAll((error) =>
          Effect.zipRight(
            log.error(`Failed to load chain ${channelId}(${error.message})`),
            Scope.extend(Effect.orDie(operations.registerChecker(`channel ${channelId}`, Effect.fail(error))), all)
          )
        )
      )

    return PeerChannels.of({
      // in a fiber of its own: a client that hangs up leaves no ledger behind whose channel is not open
      join: (block) => Effect.flatMap(Effect.forkIn(turn.withPermits(1)(join(block)), all), Fiber.join),
      openKnown: turn.withPermits(1)(
        ledgers.list.pipe(
          Effect.mapError(
            (cause) =>
              new ChannelFailed({ channel: "", reason: `Error in initializing ledgermgmt: ${cause.message}`, cause })
          ),
          Effect.flatMap((ids) => Effect.forEach(ids, openOne, { discard: true }))
        )
      ),
      onOpen: (initializer) =>
        Effect.acquireRelease(
          Effect.sync(() => void initializers.push(initializer)),
          () =>
            Effect.sync(() => {
              const at = initializers.indexOf(initializer)
              if (at >= 0) initializers.splice(at, 1)
            })
        )
    })
  })
