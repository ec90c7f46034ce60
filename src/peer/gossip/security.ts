/**
 * What gossip asks of identities and policies, answered by the local MSP and the channels' configurations.
 * Source: gossip-discovery.md 3.1 rules 1-5 (peer/gossip/mcs.go, peer/gossip/sa.go).
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { type Bundle, verifyBlock } from "../../channelconfig/index.js"
import { countFields, maxFields, type Refused, Security, type SecurityShape } from "../../gossip/index.js"
import type { Identity, IdentityDeserializer, Msp, Signer } from "../../msp/index.js"
import { LocalMsp } from "../../msp/index.js"
import { channelApplicationReaders } from "../../policy/index.js"
import { textOf } from "../../runtime/Stage.js"
import { sha256, toHex, utf8 } from "../../wire/bytes.js"
import { common, msp } from "../../wire/index.js"
import { ChannelTable } from "../channels/ChannelTable.js"

export interface SecurityOptions {
  readonly local: { readonly msp: Msp; readonly signer: Signer }
  readonly channels: {
    readonly list: () => ReadonlyArray<string>
    readonly bundleOf: (channelId: string) => Bundle | undefined
  }
}

type Result<A> = Either.Either<A, Refused>
const refuse = (message: string): Either.Either<never, Refused> => Either.left({ message })

/** Bytes of an identity that texts show; the reference shows all of them, too many for a gRPC status. */
const shownBytes = 32
const shown = (identity: Uint8Array): string => {
  const hex = toHex(identity.subarray(0, shownBytes)).replace(/..(?=.)/g, "$& ")
  return identity.length > shownBytes ? `${hex} ...` : hex
}

const emptyIdentity = "Invalid Peer Identity. It must be different from nil."

const decoded = (identity: Uint8Array): Result<msp.SerializedIdentity> =>
  Either.try({ try: () => msp.SerializedIdentity.decode(identity), catch: (error) => ({ message: textOf(error) }) })

/** Rule 1. */
const pkiIdOf = (identity: Uint8Array): Uint8Array | undefined => {
  if (identity.length === 0) return undefined
  const found = decoded(identity)
  return Either.isLeft(found) ? undefined : sha256(utf8(found.right.mspid), found.right.idBytes)
}

/** An identity that holds, and the channel that vouches for it; none for one of the own organisation. */
interface Validated {
  readonly identity: Identity
  readonly channelId: string | undefined
}

/** The channel that the first envelope of a block names. */
const channelOf = (block: common.Block): Result<string> => {
  const first = block.data?.data[0]
  if (first === undefined) return refuse("failed to retrieve channel id - block is empty")
  return Either.gen(function* () {
    const { header } = yield* Either.try({
      try: () => common.Payload.decode(common.Envelope.decode(first).payload),
      catch: (error): Refused => ({ message: textOf(error) })
    })
    if (header === undefined) return yield* refuse("failed to retrieve channel id - payload header is empty")
    return yield* Either.try({
      try: () => common.ChannelHeader.decode(header.channelHeader).channelId,
      catch: (error): Refused => ({ message: textOf(error) })
    })
  })
}

const blockOf = (bytes: Uint8Array): Result<common.Block> =>
  Either.flatMap(
    Either.try({
      try: () => countFields(common.Block, bytes, maxFields),
      catch: (error): Refused => ({ message: `error unmarshaling block: ${textOf(error)}` })
    }),
    (fields) =>
      fields < 0 || fields > maxFields
        ? refuse(`error unmarshaling block: more than ${maxFields} fields`)
        : Either.try({
            try: () => common.Block.decode(bytes),
            catch: (error): Refused => ({ message: `error unmarshaling block: ${textOf(error)}` })
          })
  )

