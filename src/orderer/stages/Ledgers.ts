/**
 * Stage 10: the ledgers by type. `file` is the one for production; `json` and `ram` are for looking and for tests.
 * Source: orderer.md 2.3, 3.9; orderer/common/server/util.go.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { OrdererConfig } from "../../config/index.js"
import { BlockStoreProvider, layerFile, layerRam } from "../../ledger/blockstore/index.js"
import * as Log from "../../runtime/Log.js"
import { Metrics } from "../../runtime/Metrics.js"
import { layerJson } from "../ledgers/jsonLedger.js"
import { measured } from "../ledgers/measured.js"
import { StartFailed, textOf } from "./errors.js"

const log = Log.module("orderer.common.server")

const failed = (cause: unknown) => new StartFailed({ detail: textOf(cause), cause })

/** The configured folder, or a fresh one named after the prefix. */
const location = ({ location, prefix }: OrdererConfig["fileLedger"]): Effect.Effect<string, StartFailed> =>
  Effect.try({
    try: () => {
      if (location !== "") return path.resolve(location)
      return fs.mkdtempSync(path.join(os.tmpdir(), prefix))
    },
    catch: (cause) => new StartFailed({ detail: `Error creating temp dir: ${textOf(cause)}`, cause })
  }).pipe(Effect.tap((folder) => (location === "" ? log.debug(`Ledger dir: ${folder}`) : Effect.void)))

export const layer = ({
  fileLedger,
  general,
  ramLedger
}: Pick<OrdererConfig, "fileLedger" | "general" | "ramLedger">): Layer.Layer<
  BlockStoreProvider,
  StartFailed,
  Metrics
> => Layer.provide(withMetrics, ofType({ fileLedger, general, ramLedger }))

const withMetrics = Layer.effect(BlockStoreProvider, Effect.zipWith(BlockStoreProvider, Metrics, measured))

const ofType = ({
  fileLedger,
  general,
  ramLedger
}: Pick<OrdererConfig, "fileLedger" | "general" | "ramLedger">): Layer.Layer<BlockStoreProvider, StartFailed> => {
  const { ledgerType } = general
  const onDisk = (made: (root: string) => Layer.Layer<BlockStoreProvider, unknown>) =>
    Layer.unwrapEffect(Effect.map(location(fileLedger), made)).pipe(
      Layer.catchAll((cause) => Layer.fail(cause instanceof StartFailed ? cause : failed(cause)))
    )
  if (ledgerType === "file") return onDisk((root) => layerFile({ root }))
  if (ledgerType === "json") return onDisk((root) => layerJson({ root }))
  const ram = layerRam({ historySize: ramLedger.historySize })
  return Layer.tap(ram, () =>
    ledgerType === "ram"
      ? Effect.void
      : log.warning(`ledger type ${ledgerType} is not known: blocks are kept in memory and lost at the end`)
  )
}
