/**
 * Chaincode that people start by hand (`vm.type: user`): nothing is launched, a launch waits for the registration of
 * the process until its time is up. Source: chaincode.md R21; issue 7 part 2.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Log from "../../runtime/Log.js"
import { ContainerRuntime } from "./ContainerRuntime.js"

const log = Log.module("chaincode.user")

/** `vm.type: user`. */
export const layer: Layer.Layer<ContainerRuntime> = Layer.effect(
  ContainerRuntime,
  Effect.map(Log.CurrentLog, (nodeLog) =>
    ContainerRuntime.of({
      kind: "user",
      start: ({ name, peerAddress, version }) =>
        log
          .warning(
            `Waiting for chaincode ${name}:${version}: start it with CORE_CHAINCODE_ID_NAME=${name}:${version} and the peer address ${peerAddress}`
          )
          .pipe(Effect.provideService(Log.CurrentLog, nodeLog)),
      stop: () => Effect.void,
      stopAll: Effect.void,
      wait: () => Effect.never,
      healthy: Effect.void
    })
  )
)