export const makeSecurity = ({ channels, local }: SecurityOptions): SecurityShape => {
  const managers = (): ReadonlyArray<readonly [string, IdentityDeserializer]> =>
    channels.list().flatMap((channelId): Array<readonly [string, IdentityDeserializer]> => {
      const bundle = channels.bundleOf(channelId)
      return bundle === undefined ? [] : [[channelId, bundle.mspManager]]
    })

  /** Rule 3. */
  const validated = (serialized: Uint8Array): Result<Validated> =>
    Either.gen(function* () {
      if (serialized.length === 0) return yield* refuse(emptyIdentity)
      yield* decoded(serialized)
      const own = local.msp.deserializeIdentity(serialized)
      if (Either.isRight(own)) {
        yield* wellFormed(local.msp, serialized)
        if (own.right.mspId === local.msp.mspId) {
          yield* local.msp.validate(own.right)
          return { identity: own.right, channelId: undefined }
        }
      }
      for (const [channelId, manager] of managers()) {
        const found = manager.deserializeIdentity(serialized)
        if (Either.isLeft(found)) continue
        yield* wellFormed(manager, serialized)
        if (Either.isRight(manager.validate(found.right))) return { identity: found.right, channelId }
      }
      return yield* refuse(`Peer Identity [${shown(serialized)}] cannot be validated. No MSP found able to do that.`)
    })
  const wellFormed = (deserializer: IdentityDeserializer, serialized: Uint8Array): Result<void> =>
    Either.mapLeft(deserializer.isWellFormed(serialized), ({ message }) => ({
      message: `identity is not well formed: ${message}`
    }))

  const verifyByChannel: SecurityShape["verifyByChannel"] = (channelId, identity, signature, message) => {
    if (identity.length === 0) return refuse(emptyIdentity)
    const bundle = channels.bundleOf(channelId)
    if (bundle === undefined) return refuse(`Could not acquire policy manager for channel ${channelId}`)
    return bundle.policyManager.getPolicy(channelApplicationReaders).evaluate([{ data: message, identity, signature }])
  }

  return {
    identity: local.signer.serialized,
    pkiIdOf,
    orgOf: (serialized) => {
      if (serialized.length === 0) return undefined
      const own = local.msp.deserializeIdentity(serialized)
      if (Either.isRight(own)) return own.right.mspId
      for (const [, manager] of managers()) {
        const found = manager.deserializeIdentity(serialized)
        if (Either.isRight(found)) return found.right.mspId
      }
      return undefined
    },
    validateIdentity: (serialized) => Either.map(validated(serialized), () => undefined),
    expiresAt: (serialized) => {
      const found = validated(serialized)
      return Either.isRight(found) ? found.right.identity.expiresAt : undefined
    },
    sign: local.signer.sign,
    verify: (serialized, signature, message) =>
      Either.flatMap(
        validated(serialized),
        ({ channelId, identity }): Result<void> =>
          channelId === undefined
            ? identity.checkSignature(message, signature)
            : verifyByChannel(channelId, serialized, signature, message)
      ),
    verifyByChannel,
    verifyBlock: (channelId, number, bytes) =>
      Either.gen(function* () {
        const block = yield* Either.mapLeft(blockOf(bytes), ({ message }) => ({
          message: `Failed unmarshalling block bytes on channel [${channelId}]: [${message}]`
        }))
        if (block.header === undefined) {
          return yield* refuse(`Invalid Block on channel [${channelId}]. Header must be different from nil.`)
        }
        const actual = block.header.number
        if (actual !== number) {
          return yield* refuse(`Claimed seqNum is [${number}] but actual seqNum inside block is [${actual}]`)
        }
        const named = yield* Either.mapLeft(channelOf(block), ({ message }) => ({
          message: `Failed getting channel id from block with id [${actual}] on channel [${channelId}]: [${message}]`
        }))
        if (named !== channelId) {
          return yield* refuse(`Invalid block's channel id. Expected [${channelId}]. Given [${named}]`)
        }
        const bundle = channels.bundleOf(channelId)
        if (bundle === undefined) return yield* refuse(`Could not acquire policy manager for channel ${channelId}`)
        yield* verifyBlock(bundle, block)
      })
  }
}

/** Stage: gossip's view of the peer's identities and channels. */
export const layer: Layer.Layer<Security, never, ChannelTable | LocalMsp> = Layer.effect(
  Security,
  Effect.gen(function* () {
    const local = yield* LocalMsp
    const channels = yield* ChannelTable
    return makeSecurity({ local, channels })
  })
)
