/**
 * Fetches blocks that other peers have and this one lacks, range by range.
 * Source: gossip-discovery.md 3.8 rules 5 and 7, traps 12, 14, 16; gossip/state/state.go (antiEntropy,
 * requestBlocksInRange, handleStateResponse).
 */
import { randomBytes } from "node:crypto"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { isConfigBlock } from "../../commit/index.js"
import type { TxPvtData } from "../../ledger/index.js"
import * as Log from "../../runtime/Log.js"
import { common, gossip, rwset } from "../../wire/index.js"
import { equalBytes, utf8 } from "../../wire/protoutil.js"
import { preferredEndpoint, type ReceivedMessage, type RemotePeer } from "../messages.js"
import type { PayloadRefused } from "./errors.js"
import type { BlockPayload } from "./PayloadBuffer.js"
import type { StateSupport } from "./StateProvider.js"

const log = Log.module("gossip.state")

export interface TransferTarget {
  /** Waits until the configuration in force is that which judges block `number`. */
  readonly configured: (number: bigint) => Effect.Effect<void>
  /** Waits for room in the buffer. */
  readonly add: (payload: BlockPayload) => Effect.Effect<void, PayloadRefused>
  /** The lowest number that is not here. */
  readonly next: () => bigint
}

export interface Transfer {
  readonly awaits: (nonce: bigint) => boolean
  /** Takes a response; one that nobody awaits, or from somebody else than was asked, is dropped. */
  readonly receive: (response: ReceivedMessage) => void
}

export const randomNonce = (): bigint => randomBytes(8).readBigUInt64BE()

/** Private data that came with a block, by transaction. Throws on bytes that do not decode. */
export const privateDataOf = (payloads: ReadonlyArray<Uint8Array>): TxPvtData =>
  new Map(
    payloads.map((bytes) => {
      const { payload, txSeqInBlock } = gossip.PvtDataPayload.decode(bytes)
      return [Number(txSeqInBlock), rwset.TxPvtReadWriteSet.decode(payload)]
    })
  )

interface Pending {
  readonly nonce: bigint
  peer: RemotePeer
  answer: Deferred.Deferred<gossip.RemoteStateResponse>
}

/** Starts the loop, unless `peer.gossip.state.enabled` is off. */
export const antiEntropy = (
  support: StateSupport,
  target: TransferTarget
): Effect.Effect<Transfer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { channelId, gossip: core, security, settings } = support
    let pending: Pending | undefined

    const highest = (): bigint =>
      core
        .peersOfChannel(channelId)
        .reduce(
          (max, { properties }) => ((properties?.ledgerHeight ?? 0n) > max ? (properties?.ledgerHeight ?? 0n) : max),
          0n
        )

    const somebody = (height: bigint): RemotePeer | undefined => {
      const able = core.peersOfChannel(channelId).filter(({ properties }) => (properties?.ledgerHeight ?? 0n) >= height)
      const chosen = able[Math.floor(support.random() * able.length)]
      return chosen === undefined ? undefined : { endpoint: preferredEndpoint(chosen), pkiId: chosen.pkiId }
    }

    /** Verifies and takes in; gives the highest number. Blocks that were not asked for count as a fault. */
    const take = (
      { payloads }: gossip.RemoteStateResponse,
      start: bigint,
      end: bigint
    ): Effect.Effect<bigint, { readonly message: string }> =>
      Effect.gen(function* () {
        if (payloads.length === 0) return yield* fault("Received state transfer response without payload")
        let max = start - 1n
        for (const { data, privateData, seqNum } of payloads) {
          if (seqNum < start || seqNum > end) return yield* fault(`block [${seqNum}] was not asked for`)
          yield* target.configured(seqNum)
          const verdict = security.verifyBlock(channelId, seqNum, data)
          if (verdict._tag === "Left")
            return yield* fault(`Error verifying block with sequence number ${seqNum}, due to ${verdict.left.message}`)
          const payload = yield* Effect.try({
            try: () => ({
              number: seqNum,
              bytes: data,
              config: isConfigBlock(common.Block.decode(data)),
              pvtData: privateDataOf(privateData)
            }),
            catch: (error) => ({ message: `private data of block [${seqNum}]: ${String(error)}` })
          })
          if (seqNum > max) max = seqNum
          yield* target.add(payload)
        }
        return max
      })

    /** One range; gives the number to go on with, undefined when nobody has it. */
    const range = (start: bigint, end: bigint): Effect.Effect<bigint | undefined> =>
      Effect.gen(function* () {
        const nonce = randomNonce()
        const request = gossip.GossipMessage.create({
          nonce,
          channel: utf8(channelId),
          tag: gossip.GossipMessage_Tag.CHAN_OR_ORG,
          stateRequest: gossip.RemoteStateRequest.create({ startSeqNum: start, endSeqNum: end })
        })
        for (let tries = 0; tries <= settings.maxRetries; tries += 1) {
          const peer = somebody(end)
          if (peer === undefined) {
            yield* log.warning(
              `Cannot send state request for blocks in range [${start}...${end}), due to there are no peers to ask for missing blocks from`
            )
            return undefined
          }
          yield* log.debug(
            `State transfer, with peer ${peer.endpoint}, requesting blocks in range [${start}...${end}), for chainID ${channelId}`
          )
          const answer = yield* Deferred.make<gossip.RemoteStateResponse>()
          pending = { nonce, peer, answer }
          core.send(request, [peer])
          const response = yield* Effect.timeoutOption(Deferred.await(answer), settings.responseTimeoutMs)
          pending = undefined
          if (Option.isNone(response)) continue
          const taken = yield* Effect.either(take(response.value, start, end))
          if (taken._tag === "Right") return taken.right + 1n
          yield* log.warning(
            `Wasn't able to process state response for blocks [${start}...${end}], due to ${taken.left.message}`
          )
        }
        yield* log.warning(
          `Wasn't  able to get blocks in range [${start}...${end}), after ${settings.maxRetries + 1} retries`
        )
        return undefined
      })

    const round = Effect.gen(function* () {
      const max = highest()
      if (support.height() >= max) return
      let start: bigint | undefined = target.next()
      while (start !== undefined && start < max) {
        const last: bigint = start + BigInt(settings.batchSize)
        start = yield* range(start, last < max - 1n ? last : max - 1n)
      }
    })
    if (settings.enabled)
      yield* Effect.sleep(settings.checkIntervalMs).pipe(Effect.zipRight(round), Effect.forever, Effect.forkScoped)

    return {
      awaits: (nonce) => pending?.nonce === nonce,
      receive: ({ connection, message: { nonce, stateResponse } }) => {
        if (pending === undefined || pending.nonce !== nonce || stateResponse === undefined) return
        if (!equalBytes(connection.pkiId, pending.peer.pkiId)) return
        Deferred.unsafeDone(pending.answer, Effect.succeed(stateResponse))
      }
    }
  })

const fault = (message: string) => Effect.fail({ message })
