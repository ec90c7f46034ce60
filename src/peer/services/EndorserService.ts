/** protos.Endorser bound to the endorser: refusals before simulation are gRPC errors, all else is an answer. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { GrpcServer, type ServiceRefused } from "../../transport/index.js"
import { protos } from "../../wire/index.js"
import * as services from "../../wire/services.js"
import { Endorser } from "../endorser/Endorser.js"
import { unreadableRequest } from "./requests.js"

export const layer: Layer.Layer<never, ServiceRefused, Endorser | GrpcServer> = Layer.scopedDiscard(
  Effect.gen(function* () {
    const server = yield* GrpcServer
    const { processProposal } = yield* Endorser
    yield* server.addService(services.Endorser, {
      ProcessProposal: (request) => {
        try {
          return processProposal(protos.SignedProposal.decode(request))
        } catch (error) {
          return unreadableRequest(error)
        }
      }
    })
  })
)
