/**
 * `peer node config`, beyond Fabric: the effective value of every key of core.yaml with where it came from, secrets
 * masked. Needs no identity and starts nothing.
 */
import * as Effect from "effect/Effect"
import { configLines, explainCore, loadCoreConfig } from "../../config/index.js"
import type { CliIo } from "./CliIo.js"

/** Gives the exit status: 1 when there is no configuration or it is not valid. */
export const printConfig = (io: CliIo): Effect.Effect<number> =>
  loadCoreConfig({ env: io.env, cwd: io.cwd }).pipe(
    Effect.match({
      onSuccess: (config) => {
        for (const note of config.source.notes) io.stderr(`${note}\n`)
        io.stdout(`${configLines(explainCore(config)).join("\n")}\n`)
        return 0
      },
      onFailure: ({ message }) => {
        io.stderr(`Fatal error when initializing core config : ${message}\n`)
        return 1
      }
    })
  )
