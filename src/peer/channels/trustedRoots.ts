/**
 * TLS authorities that follow the channels' configurations: whose client certificates the servers take under mutual TLS.
 * Source: peer-endorse-validate.md 3.8; updateTrustedRoots in core/peer/peer.go.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type { Bundle, BundleActor } from "../../channelconfig/index.js"
import * as Log from "../../runtime/Log.js"
import { GrpcServer, type GrpcServerShape } from "../../transport/index.js"

const log = Log.module("peer", "updateTrustedRoots")

/** Told of every configuration that comes into force on any channel. */
export class TrustedRoots extends Context.Tag("peer/channels/TrustedRoots")<
  TrustedRoots,
  {
    readonly actor: BundleActor
    /** PEM of the application organisations of all channels, for connections to other peers. */
    readonly applicationRoots: () => ReadonlyArray<Uint8Array>
    /** Keeps a further server (the admin service's own) up to date. */
    readonly follow: (server: GrpcServerShape) => Effect.Effect<void>
  }
>() {}

/** TLS authorities of a channel's application organisations, PEM. Pure. */
export const applicationRootsOf = (bundle: Bundle): ReadonlyArray<Uint8Array> =>
  [...(bundle.application?.orgs.values() ?? [])].flatMap(({ msp }) => [
    ...msp.tlsRootCerts,
    ...msp.tlsIntermediateCerts
  ])

/** In: the configured authorities (`peer.tls.clientRootCAs`, `peer.tls.rootcert`), PEM. They stay trusted. */
export const layer = (configured: ReadonlyArray<Uint8Array>): Layer.Layer<TrustedRoots, never, GrpcServer> =>
  Layer.scoped(
    TrustedRoots,
    Effect.gen(function* () {
      const servers: Array<GrpcServerShape> = [yield* GrpcServer]
      const byChannel = new Map<string, ReadonlyArray<Uint8Array>>()
      const applicationRoots = () => [...byChannel.values()].flat()
      // one waiting change is enough: the update looks at all channels as they are by then
      const changed = yield* Queue.sliding<string>(1)
      const update = Effect.gen(function* () {
        const channel = yield* Queue.take(changed)
        const roots = [...applicationRoots(), ...configured]
        for (const server of servers)
          if (server.mutualTls)
            yield* Effect.catchAll(server.setClientRootCAs(roots), ({ message }) =>
              log.warning(
                `Failed to update trusted roots for peer from latest config block.  This peer may not be able to communicate with members of channel ${channel} (${message})`
              )
            )
      })
      yield* Effect.forkScoped(Effect.forever(update))
      return {
        actor: (bundle) => {
          byChannel.set(bundle.channelId, applicationRootsOf(bundle))
          Queue.unsafeOffer(changed, bundle.channelId)
        },
        applicationRoots,
        follow: (server) => Effect.sync(() => void servers.push(server))
      }
    })
  )
