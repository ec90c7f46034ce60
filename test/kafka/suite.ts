/** Tests that share a broker. Not a test. */
import { it, layer, type Vitest } from "@effect/vitest"
import type * as Layer from "effect/Layer"
import type { Broker } from "./broker.js"

/**
 * Tests on one broker, which is started before the first and stopped behind the last. `layer` of @effect/vitest puts its
 * testers into vitest's own `it`, where test files that share the process would find them: they are taken out again.
 */
export const onBroker = (
  broker: Layer.Layer<Broker, Error>,
  tests: (it: Vitest.MethodsNonLive<Broker, true>) => void
): void => {
  const { effect, flakyTest, layer: nested, prop, scoped } = it
  layer(broker, { excludeTestServices: true, timeout: "120 seconds" })(tests)
  Object.assign(it, { effect, flakyTest, layer: nested, prop, scoped })
}
