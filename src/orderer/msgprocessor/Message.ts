/**
 * A message for ordering with its headers read once: what filters, processors and consenters judge. Pure.
 * Source: orderer.md 3.2 rule 1, 5.1 group A; protos/utils/commonutils.go.
 */
import * as Either from "effect/Either"
import type { SignedData } from "../../policy/index.js"
import { common, WireError } from "../../wire/index.js"
import { has, field as rawField } from "../../wire/raw.js"
import type { RawEnvelope } from "./envelope.js"
import { readEnvelope } from "./envelope.js"

export interface Message extends RawEnvelope {
  readonly channelHeader: common.ChannelHeader
  /** The payload's data: what the message is about. */
  readonly data: Uint8Array
  /** Read by those who ask for the signer: its faults are theirs to report. */
  readonly signatureHeader: Uint8Array
}

export type MessageClass = "normal" | "config" | "configUpdate"

/** The class by the channel header's type; unknown numbers are normal. */
export const classify = (type: number): MessageClass => {
  switch (type) {
    case common.HeaderType.CONFIG_UPDATE:
      return "configUpdate"
    case common.HeaderType.CONFIG:
    case common.HeaderType.ORDERER_TRANSACTION:
      return "config"
    default:
      return "normal"
  }
}

/** Runs a decoder; the left side is `prefix: ` and the decoder's text. */
export const decoding = <A>(prefix: string, read: () => A): Either.Either<A, string> => {
  try {
    return Either.right(read())
  } catch (error) {
    if (error instanceof WireError) return Either.left(`${prefix}: ${error.message}`)
    throw error
  }
}

/** Reads payload and channel header; the left side is the reference's text without its prefix. */
export const openMessage = (envelope: RawEnvelope): Either.Either<Message, string> => {
  let reading = "error unmarshaling Payload"
  try {
    const { data, header } = common.Payload.decode(envelope.payload)
    if (header === undefined) return Either.left("header not set")
    // decoded bytes do not tell absent from empty, the reference does
    if (header.channelHeader.length === 0 && !has(rawField(envelope.payload, 1) ?? header.channelHeader, 1)) {
      return Either.left("channel header not set")
    }
    reading = "error unmarshaling channel header: error unmarshaling ChannelHeader"
    return Either.right({
      payload: envelope.payload,
      signature: envelope.signature,
      canonical: envelope.canonical,
      channelHeader: common.ChannelHeader.decode(header.channelHeader),
      data,
      signatureHeader: header.signatureHeader
    })
  } catch (error) {
    if (error instanceof WireError) return Either.left(`${reading}: ${error.message}`)
    throw error
  }
}

/** Reads a message from its bytes. */
export const readMessage = (bytes: Uint8Array): Either.Either<Message, string> =>
  Either.flatMap(readEnvelope(bytes), openMessage)

/** The creator named in the signature header; the left side is the reference's text. */
export const creatorOf = (message: Message): Either.Either<Uint8Array, string> =>
  Either.map(
    decoding("could not convert message to signedData: GetSignatureHeaderFromBytes failed, err", () =>
      common.SignatureHeader.decode(message.signatureHeader)
    ),
    ({ creator }) => creator
  )

/** The message's one signature as policies take it. */
export const signedDataOf = (message: Message, identity: Uint8Array): SignedData => ({
  data: message.payload,
  identity,
  signature: message.signature
})
