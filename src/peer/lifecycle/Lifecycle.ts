/**
 * The lifecycle cache: per channel, the chaincodes that are instantiated there and installed here in that very code. What
 * the peer publishes of itself, and what discovery answers from.
 *
 * Entries are replaced by name and never taken away: after an upgrade to a version that is not installed here the old one
 * stays until that version is installed or the peer restarts, as in the reference (gossip-discovery.md trap 31).
 * Source: chaincode.md R99; core/cclifecycle/lifecycle.go, subscription.go.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type InstalledChaincode, PackageStore } from "../../chaincode/packages/PackageStore.js"
import * as Log from "../../runtime/Log.js"
import { equalBytes } from "../../wire/bytes.js"
import { compareUtf8 } from "../../wire/protoutil.js"
import type { ChaincodeLifecycleListener, ListenedChannel } from "./ChaincodeEvents.js"
import { type ChaincodeMetadata, type DeployedChaincode, type Found, instantiatedChaincodes } from "./definitions.js"
import { DefinitionsUnreadable } from "./errors.js"

/** Told of a channel's chaincodes, all of them in the order of their names, whenever one may have changed. */
export type HandleMetadataUpdate = (
  channelId: string,
  chaincodes: ReadonlyArray<ChaincodeMetadata>
) => Effect.Effect<void>

export interface LifecycleShape {
  /**
   * What a channel has under a name. From the cache, unless collections are asked for or it is not there: then from
   * state, whatever is installed here. Undefined when the channel or the chaincode is unknown, or state is unreadable.
   */
  readonly metadata: (
    channelId: string,
    chaincode: string,
    withCollections: boolean
  ) => Effect.Effect<ChaincodeMetadata | undefined>
  /** The cached chaincodes of a channel in the order of their names; empty when it is unknown. */
  readonly chaincodes: (channelId: string) => ReadonlyArray<ChaincodeMetadata>
  /**
   * Loads a channel's chaincodes unless that was done, tells every listener, and gives what is to be registered with
   * `ChaincodeEvents`. The channel is known until the scope closes.
   */
  readonly newChannelSubscription: (
    channel: ListenedChannel
  ) => Effect.Effect<ChaincodeLifecycleListener, DefinitionsUnreadable, Scope.Scope>
  /** Has a listener told until the scope closes; at once of channels that are known already. */
  readonly addListener: (listener: HandleMetadataUpdate) => Effect.Effect<void, never, Scope.Scope>
}

export class Lifecycle extends Context.Tag("peer/lifecycle/Lifecycle")<Lifecycle, LifecycleShape>() {}

const log = Log.module("discovery.lifecycle")

interface Known {
  readonly channel: ListenedChannel
  readonly cached: Map<string, ChaincodeMetadata>
}

/** Passes the very code that is installed here. */
const installedOnly = (installed: ReadonlyArray<InstalledChaincode>) => {
  const ids = new Map(installed.map(({ id, name, version }) => [`${name}\u0000${version}`, id]))
  return ({ id, name, version }: ChaincodeMetadata): string | undefined => {
    const held = ids.get(`${name}\u0000${version}`)
    if (held === undefined) return "is instantiated but a different version is installed"
    return equalBytes(held, id) ? undefined : "has another ID on the file system than in the ledger"
  }
}

