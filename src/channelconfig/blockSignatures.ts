/**
 * Whether a block comes from a channel's ordering service: its data hash, and its signatures against
 * `/Channel/Orderer/BlockValidation` (identity-policy-config section 4, rule 58; peer/gossip/mcs.go). Pure.
 */
import * as Either from "effect/Either"
import { blockValidation, type PolicyManager, type SignedData, type Verify } from "../policy/index.js"
import { equalBytes } from "../wire/bytes.js"
import { common } from "../wire/index.js"
import { blockDataHash, blockHeaderBytes, metadataSlot } from "../wire/protoutil.js"
import { ConfigError } from "./errors.js"
import { decodeMessage } from "./values.js"

type Result<A> = Either.Either<A, ConfigError>
const refuse = (detail: string) => Either.left(new ConfigError({ detail }))

/**
 * The signatures in a block's first metadata slot, each over the slot's value, its own header and the block header.
 * Errors: no block header, or a slot that does not decode. No signatures give an empty list, which policies refuse.
 */
export const blockSignedData = (block: Pick<common.Block, "header" | "metadata">): Result<ReadonlyArray<SignedData>> =>
  Either.gen(function* () {
    if (block.header === undefined) return yield* refuse("Header must be different from nil.")
    const header = blockHeaderBytes(block.header)
    const slot = metadataSlot(block, common.BlockMetadataIndex.SIGNATURES)
    const metadata = yield* decodeMessage(common.Metadata, slot)
    const out: Array<SignedData> = []
    for (const { signature, signatureHeader } of metadata.signatures) {
      const { creator } = yield* decodeMessage(common.SignatureHeader, signatureHeader)
      out.push({ data: Buffer.concat([metadata.value, signatureHeader, header]), identity: creator, signature })
    }
    return out
  })

/**
 * Checks a block against a channel's configuration in force when it was made.
 * In: the channel, for the texts, and its policies; the block; `verify` when signatures were verified beforehand.
 * Errors: the reference's texts; a policy that was not satisfied is the error's cause.
 */
export const verifyBlock = (
  channel: { readonly channelId: string; readonly policyManager: PolicyManager },
  block: common.Block,
  verify?: Verify
): Result<void> =>
  Either.gen(function* () {
    const { channelId } = channel
    if (block.header === undefined) {
      return yield* refuse(`Invalid Block on channel [${channelId}]. Header must be different from nil.`)
    }
    const at = `block with id [${block.header.number}] on channel [${channelId}]`
    if (block.metadata === undefined || block.metadata.metadata.length === 0) {
      return yield* refuse(
        `Block with id [${block.header.number}] on channel [${channelId}] does not have metadata. Block not valid.`
      )
    }
    if (!equalBytes(blockDataHash(block.data?.data ?? []), block.header.dataHash)) {
      return yield* refuse(`Header.DataHash is different from Hash(block.Data) for ${at}`)
    }
    const signatures = yield* Either.mapLeft(
      blockSignedData(block),
      (error) =>
        new ConfigError({ detail: `Failed unmarshalling medatata for signatures [${error.message}]`, cause: error })
    )
    const evaluated = channel.policyManager.getPolicy(blockValidation).evaluate(signatures, verify)
    if (Either.isLeft(evaluated)) {
      return yield* Either.left(new ConfigError({ detail: evaluated.left.message, cause: evaluated.left }))
    }
  })
