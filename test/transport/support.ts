/** Servers and clients for tests: real sockets on free ports, a log that is kept. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Metrics from "../../src/runtime/Metrics.js"
import * as Client from "../../src/transport/GrpcClient.js"
import * as Server from "../../src/transport/GrpcServer.js"
import { logsTo } from "../logging.js"

/** A service with a method of every shape. */
export const Echo = {
  name: "test.Echo",
  methods: {
    Unary: { path: "/test.Echo/Unary", requestStream: false, responseStream: false },
    Bidi: { path: "/test.Echo/Bidi", requestStream: true, responseStream: true },
    Stream: { path: "/test.Echo/Stream", requestStream: false, responseStream: true }
  }
} as const

export const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString()
export const bytes = (value: string): Uint8Array => Buffer.from(value)

export interface Node {
  readonly server: Server.GrpcServerShape
  readonly metrics: Metrics.MetricsShape
  readonly lines: Array<string>
  /** Serves from now on; runs the release. */
  readonly close: Effect.Effect<void>
}

/** A server in its own scope; not serving yet. */
export const node = (options: Partial<Server.ServerOptions> = {}): Effect.Effect<Node, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    const metrics = Metrics.prometheus()
    const scope = yield* Effect.acquireRelease(Scope.make(), (made, exit) => Scope.close(made, exit))
    const server = yield* Server.make({ address: "127.0.0.1:0", stopGrace: "200 millis", ...options }).pipe(
      Effect.provideService(Metrics.Metrics, metrics),
      Effect.provide(logsTo(() => lines)),
      Scope.extend(scope)
    )
    return { server, metrics, lines, close: Scope.close(scope, Exit.void) }
  })

export const connect = (target: Node, options?: Client.ConnectOptions) => Client.connect(target.server.address, options)

/** Waits for a condition; the test's own time limit ends a wait without hope. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.zipRight(Effect.sleep("2 millis"), until(holds))))

/** The same for what only an effect can tell. */
export const untilEffect = <A>(look: Effect.Effect<A>, holds: (value: A) => boolean): Effect.Effect<void> =>
  Effect.flatMap(look, (value) =>
    holds(value) ? Effect.void : Effect.zipRight(Effect.sleep("2 millis"), untilEffect(look, holds))
  )

export const page = (target: Node): Effect.Effect<string> =>
  Effect.map(target.metrics.exposition, (exposition) => exposition?.body ?? "")
