/**
 * What other peers ask of and push to a channel: blocks by range, private data before its block.
 * Source: gossip-discovery.md 3.8 rules 2 and 6, 3.10 rule 4, trap 14; gossip/state/state.go (handleStateRequest,
 * privateDataMessage).
 */
import * as Effect from "effect/Effect"
import * as Log from "../../runtime/Log.js"
import { common, gossip, rwset, transientstore } from "../../wire/index.js"
import { utf8 } from "../../wire/protoutil.js"
import type { ReceivedMessage } from "../messages.js"
import type { StateSupport } from "./StateProvider.js"

const log = Log.module("gossip.state")

/** Bytes after which a response ends early; the asker goes on behind it. A gRPC message holds 100 MiB. */
const RESPONSE_BYTES = 16 * 1024 * 1024

/** Why a range is not served; undefined: it is. Pure. */
export const rangeFault = (start: bigint, end: bigint, batchSize: bigint): string | undefined => {
  if (start > end) return `Invalid sequence interval [${start}...${end}).`
  // unsigned, as in the reference
  return end > BigInt.asUintN(64, batchSize + start)
    ? `Requesting blocks range [${start}-${end}) greater than configured allowed (${batchSize}) batching size for anti-entropy.`
    : undefined
}

const sizeOf = ({ data, privateData }: gossip.Payload): number =>
  privateData.reduce((sum, { length }) => sum + length, data.length)

/** Answers a request on its stream; one that is out of bounds gets no answer. */
export const serveState =
  (support: StateSupport) =>
  ({
    connection: { auth, identity },
    message: { nonce, stateRequest },
    respond
  }: ReceivedMessage): Effect.Effect<void> =>
    Effect.gen(function* () {
      if (stateRequest === undefined) return
      const { channelId, height, payloadFor, settings } = support
      const { endSeqNum, startSeqNum } = stateRequest
      const fault = rangeFault(startSeqNum, endSeqNum, BigInt(settings.batchSize))
      if (fault !== undefined) return yield* log.error(`State request validation failed, ${fault}. Ignoring request...`)
      const top = height()
      if (top < endSeqNum)
        yield* log.warning(
          `Received state request to transfer blocks with sequence numbers higher  [${startSeqNum}...${endSeqNum}] than available in ledger (${top})`
        )
      const requester = { data: auth.signedData, identity, signature: auth.signature }
      const payloads: Array<gossip.Payload> = []
      let size = 0
      for (let number = startSeqNum; number <= endSeqNum && number < top && size < RESPONSE_BYTES; number += 1n) {
        const payload = yield* Effect.either(payloadFor(number, requester))
        if (payload._tag === "Left") {
          yield* log.error(
            `cannot read block number ${number} from ledger, because ${payload.left.message}, skipping...`
          )
          continue
        }
        // a block that would make the message too big is left for the next request
        if (payloads.length > 0 && size + sizeOf(payload.right) > RESPONSE_BYTES) break
        payloads.push(payload.right)
        size += sizeOf(payload.right)
      }
      respond(
        gossip.GossipMessage.create({
          nonce,
          channel: utf8(channelId),
          tag: gossip.GossipMessage_Tag.CHAN_OR_ORG,
          stateResponse: gossip.RemoteStateResponse.create({ payloads })
        })
      )
    })

/** Keeps a pushed set and acknowledges it; malformed ones are dropped without an answer (ledger sheet trap 28). */
export const receivePrivateData = (
  { channelId, persist }: StateSupport,
  { ack, message: { privateData } }: ReceivedMessage
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const payload = privateData?.payload
    if (payload === undefined) return yield* log.warning("Malformed private data message, no payload provided")
    const { collectionConfigs, collectionName, namespace, privateRwset, privateSimHeight, txId } = payload
    if (privateRwset.length === 0)
      return yield* log.warning(
        `Malformed private data message, no rwset provided, collection name = ${collectionName}`
      )
    const stored = yield* Effect.either(
      persist(
        txId,
        privateSimHeight,
        transientstore.TxPvtReadWriteSetWithConfigInfo.create({
          pvtRwset: rwset.TxPvtReadWriteSet.create({
            nsPvtRwset: [{ namespace, collectionPvtRwset: [{ collectionName, rwset: privateRwset }] }]
          }),
          collectionConfigs: new Map([[namespace, collectionConfigs ?? common.CollectionConfigPackage.create({})]])
        })
      )
    )
    if (stored._tag === "Right") {
      ack()
      return yield* log.debug(`[${channelId}] Private data for collection ${collectionName} has been stored`)
    }
    const { message } = stored.left
    yield* log.error(`Wasn't able to persist private data for collection ${collectionName}, due to ${message}`)
    ack(message)
  })
