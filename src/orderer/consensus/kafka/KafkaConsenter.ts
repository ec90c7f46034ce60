/**
 * The consenter named `kafka`: one per node, with the settings of orderer.yaml.
 * Source: orderer.md section 1 stage 21, 3.8; orderer/consensus/kafka/consenter.go.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Metrics } from "../../../runtime/Metrics.js"
import type { ConsenterShape } from "../Chain.js"
import { type KafkaSettings, tlsOptions } from "./client.js"
import type { KafkaTlsInvalid } from "./errors.js"
import { makeKafkaChain } from "./KafkaChain.js"
import { declareKafkaMetrics, Traffic } from "./metrics.js"

/** Pause between two publications of the clients' traffic. */
const publication = "1 minute"

/** Fails when Kafka.TLS cannot be used. Publishes metrics while the scope is open. */
export const makeKafkaConsenter = (
  settings: KafkaSettings
): Effect.Effect<ConsenterShape, KafkaTlsInvalid, Scope.Scope | Metrics> =>
  Effect.gen(function* () {
    yield* tlsOptions(settings)
    const clock = yield* Effect.clock
    const now = () => clock.unsafeCurrentTimeMillis()
    const metrics = declareKafkaMetrics(yield* Metrics)
    const traffic = new Traffic(now)
    yield* Effect.sync(() => metrics.publish(traffic, now())).pipe(
      Effect.delay(publication),
      Effect.forever,
      Effect.forkScoped
    )
    return { chain: (support, metadata) => makeKafkaChain({ settings, traffic, metrics }, support, metadata) }
  })
