/**
 * Spans over OpenTelemetry's protocol (OTLP: HTTP, JSON bodies) to a collector. The exporter and its HTTP client are
 * loaded when a collector is configured and not before: start time. A collector that does not answer loses spans and
 * nothing else: after a failure nothing is kept or sent for a minute.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"

export interface OtlpOptions {
  /** The whole URL: `http://127.0.0.1:4318/v1/traces`. */
  readonly endpoint: string
  readonly headers: ReadonlyMap<string, string>
  /** `service.name` of the resource. */
  readonly serviceName: string
  /** `service.version`. */
  readonly serviceVersion: string
  /** Longest pause between two exports. */
  readonly interval: Duration.Duration
}

/** How long the last spans may take when the node stops. */
const LAST = "3 seconds"

/** A tracer that exports until the scope closes; what is left then is sent within three seconds. */
export const tracer = (options: OtlpOptions): Effect.Effect<Tracer.Tracer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const [OtlpTracer, OtlpSerialization, FetchHttpClient] = yield* Effect.promise(() =>
      Promise.all([
        import("@effect/opentelemetry/OtlpTracer"),
        import("@effect/opentelemetry/OtlpSerialization"),
        import("@effect/platform/FetchHttpClient")
      ])
    )
    return yield* OtlpTracer.make({
      url: options.endpoint,
      headers: Object.fromEntries(options.headers),
      resource: { serviceName: options.serviceName, serviceVersion: options.serviceVersion },
      exportInterval: options.interval,
      shutdownTimeout: LAST
    }).pipe(Effect.provide(OtlpSerialization.layerJson), Effect.provide(FetchHttpClient.layer))
  })
