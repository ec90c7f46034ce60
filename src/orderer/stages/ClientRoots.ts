/**
 * Stage 18: the authorities whose client certificates the server takes under mutual TLS follow the channels' configs:
 * the TLS roots and intermediates of all organisations of all channels, and the configured ones.
 * Source: orderer.md 3.10 rule 3; orderer/common/server/main.go (updateTrustedRoots).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type { Bundle, BundleActor, Org } from "../../channelconfig/index.js"
import * as Log from "../../runtime/Log.js"
import { GrpcServer } from "../../transport/index.js"
import { ServerMaterial } from "./Server.js"

const log = Log.module("orderer.common.server")

/** Told of every bundle that comes into force. */
export class ClientRoots extends Context.Tag("orderer/stages/ClientRoots")<
  ClientRoots,
  { readonly actor: BundleActor }
>() {}

/** TLS authorities of a channel's organisations, PEM. Pure. */
export const tlsRootsOf = (bundle: Bundle): ReadonlyArray<Uint8Array> => {
  const orgs: Array<Org> = [
    ...(bundle.application?.orgs.values() ?? []),
    ...(bundle.orderer?.orgs.values() ?? []),
    ...[...(bundle.consortiums?.consortiums.values() ?? [])].flatMap((consortium) => [...consortium.orgs.values()])
  ]
  return orgs.flatMap(({ msp }) => [...msp.tlsRootCerts, ...msp.tlsIntermediateCerts])
}

export const layer: Layer.Layer<ClientRoots, never, GrpcServer | ServerMaterial> = Layer.scoped(
  ClientRoots,
  Effect.gen(function* () {
    const server = yield* GrpcServer
    const configured = (yield* ServerMaterial).tls?.clientRootCAs ?? []
    if (!server.mutualTls) return { actor: () => {} }
    const byChannel = new Map<string, ReadonlyArray<Uint8Array>>()
    const changed = yield* Queue.sliding<string>(1)
    const update = Effect.gen(function* () {
      const channel = yield* Queue.take(changed)
      const roots = [...configured, ...[...byChannel.values()].flat()]
      yield* Effect.catchAll(server.setClientRootCAs(roots), ({ message }) =>
        log.warning(
          `Failed to update trusted roots for orderer from latest config block.  This orderer may not be able to communicate with members of channel ${channel} (${message})`
        )
      )
    })
    yield* Effect.forkScoped(Effect.forever(update))
    return {
      actor: (bundle) => {
        byChannel.set(bundle.channelId, tlsRootsOf(bundle))
        Queue.unsafeOffer(changed, bundle.channelId)
      }
    }
  })
)
