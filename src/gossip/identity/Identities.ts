/** The node's identity mapper. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { Security } from "../Security.js"
import { SystemTimers } from "../systemTimers.js"
import { IdentityMapper } from "./IdentityMapper.js"

/** The peer's own identity does not hold: it could not prove who it is. */
export class OwnIdentityRefused extends Data.TaggedError("OwnIdentityRefused")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

/** One mapper for connections and core; stopped with the layer. */
export class Identities extends Context.Tag("gossip/identity/Identities")<Identities, IdentityMapper>() {
  static readonly layer: Layer.Layer<Identities, OwnIdentityRefused, Security | SystemTimers> = Layer.scoped(
    Identities,
    Effect.gen(function* () {
      const security = yield* Security
      const timers = yield* SystemTimers
      const made = IdentityMapper.make({ security, timers })
      if (Either.isLeft(made)) return yield* new OwnIdentityRefused({ reason: made.left.message })
      return yield* Effect.acquireRelease(Effect.succeed(made.right), (mapper) => Effect.sync(() => mapper.stop()))
    })
  )
}
