/**
 * A channel's configuration as its ledger has it.
 * Source: peer-endorse-validate.md 3.6 rule 2; createChain and getCurrConfigBlockFromLedger in core/peer/peer.go.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Bundle } from "../../channelconfig/index.js"
import { channelConfigKey, configNamespace, type PeerLedgerShape } from "../../ledger/index.js"
import * as Log from "../../runtime/Log.js"
import { textOf } from "../../runtime/Stage.js"
import { common } from "../../wire/index.js"
import { lastConfigIndex } from "../../wire/protoutil.js"
import { ChannelFailed } from "../errors.js"

const log = Log.module("peer", "createChain")

/** The last config block: where the last block says that it is. */
export const configBlockOf = (ledger: PeerLedgerShape): Effect.Effect<Uint8Array, ChannelFailed> =>
  Effect.gen(function* () {
    const last = yield* ledger.get(ledger.height() - 1n)
    const index = yield* Effect.try(() => lastConfigIndex(common.Block.decode(last)))
    return yield* ledger.get(index)
  }).pipe(Effect.mapError((cause) => new ChannelFailed({ channel: ledger.channelId, reason: textOf(cause), cause })))

/** From state; from the config block where state has none, as in ledgers that began before it was kept there. */
export const bundleOfLedger = (ledger: PeerLedgerShape): Effect.Effect<Bundle, ChannelFailed> =>
  Effect.gen(function* () {
    const { channelId } = ledger
    const failed = (cause: unknown) => new ChannelFailed({ channel: channelId, reason: textOf(cause), cause })
    const stored = yield* Effect.acquireUseRelease(
      ledger.newQueryExecutor,
      (executor) => Effect.try(() => executor.getState(configNamespace, channelConfigKey)),
      (executor) => Effect.sync(() => executor.done())
    ).pipe(Effect.mapError(failed))
    if (stored !== undefined) return yield* Either.mapLeft(Bundle.fromConfigBytes(channelId, stored), failed)
    const block = yield* configBlockOf(ledger)
    return yield* Either.mapLeft(Bundle.fromBlock(common.Block.decode(block)), failed)
  })

/** Whether this peer can run a channel with that configuration; the left is the reference's panic, for this channel. */
export const usable = (channelId: string, bundle: Bundle): Either.Either<void, ChannelFailed> => {
  const refuse = (reason: string) => Either.left(new ChannelFailed({ channel: channelId, reason }))
  if (bundle.application === undefined)
    return refuse(`[channel ${channelId}] does not have application config so is incompatible`)
  const supported = bundle.peerSupport
  if (Either.isLeft(supported)) return refuse(`[channel ${channelId}] incompatible: ${supported.left.message}`)
  if (bundle.orderer === undefined) return refuse("no orderer config in bundle")
  const { byOrg, global } = bundle.ordererEndpoints
  if (byOrg.size === 0 && global.length === 0)
    return refuse("no ordering service endpoint provided in configuration block")
  return Either.right(undefined)
}

/** Standard policies that a configuration lacks, and what that means. */
export const warnOfGaps = (bundle: Bundle): Effect.Effect<void> =>
  Effect.forEach(
    bundle.missingPolicies,
    (policy) =>
      log.warning(`Default policy ${policy} is missing in the configuration: whatever asks for it is refused`, {
        channel: bundle.channelId
      }),
    { discard: true }
  )
