/** Stage 23: the handlers library, and the validation plugins that it gives to every channel. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LocalMsp } from "../../msp/index.js"
import { stage } from "../../runtime/Stage.js"
import { ValidationPlugins } from "../../validation/index.js"
import { Handlers, makeHandlers } from "../handlers/Library.js"
import { PeerConfig } from "../PeerConfig.js"

const library = Layer.effect(
  Handlers,
  Effect.gen(function* () {
    const { peer } = yield* PeerConfig
    const { signer } = yield* LocalMsp
    return yield* makeHandlers(peer.handlers, signer)
  })
)

/** validationPluginsByName: the one mapper of the node. */
const validationPlugins = Layer.effect(
  ValidationPlugins,
  Effect.map(Handlers, ({ validators }) => ({ byName: validators }))
)

export const layer = validationPlugins.pipe(
  Layer.provideMerge(library),
  stage("handlers", {
    remedy: "check peer.handlers: names are those of built-in handlers, libraries are paths of JavaScript modules",
    exitCode: 2
  })
)
