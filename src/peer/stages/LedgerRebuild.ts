/**
 * Stage 33: ledgers that were reset or rolled back. As long as one of them is lower than it was before, no proposal is
 * answered: endorsements on old state would be taken for the present. Looked at every second (the reference: every ten).
 * Source: peer-endorse-validate.md 1.2, 3.4 rule 2; resetLoop in peer/node/start.go.
 */
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { clearPreResetHeights, preResetHeights } from "../../ledger/peer/index.js"
import * as Log from "../../runtime/Log.js"
import { stage } from "../../runtime/Stage.js"
import { ChannelTable } from "../channels/ChannelTable.js"
import { type AuthFilter, resetFilter } from "../endorser/filters.js"
import { PeerConfig } from "../PeerConfig.js"
import { within } from "./failures.js"

const log = Log.module("nodeCmd", "resetLoop")

const PAUSE = "1 second"

export class LedgerRebuild extends Context.Tag("peer/stages/LedgerRebuild")<
  LedgerRebuild,
  {
    /** The last of the endorser's filters: one while ledgers are behind at the start, none otherwise. */
    readonly filters: ReadonlyArray<AuthFilter>
  }
>() {}

/** Waits until every channel is as high as it was, then forgets the heights. */
const untilReached = (root: string, heights: ReadonlyMap<string, bigint>) =>
  Effect.gen(function* () {
    const table = yield* ChannelTable
    const behind = new Map(heights)
    for (;;) {
      for (const [id, height] of behind) {
        const current = table.get(id)?.ledger.height()
        if (current === undefined) continue
        yield* log.debug(`Ledger rebuild: channel [${id}]: currentHeight [${current}] : preresetHeight [${height}]`)
        if (current >= height) behind.delete(id)
      }
      if (behind.size === 0) break
      yield* Effect.sleep(PAUSE)
    }
    yield* log.info(
      "Ledger rebuild: Complete, all ledgers surpass prereset heights. Endorsement request processing will be enabled."
    )
    yield* clearPreResetHeights(root).pipe(
      Effect.catchAll((error) =>
        log.warning(`Ledger rebuild: could not clear off prerest files: error=${error.message}`)
      )
    )
  })

export const layer = Layer.scoped(
  LedgerRebuild,
  Effect.gen(function* () {
    const root = join((yield* PeerConfig).peer.fileSystemPath, "ledgersData")
    yield* log.at("serve").debug(`Loading prereset height from path [${root}]`)
    const heights = yield* Effect.mapError(preResetHeights(root), within("error loading prereset height: "))
    if (heights.size === 0) return { filters: [] }
    for (const [id, height] of heights)
      yield* log.at("serve").info(`Ledger rebuild: channel [${id}]: preresetHeight: [${height}]`)
    yield* log
      .at("serve")
      .info(
        "Ledger rebuild: Entering loop to check if current ledger heights surpass prereset ledger heights. Endorsement request processing will be disabled."
      )
    let blocked = true
    yield* untilReached(root, heights).pipe(
      Effect.zipRight(
        Effect.sync(() => {
          blocked = false
        })
      ),
      Effect.forkScoped
    )
    return { filters: [resetFilter(() => blocked)] }
  })
).pipe(
  stage("ledger rebuild", {
    remedy: "a file __preResetHeight below ledgersData is damaged; write the height the channel had, or remove it"
  })
)
