/**
 * Stages 20 to 22: the consenters of this node and the registrar, which brings up every channel.
 * Source: orderer.md section 1, 3.1, 3.11.
 */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { BlockStoreProvider } from "../../ledger/blockstore/index.js"
import { LocalMsp } from "../../msp/index.js"
import { Operations } from "../../operations/index.js"
import * as Log from "../../runtime/Log.js"
import { Metrics } from "../../runtime/Metrics.js"
import { declareCutterMetrics } from "../blockcutter/metrics.js"
import { Consenters } from "../consensus/Chain.js"
import type { KafkaSettings } from "../consensus/kafka/client.js"
import { makeKafkaConsenter } from "../consensus/kafka/KafkaConsenter.js"
import { soloConsenter } from "../consensus/solo/SoloChain.js"
import type { ChainSupport } from "../multichannel/ChainSupport.js"
import { makeRegistrar, Registrar } from "../multichannel/Registrar.js"
import { ClientRoots } from "./ClientRoots.js"
import { StartFailed } from "./errors.js"
import { SystemLedger } from "./SystemLedger.js"

const log = Log.module("orderer.common.server")

/** The mechanisms that this node has; a channel of another type (etcdraft) is refused by name. In: the section Kafka. */
export const consenters = (kafka: KafkaSettings): Layer.Layer<Consenters, StartFailed, Metrics> =>
  Layer.scoped(
    Consenters,
    Effect.map(
      Effect.mapError(makeKafkaConsenter(kafka), (cause) => new StartFailed({ detail: cause.message, cause })),
      (kafkaConsenter) =>
        new Map([
          ["solo", soloConsenter],
          ["kafka", kafkaConsenter]
        ])
    )
  )

export interface ChannelsOptions {
  /** False with General.Authentication.NoExpirationChecks. */
  readonly checkExpiration: boolean
}

/** The registrar with all channels started, the system channel's chain last. */
export const layer = (
  options: ChannelsOptions
): Layer.Layer<
  Registrar,
  StartFailed,
  BlockStoreProvider | ClientRoots | Consenters | LocalMsp | Metrics | SystemLedger
> =>
  Layer.scoped(
    Registrar,
    Effect.gen(function* () {
      yield* SystemLedger
      const { signer } = yield* LocalMsp
      const { actor } = yield* ClientRoots
      const clock = yield* Effect.clock
      const operations = yield* Effect.serviceOption(Operations)
      /** A channel whose ordering fails shows under its name; healthy ones do not show, as in the reference. */
      const register = ({ chain, channelId }: ChainSupport) =>
        Option.isNone(operations)
          ? Effect.void
          : operations.value
              .registerChecker(
                chain.healthComponent ?? channelId,
                Effect.flatMap(chain.health, (reason) => (reason === undefined ? Effect.void : Effect.fail(reason)))
              )
              .pipe(Effect.catchAll(({ message }) => log.warning(message)))
      return yield* makeRegistrar({
        ledgers: yield* BlockStoreProvider,
        consenters: yield* Consenters,
        signing: { signer, nonce: () => randomBytes(24), now: () => clock.unsafeCurrentTimeMillis() },
        checkExpiration: options.checkExpiration,
        cutterMetrics: declareCutterMetrics(yield* Metrics),
        actors: [actor],
        onChannel: register
      })
    }).pipe(Effect.mapError((cause) => new StartFailed({ detail: cause.message, cause })))
  )
