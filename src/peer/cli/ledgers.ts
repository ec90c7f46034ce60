/**
 * `peer node reset` and `peer node rollback`: the ledgers of a peer that is down, cut back. A peer that runs holds the
 * lock of its ledgers and the commands are refused. Faults are followed by the usage text, as in the reference.
 * Source: operations-cli.md 4.2; ledger-privatedata.md rule 69; peer/node/reset.go, rollback.go.
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type { CoreConfig } from "../../config/index.js"
import { resetLedgers, rollbackLedger } from "../../ledger/peer/index.js"
import * as Log from "../../runtime/Log.js"
import { misused } from "./errors.js"
import type { Command } from "./Session.js"

const log = Log.module("kvledger")
const storeLog = Log.module("fsblkstorage", "ValidateRollbackParams")

/** Where a peer keeps its ledgers. */
const rootOf = ({ peer }: CoreConfig): string => join(peer.fileSystemPath, "ledgersData")

const refused = ({ message }: { readonly message: string }) => misused(message)

/** Every channel back to its first block. Words behind it are not looked at, as in the reference. */
export const reset: Command = ({ config, step }) =>
  Effect.gen(function* () {
    step("cutting blocks")
    const at = log.at("ResetAllKVLedgers")
    const root = rootOf(config)
    yield* at.info("Resetting all ledgers to genesis block")
    yield* at.info(`Ledger data folder from config = [${root}]`)
    yield* resetLedgers(root)
  }).pipe(Effect.mapError(refused))

/** One channel back to a block. */
export const rollback: Command = ({ config, flags, step }) =>
  Effect.gen(function* () {
    const channel = flags.text("channelID")
    if (channel === "") return yield* misused("Must supply channel ID")
    const target = flags.number("blockNumber")
    step("cutting blocks")
    yield* storeLog.info(`Validating the rollback parameters: ledgerID [${channel}], block number [${target}]`)
    yield* Effect.mapError(rollbackLedger(rootOf(config), channel, target), refused)
  })
