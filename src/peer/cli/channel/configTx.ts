/**
 * Config update transactions of files: read, checked, signed with one more signature, sent.
 * Source: operations-cli.md 4.2; peer/channel/create.go.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { loadProfile, makeChannelCreationTransaction } from "../../../channelconfig/index.js"
import { configSignature, moment, signedEnvelope } from "../../../client/index.js"
import * as Log from "../../../runtime/Log.js"
import { common } from "../../../wire/index.js"
import { readBytes } from "../CliIo.js"
import { type CommandFailed, failed, failing } from "../errors.js"
import type { Session } from "../Session.js"

export const invalidCreateTx = (reason: string): string => `Invalid channel create transaction : ${reason}`

const decoded = <A>(failure: string, read: () => A): Effect.Effect<A, CommandFailed> =>
  Effect.try({ try: read, catch: () => failed(failure) })

/** The envelope in a file. */
export const readConfigTx = (session: Session, file: string): Effect.Effect<common.Envelope, CommandFailed> =>
  Effect.gen(function* () {
    const bytes = yield* readBytes(session.io, file).pipe(failing("channel create configuration tx file not found "))
    return yield* Effect.try({
      try: () => common.Envelope.decode(bytes),
      catch: (error) => failed(`error unmarshaling Envelope: ${error instanceof Error ? error.message : String(error)}`)
    })
  })

const PROFILE = "SampleSingleMSPChannel"
const configLog = Log.module("common.tools.configtxgen.localconfig", "Load")

/** Without a file: the creation of a channel by the sample profile of configtx.yaml. */
export const creationFromDefaults = (
  { io }: Session,
  channelId: string
): Effect.Effect<common.Envelope, CommandFailed> =>
  Effect.gen(function* () {
    const logger = yield* configLog.sync
    const now = yield* Clock.currentTimeMillis
    const info = (text: string): void => logger.info(text)
    const profile = yield* loadProfile(PROFILE, { env: io.env, cwd: io.cwd, info })
    return yield* makeChannelCreationTransaction(channelId, profile, now, (text) => logger.warning(text))
  }).pipe(failing())

/** The channel that a config update is for, and the update's own envelope. */
const open = (
  envelope: common.Envelope
): Effect.Effect<{ readonly channelId: string; readonly data: Uint8Array }, CommandFailed> =>
  Effect.gen(function* () {
    const payload = yield* decoded(invalidCreateTx("bad payload"), () => common.Payload.decode(envelope.payload))
    const { header } = payload
    if (header === undefined || header.channelHeader.length === 0) return yield* failed(invalidCreateTx("bad header"))
    const channelHeader = yield* decoded(invalidCreateTx("could not unmarshall channel header"), () =>
      common.ChannelHeader.decode(header.channelHeader)
    )
    if (channelHeader.type !== common.HeaderType.CONFIG_UPDATE) return yield* failed(invalidCreateTx("bad type"))
    if (channelHeader.channelId === "") return yield* failed(invalidCreateTx("empty channel id"))
    return { channelId: channelHeader.channelId, data: payload.data }
  })

export interface SignedConfigTx {
  readonly channelId: string
  readonly envelope: Uint8Array
}

/**
 * Checks an update and adds the caller's signature, inside and outside.
 * @param expected the channel that it must be for; empty: any
 */
export const checkAndSign = (
  { signer }: Session,
  envelope: common.Envelope,
  expected: string
): Effect.Effect<SignedConfigTx, CommandFailed> =>
  Effect.gen(function* () {
    const { channelId, data } = yield* open(envelope)
    if (expected !== "" && channelId !== expected)
      return yield* failed(invalidCreateTx(`mismatched channel ID ${channelId} != ${expected}`))
    const update = yield* decoded(invalidCreateTx("Bad config update env"), () =>
      common.ConfigUpdateEnvelope.decode(data)
    )
    const { nonce } = yield* moment
    const signatures = [...update.signatures, configSignature(update.configUpdate, signer, nonce)]
    const signed = signedEnvelope({
      ...(yield* moment),
      type: common.HeaderType.CONFIG_UPDATE,
      channelId,
      signer,
      data: common.ConfigUpdateEnvelope.encode({ configUpdate: update.configUpdate, signatures })
    })
    return { channelId, envelope: signed }
  })