/** `installed`: what is installed at this moment, read once (`Enumerate`). */
export const makeLifecycle = (installed: ReadonlyArray<InstalledChaincode>): LifecycleShape => {
  const channels = new Map<string, Known>()
  const listeners: Array<HandleMetadataUpdate> = []

  const look = (
    channel: ListenedChannel,
    names: ReadonlyArray<string>,
    accept: (chaincode: ChaincodeMetadata) => string | undefined,
    withCollections: boolean
  ): Effect.Effect<ReadonlyArray<ChaincodeMetadata>, DefinitionsUnreadable> => {
    const unreadable = (cause: unknown) => new DefinitionsUnreadable({ channel: channel.id, cause })
    return Effect.acquireUseRelease(
      Effect.mapError(channel.query, unreadable),
      (state): Effect.Effect<Found, DefinitionsUnreadable> =>
        Effect.try({ try: () => instantiatedChaincodes(state, names, accept, withCollections), catch: unreadable }),
      (state) => Effect.sync(() => state.done())
    ).pipe(
      Effect.tap(({ skipped }) =>
        Effect.forEach(skipped, ({ name, reason }) => log.debug(`[${channel.id}] Chaincode ${name} ${reason}`), {
          discard: true
        })
      ),
      Effect.map(({ chaincodes }) => chaincodes)
    )
  }

  const aggregate = (known: Known): ReadonlyArray<ChaincodeMetadata> =>
    [...known.cached.values()].sort((a, b) => compareUtf8(a.name, b.name))

  const fire = (known: Known): Effect.Effect<void> =>
    Effect.forEach([...listeners], (listener) => listener(known.channel.id, aggregate(known)), { discard: true })

  const update = (known: Known, chaincodes: ReadonlyArray<ChaincodeMetadata>): void => {
    for (const chaincode of chaincodes) known.cached.set(chaincode.name, chaincode)
  }

  const subscription = (known: Known): ChaincodeLifecycleListener => {
    let pending: Array<DeployedChaincode> = []
    const { channel } = known
    return {
      handleChaincodeDeploy: (chaincode) =>
        Effect.zipRight(
          log.debug(`Channel ${channel.id} got a new deployment: ${chaincode.name}:${chaincode.version}`),
          Effect.sync(() => void pending.push(chaincode))
        ),
      chaincodeDeployDone: (succeeded) =>
        Effect.suspend(() => {
          const updates = pending
          pending = []
          if (!succeeded)
            return log.error(
              `Chaincode deploy for updates ${updates.map(({ name, version }) => `${name}:${version}`).join(", ")} failed`
            )
          return Effect.forEach(
            updates,
            ({ hash, name, version }) =>
              look(channel, [name], installedOnly([{ name, version, id: hash }]), false).pipe(
                Effect.tap((found) => Effect.sync(() => update(known, found))),
                Effect.zipRight(fire(known)),
                Effect.catchAll((error) =>
                  log.error(`Query for channel ${channel.id} for ${name}:${version} failed with error ${error.message}`)
                )
              ),
            { discard: true }
          )
        })
    }
  }

  return {
    metadata: (channelId, chaincode, withCollections) =>
      Effect.suspend(() => {
        const known = channels.get(channelId)
        if (known === undefined)
          return Effect.as(log.warning(`Requested Metadata for non-existent channel ${channelId}`), undefined)
        const cached = withCollections ? undefined : known.cached.get(chaincode)
        if (cached !== undefined) return Effect.succeed(cached)
        return look(known.channel, [chaincode], () => undefined, withCollections).pipe(
          Effect.map(([found]) => found),
          Effect.tap((found) =>
            found === undefined ? log.info(`Chaincode ${chaincode} isn't defined in channel ${channelId}`) : Effect.void
          ),
          Effect.catchAll((error) =>
            Effect.as(log.error(`Failed querying LSCC for channel ${channelId}: ${error.message}`), undefined)
          )
        )
      }),
    chaincodes: (channelId) => {
      const known = channels.get(channelId)
      return known === undefined ? [] : aggregate(known)
    },
    newChannelSubscription: (channel) =>
      Effect.gen(function* () {
        let known = channels.get(channel.id)
        if (known === undefined) {
          const names = [...new Set(installed.map(({ name }) => name))]
          const found = yield* look(channel, names, installedOnly(installed), false)
          const fresh: Known = { channel, cached: new Map() }
          update(fresh, found)
          known = yield* Effect.acquireRelease(
            Effect.sync(() => {
              channels.set(channel.id, fresh)
              return fresh
            }),
            () => Effect.sync(() => void (channels.get(channel.id) === fresh && channels.delete(channel.id)))
          )
        }
        yield* fire(known)
        return subscription(known)
      }),
    addListener: (listener) =>
      Effect.zipRight(
        Effect.acquireRelease(
          Effect.sync(() => void listeners.push(listener)),
          () =>
            Effect.sync(() => {
              const at = listeners.indexOf(listener)
              if (at >= 0) listeners.splice(at, 1)
            })
        ),
        Effect.suspend(() =>
          Effect.forEach([...channels.values()], (known) => listener(known.channel.id, aggregate(known)), {
            discard: true
          })
        )
      )
  }
}

/** Over the packages that are installed when it is built. */
export const layerLifecycle: Layer.Layer<Lifecycle, never, PackageStore> = Layer.effect(
  Lifecycle,
  Effect.flatMap(PackageStore, ({ installed }) => Effect.map(installed, makeLifecycle))
)
