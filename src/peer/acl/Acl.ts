/** The node's access checks, over the channels that it has joined. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LocalMsp } from "../../msp/index.js"
import { ChannelTable } from "../channels/ChannelTable.js"
import { Refusals } from "../refusals/index.js"
import { AclChecker } from "./AclChecker.js"
import { PolicyChecker } from "./PolicyChecker.js"

export class Acl extends Context.Tag("peer/acl/Acl")<Acl, AclChecker>() {
  static readonly layer: Layer.Layer<Acl, never, ChannelTable | LocalMsp> = Layer.effect(
    Acl,
    Effect.gen(function* () {
      const { bundleOf } = yield* ChannelTable
      const { msp } = yield* LocalMsp
      const { add } = yield* Refusals
      return new AclChecker(bundleOf, new PolicyChecker(bundleOf, msp), add)
    })
  )
}
