/**
 * Stage 5: the local MSP, which signs blocks and configs.
 * Source: orderer.md section 1; orderer/common/server/main.go (initializeLocalMsp).
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { OrdererConfig } from "../../config/index.js"
import { LocalMsp, loadLocalMsp } from "../../msp/index.js"
import { StartFailed } from "./errors.js"

export const layer = ({
  bccsp,
  localMSPDir,
  localMSPID
}: OrdererConfig["general"]): Layer.Layer<LocalMsp, StartFailed> =>
  Layer.effect(
    LocalMsp,
    Effect.mapError(loadLocalMsp({ dir: localMSPDir, mspId: localMSPID, bccsp }), (cause) => {
      const text = cause._tag === "LocalMspFailed" ? cause.detail : cause.message
      return new StartFailed({ detail: `Failed to initialize local MSP: ${text}`, cause })
    })
  )
