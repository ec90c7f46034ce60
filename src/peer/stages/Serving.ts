/**
 * Stages 31 to 34: the Endorser service is added and the main server begins to serve; released first of all.
 * Source: peer-endorse-validate.md 1.2.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Log from "../../runtime/Log.js"
import { stage } from "../../runtime/Stage.js"
import { Listen } from "../../transport/index.js"
import { PeerConfig } from "../PeerConfig.js"
import * as EndorserService from "../services/EndorserService.js"
import { Addresses } from "./Addresses.js"

const log = Log.module("nodeCmd", "serve")

const announce = (verb: "Starting" | "Started") =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { peer } = yield* PeerConfig
      const { endpoint } = yield* Addresses
      yield* log.info(
        `${verb} peer with ID=[name:"${peer.id}" ], network ID=[${peer.networkId}], address=[${endpoint}]`
      )
    })
  )

export const layer = announce("Started").pipe(
  Layer.provideMerge(Listen.layer),
  Layer.provideMerge(EndorserService.layer),
  Layer.provideMerge(announce("Starting")),
  stage("serving", { remedy: "another service has taken the Endorser's name; report this" })
)
