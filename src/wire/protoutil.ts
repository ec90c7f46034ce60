/**
 * Envelopes, headers, proposals and transaction ids.
 * Source: peer-endorse-validate.md section 4; protos/utils of the reference.
 */
import { sha256, toHex } from "./bytes.js"
import type { Init } from "./codec.js"
import { EMPTY } from "./codec.js"
import { common, google, protos } from "./gen/index.js"

export * from "./block.js"
export * from "./bytes.js"

/** A transaction's id: hex of SHA-256 over nonce and creator. */
export const computeTxId = (nonce: Uint8Array, creator: Uint8Array): string => toHex(sha256(nonce, creator))

/** Milliseconds since the epoch as a protobuf timestamp. */
export const timestampOf = (milliseconds: number): google.Timestamp => {
  const seconds = Math.floor(milliseconds / 1000)
  return google.Timestamp.create({ seconds: BigInt(seconds), nanos: Math.floor((milliseconds - seconds * 1000) * 1e6) })
}

/** A protobuf timestamp as milliseconds since the epoch (sub-millisecond part dropped). */
export const millisecondsOf = (timestamp: google.Timestamp): number =>
  Number(timestamp.seconds) * 1000 + Math.trunc(timestamp.nanos / 1e6)

/** Payload bytes of a header and data. Header parts left out take their defaults. */
export const makePayload = (
  channelHeader: Init<common.ChannelHeader>,
  signatureHeader: Init<common.SignatureHeader>,
  data: Uint8Array
): Uint8Array =>
  common.Payload.encode({
    header: {
      channelHeader: common.ChannelHeader.encode(channelHeader),
      signatureHeader: common.SignatureHeader.encode(signatureHeader)
    },
    data
  })

/**
 * An envelope as the reference re-encodes it before posting to Kafka and when building blocks: payload, signature,
 * unknown fields, in this order (orderer.md section 4 item 7, trap 6). Throws WireError.
 */
export const canonicalEnvelope = (bytes: Uint8Array): Uint8Array =>
  common.Envelope.encode(common.Envelope.decode(bytes))

/** The parts of an envelope that most checks start from. Throws WireError; missing headers are undefined. */
export interface OpenEnvelope {
  readonly envelope: common.Envelope
  readonly payload: common.Payload
  readonly channelHeader: common.ChannelHeader
  readonly signatureHeader: common.SignatureHeader
}

export const openEnvelope = (bytes: Uint8Array): OpenEnvelope | undefined => {
  const envelope = common.Envelope.decode(bytes)
  const payload = common.Payload.decode(envelope.payload)
  if (payload.header === undefined) return undefined
  return {
    envelope,
    payload,
    channelHeader: common.ChannelHeader.decode(payload.header.channelHeader),
    signatureHeader: common.SignatureHeader.decode(payload.header.signatureHeader)
  }
}

/**
 * The proposal payload as it stands in a transaction: re-encoded with its input only, so that the transient map never
 * leaves the endorser (trap 5). Throws WireError.
 */
export const proposalPayloadForTx = (payload: Uint8Array): Uint8Array =>
  protos.ChaincodeProposalPayload.encode({ input: protos.ChaincodeProposalPayload.decode(payload).input })

/** The hash that an endorser puts into its response: header bytes as given, payload without transient data. */
export const proposalHash = (header: common.Header, payload: Uint8Array): Uint8Array =>
  sha256(header.channelHeader, header.signatureHeader, proposalPayloadForTx(payload))

/** The same hash as the committer computes it: over the payload bytes of the transaction as given. */
export const proposalHashOfTx = (
  channelHeader: Uint8Array,
  actionSignatureHeader: Uint8Array,
  proposalPayload: Uint8Array
): Uint8Array => sha256(channelHeader, actionSignatureHeader, proposalPayload)

/** A transaction's one action as the reference takes it apart; undefined where a part is missing. Throws WireError. */
export const chaincodeActionOf = (
  transactionBytes: Uint8Array
):
  | {
      readonly action: protos.TransactionAction
      readonly payload: protos.ChaincodeActionPayload
      readonly endorsed: protos.ChaincodeEndorsedAction
      readonly responsePayload: protos.ProposalResponsePayload
      readonly chaincodeAction: protos.ChaincodeAction
    }
  | undefined => {
  const action = protos.Transaction.decode(transactionBytes).actions[0]
  if (action === undefined) return undefined
  const payload = protos.ChaincodeActionPayload.decode(action.payload)
  if (payload.action === undefined) return undefined
  const responsePayload = protos.ProposalResponsePayload.decode(payload.action.proposalResponsePayload)
  return {
    action,
    payload,
    endorsed: payload.action,
    responsePayload,
    chaincodeAction: protos.ChaincodeAction.decode(responsePayload.extension)
  }
}

/** Text of a header type for logs, metrics and errors: its name, or the number where it has none. */
export const headerTypeName = (type: number): string => common.HeaderTypeInfo.nameOf(type) ?? String(type)

export { EMPTY }
