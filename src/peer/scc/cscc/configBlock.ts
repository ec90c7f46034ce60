/**
 * A block that a peer is asked to join a channel with: what must hold before anybody's rights are looked at. Pure.
 * Source: peer-endorse-validate.md 3.6 rule 1; validateConfigBlock in core/scc/cscc/configure.go.
 */
import * as Either from "effect/Either"
import { textOf } from "../../../runtime/Stage.js"
import { common, protos } from "../../../wire/index.js"
import { blockDataHash, equalBytes, headerTypeName, withMetadataSlot } from "../../../wire/protoutil.js"

/** A block fit to join with, its one filter byte per transaction filled in. */
export interface JoinBlock {
  readonly channelId: string
  readonly block: common.Block
  /** The block as it is to be stored. */
  readonly bytes: Uint8Array
}

const decode = <A>(what: string, read: () => A): Either.Either<A, string> =>
  Either.try({ try: read, catch: (error) => `error unmarshaling ${what}: ${textOf(error)}` })

/** The channel that a block's first transaction names. */
const channelOf = (block: common.Block): Either.Either<string, string> =>
  Either.gen(function* () {
    const [first] = block.data?.data ?? []
    if (first === undefined) return yield* Either.left("failed to retrieve channel id - block is empty")
    const envelope = yield* decode("Envelope", () => common.Envelope.decode(first))
    const { header } = yield* decode("Payload", () => common.Payload.decode(envelope.payload))
    if (header === undefined) return yield* Either.left("failed to retrieve channel id - payload header is empty")
    return (yield* decode("ChannelHeader", () => common.ChannelHeader.decode(header.channelHeader))).channelId
  })

/** The first transaction is a CONFIG one with a channel that has applications. */
const checkConfig = (block: common.Block): Either.Either<void, string> =>
  Either.gen(function* () {
    const bad = (reason: string) => `Bad configuration envelope: ${reason}`
    const [first] = block.data?.data ?? []
    if (first === undefined) return yield* Either.left("Failed to envelope index out of bounds")
    const envelope = yield* Either.mapLeft(
      decode("Envelope", () => common.Envelope.decode(first)),
      (reason) => `Failed to block data does not carry an envelope at index 0: ${reason}`
    )
    const payload = yield* Either.mapLeft(
      decode("Payload", () => common.Payload.decode(envelope.payload)),
      bad
    )
    const { header } = payload
    if (header === undefined) return yield* Either.left(bad("envelope must have a Header"))
    const channelHeader = yield* Either.mapLeft(
      decode("ChannelHeader", () => common.ChannelHeader.decode(header.channelHeader)),
      bad
    )
    if (channelHeader.type !== common.HeaderType.CONFIG)
      return yield* Either.left(bad(`invalid type ${headerTypeName(channelHeader.type)}, expected CONFIG`))
    const { config } = yield* Either.mapLeft(
      decode("message for type CONFIG", () => common.ConfigEnvelope.decode(payload.data)),
      bad
    )
    if (config === undefined) return yield* Either.left("Nil config envelope Config")
    const { channelGroup } = config
    if (channelGroup === undefined) return yield* Either.left("Nil channel group")
    if (channelGroup.groups.size === 0) return yield* Either.left("No channel configuration groups are available")
    if (!channelGroup.groups.has("Application"))
      return yield* Either.left("Invalid configuration block, missing Application configuration group")
  })

/** Every transaction of a channel's first block counts as valid; an orderer's block does not say so yet. */
const withFilter = (block: common.Block, bytes: Uint8Array): Pick<JoinBlock, "block" | "bytes"> => {
  const slot = common.BlockMetadataIndex.TRANSACTIONS_FILTER
  if ((block.metadata?.metadata[slot] ?? new Uint8Array()).length > 0) return { block, bytes }
  const valid = new Uint8Array(block.data?.data.length ?? 0).fill(protos.TxValidationCode.VALID)
  const filled = withMetadataSlot(block, slot, valid)
  return { block: filled, bytes: common.Block.encode(filled) }
}

/** Reads and checks a block. Errors: the reference's texts, whole. */
export const readJoinBlock = (bytes: Uint8Array): Either.Either<JoinBlock, string> =>
  Either.gen(function* () {
    const block = yield* Either.mapLeft(
      decode("block", () => common.Block.decode(bytes)),
      (reason) => `Failed to reconstruct the genesis block, ${reason}`
    )
    const channelId = yield* Either.mapLeft(
      channelOf(block),
      (reason) => `"JoinChain" request failed to extract channel id from the block due to [${reason}]`
    )
    const failed = (reason: string) =>
      `"JoinChain" for chainID = ${channelId} failed because of validation of configuration block, because of ${reason}`
    yield* Either.mapLeft(checkConfig(block), failed)
    // the reference dereferences both
    if (block.header === undefined || block.metadata === undefined)
      return yield* Either.left(failed("the block has no header or no metadata"))
    // ours: a channel begun from a damaged block can never be mended, and no sound block fails this
    if (!equalBytes(blockDataHash(block.data?.data ?? []), block.header.dataHash))
      return yield* Either.left(failed("its data does not have the hash that its header says"))
    return { channelId, ...withFilter(block, bytes) }
  })
