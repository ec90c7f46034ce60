/**
 * Stage: the `Register` method on the chaincode server, serving at once as the reference does. Released before chaincode
 * support: its streams end first. Source: chaincode.md section 1; registerChaincodeSupport in peer/node/start.go.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ServiceRefused } from "../../transport/index.js"
import * as services from "../../wire/services.js"
import { ChaincodeServer } from "../server/ChaincodeServer.js"
import { ChaincodeSupport } from "./ChaincodeSupport.js"

export const layer: Layer.Layer<never, ServiceRefused, ChaincodeServer | ChaincodeSupport> = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { grpc } = yield* ChaincodeServer
    const { register } = yield* ChaincodeSupport
    yield* grpc.addService(services.ChaincodeSupport, { Register: register })
    yield* grpc.serve
  })
)
