/**
 * Genesis blocks and the envelopes around channel creation updates (identity-policy-config rules 82, 91 and 92;
 * common/genesis/genesis.go). Pure: time and randomness come in as data.
 */
import * as Either from "effect/Either"
import { common, EMPTY } from "../wire/index.js"
import { computeTxId, makePayload, newBlock, timestampOf, withMetadataSlot } from "../wire/protoutil.js"
import { type ConfigError, wrap } from "./errors.js"
import {
  configTemplateFromGroup,
  defaultConfigTemplate,
  newAnchorPeerUpdate,
  newChannelCreateConfigUpdate,
  newChannelGroup,
  type Warn
} from "./profile/encoder.js"
import type { Profile } from "./profile/Profile.js"
import type { ConfigGroup } from "./tree.js"

type Result<A> = Either.Either<A, ConfigError>

/** What makes two runs differ. */
export interface Freshness {
  /** Milliseconds since the epoch; whole seconds of it go into the header. */
  readonly now: number
  /** 24 random bytes. */
  readonly nonce: Uint8Array
}

/** Whole seconds, as the reference stamps headers that it makes for configurations. */
const seconds = (now: number) => timestampOf(Math.floor(now / 1000) * 1000)

/** The first block of a system channel (or of any channel, for tests) around a configuration tree. */
export const genesisBlock = (channelId: string, channelGroup: ConfigGroup, { nonce, now }: Freshness): common.Block => {
  const payload = makePayload(
    {
      type: common.HeaderType.CONFIG,
      version: 1,
      timestamp: seconds(now),
      channelId,
      txId: computeTxId(nonce, EMPTY)
    },
    { nonce },
    common.ConfigEnvelope.encode({ config: { channelGroup } })
  )
  const block = newBlock(0n, EMPTY, [common.Envelope.encode({ payload })])
  const lastConfig = common.Metadata.encode({ value: common.LastConfig.encode({}) })
  return withMetadataSlot(block, common.BlockMetadataIndex.LAST_CONFIG, lastConfig)
}

/** The genesis block of a profile. Errors: its MSP folders or policies do not load. */
export const makeGenesisBlock = (
  profile: Profile,
  channelId: string,
  freshness: Freshness,
  warn: Warn
): Result<common.Block> =>
  Either.map(newChannelGroup(profile, warn), (group) => genesisBlock(channelId, group, freshness))

/** Block 0 of a channel that an orderer creates: its CONFIG envelope, nothing else (rule 82). */
export const channelGenesisBlock = (configEnvelope: Uint8Array): common.Block => newBlock(0n, EMPTY, [configEnvelope])

/** An unsigned CONFIG_UPDATE envelope around an update: the reference's clients sign it afterwards. */
export const unsignedUpdateEnvelope = (update: common.ConfigUpdate, now?: number): common.Envelope =>
  common.Envelope.create({
    payload: makePayload(
      {
        type: common.HeaderType.CONFIG_UPDATE,
        channelId: update.channelId,
        timestamp: now === undefined ? undefined : seconds(now)
      },
      {},
      common.ConfigUpdateEnvelope.encode({ configUpdate: common.ConfigUpdate.encode(update) })
    )
  })

const templateFromSystem = (profile: Profile, systemProfile: Profile, warn: Warn): Result<ConfigGroup> =>
  Either.gen(function* () {
    const system = yield* Either.mapLeft(
      newChannelGroup(systemProfile, warn),
      wrap("could not parse system channel config")
    )
    return yield* Either.mapLeft(configTemplateFromGroup(profile, system), wrap("could not create config template"))
  })

/**
 * The transaction that asks for a new channel.
 * In: the channel's profile, and the system channel's profile where the new channel changes more than its application
 * section. Errors: as the encoder's.
 */
export const makeChannelCreationTransaction = (
  channelId: string,
  profile: Profile,
  now: number,
  warn: Warn,
  systemProfile?: Profile
): Result<common.Envelope> =>
  Either.gen(function* () {
    const template =
      systemProfile === undefined
        ? yield* Either.mapLeft(
            defaultConfigTemplate(profile, warn),
            wrap("could not generate default config template")
          )
        : yield* templateFromSystem(profile, systemProfile, warn)
    const update = yield* Either.mapLeft(
      newChannelCreateConfigUpdate(channelId, profile, template, warn),
      wrap("config update generation failure")
    )
    return unsignedUpdateEnvelope(update, now)
  })

/** The unsigned update of one organisation's anchor peers. Errors: the organisation is not in the profile. */
export const makeAnchorPeersUpdate = (channelId: string, profile: Profile, asOrg: string): Result<common.Envelope> =>
  Either.map(newAnchorPeerUpdate(channelId, profile, asOrg), (update) => unsignedUpdateEnvelope(update))
