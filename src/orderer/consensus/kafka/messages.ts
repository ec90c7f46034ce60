/**
 * What orderers post to a channel's topic, and what they keep of it in blocks, as bytes. Pure.
 * Source: orderer.md section 4 items 5 and 6, 3.8 rule 7; orderer/consensus/kafka/chain.go.
 */
import * as Either from "effect/Either"
import { orderer, WireError } from "../../../wire/index.js"
import { initialOffsets, type KafkaOffsets } from "./process.js"

const { NORMAL, CONFIG } = orderer.KafkaMessageRegular_Class

/** CONNECT: says nothing, but makes the topic's next record. */
export const connectMessage = (): Uint8Array => orderer.KafkaMessage.encode({ connect: {} })

/** TIMETOCUT: the batch timer of block `number` ran out at some orderer. */
export const timeToCutMessage = (number: bigint): Uint8Array =>
  orderer.KafkaMessage.encode({ timeToCut: { blockNumber: number } })

/** REGULAR: a canonical envelope that was judged at a config sequence; `originalOffset` is 0 unless it is posted again. */
export const regularMessage = (
  kind: "normal" | "config",
  payload: Uint8Array,
  configSeq: bigint,
  originalOffset: bigint
): Uint8Array =>
  orderer.KafkaMessage.encode({
    regular: { payload, configSeq, class: kind === "normal" ? NORMAL : CONFIG, originalOffset }
  })

/** The value of a block's ORDERER slot. */
export const encodeOffsets = (offsets: KafkaOffsets): Uint8Array => orderer.KafkaMetadata.encode(offsets)

/** Reads the value of the last block's ORDERER slot; an empty one is that of a channel without Kafka blocks. */
export const decodeOffsets = (metadata: Uint8Array): Either.Either<KafkaOffsets, string> => {
  if (metadata.length === 0) return Either.right(initialOffsets)
  try {
    const { lastOffsetPersisted, lastOriginalOffsetProcessed, lastResubmittedConfigOffset } =
      orderer.KafkaMetadata.decode(metadata)
    return Either.right({ lastOffsetPersisted, lastOriginalOffsetProcessed, lastResubmittedConfigOffset })
  } catch (error) {
    if (error instanceof WireError) return Either.left(error.message)
    throw error
  }
}
