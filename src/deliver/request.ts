/**
 * Reading a Deliver request: envelope, headers, time window, TLS binding. Pure; the present time and the caller's
 * certificate come in as data. Each refusal carries the status that the client gets.
 * Source: orderer.md 3.6 steps 1, 2, 4, 6; common/deliver/deliver.go, core/comm/util.go.
 */
import * as Either from "effect/Either"
import { sha256 } from "../crypto/hash.js"
import type { SignedData } from "../policy/index.js"
import { common, orderer } from "../wire/index.js"
import { equalBytes, toHex } from "../wire/protoutil.js"
import { RequestRefused } from "./errors.js"

/** The parts of a request that are known before its channel is. */
export interface RequestHead {
  readonly envelope: common.Envelope
  readonly payload: common.Payload
  readonly header: common.Header
  readonly channelHeader: common.ChannelHeader
}

const bad = (detail: string) => Either.left(new RequestRefused({ status: common.Status.BAD_REQUEST, detail }))

const decode = <A>(what: string, read: () => A): Either.Either<A, RequestRefused> => {
  try {
    return Either.right(read())
  } catch (error) {
    return bad(`error unmarshaling ${what}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Step 1. The header type is not looked at. */
export const readHead = (envelope: common.Envelope): Either.Either<RequestHead, RequestRefused> => {
  const payload = decode("Payload", () => common.Payload.decode(envelope.payload))
  if (Either.isLeft(payload)) return Either.left(payload.left)
  const { header } = payload.right
  if (header === undefined) return bad("bad header")
  const channelHeader = decode("ChannelHeader", () => common.ChannelHeader.decode(header.channelHeader))
  return Either.map(channelHeader, (decoded) => ({ envelope, payload: payload.right, header, channelHeader: decoded }))
}

export interface Binding {
  /** Server's time, milliseconds since the epoch. */
  readonly now: number
  /** The largest difference allowed between the two clocks, milliseconds, both ways. */
  readonly timeWindow: number
  /** Whether the request must name the client's TLS certificate. */
  readonly mutualTls: boolean
  readonly clientCertificateDer: Uint8Array | undefined
}

const nanosPerMilli = 1_000_000n

/** Step 2. */
export const checkBinding = (header: common.ChannelHeader, binding: Binding): Either.Either<void, RequestRefused> => {
  const { timestamp } = header
  if (timestamp === undefined) return bad("channel header in envelope must contain timestamp")
  const sent = timestamp.seconds * 1_000_000_000n + BigInt(timestamp.nanos)
  const difference = BigInt(Math.trunc(binding.now)) * nanosPerMilli - sent
  const apart = difference < 0n ? -difference : difference
  if (apart > BigInt(Math.trunc(binding.timeWindow)) * nanosPerMilli) {
    return bad(
      `envelope timestamp ${timestamp.seconds}s is more than ${binding.timeWindow}ms apart from current server time ${binding.now}ms`
    )
  }
  if (!binding.mutualTls) return Either.right(undefined)
  if (header.tlsCertHash.length === 0) return bad("client didn't include its TLS cert hash")
  if (binding.clientCertificateDer === undefined) return bad("client didn't send a TLS certificate")
  const actual = sha256(binding.clientCertificateDer)
  return equalBytes(actual, header.tlsCertHash)
    ? Either.right(undefined)
    : bad(`claimed TLS cert hash is ${toHex(header.tlsCertHash)} but actual TLS cert hash is ${toHex(actual)}`)
}

/** Step 4. */
export const readSeekInfo = (payload: common.Payload): Either.Either<orderer.SeekInfo, RequestRefused> =>
  decode("SeekInfo", () => orderer.SeekInfo.decode(payload.data))

/** Step 6: the envelope's one signature as policies want it. */
export const readSignedData = (head: RequestHead): Either.Either<SignedData, RequestRefused> =>
  Either.map(
    decode("SignatureHeader", () => common.SignatureHeader.decode(head.header.signatureHeader)),
    ({ creator }) => ({ data: head.envelope.payload, identity: creator, signature: head.envelope.signature })
  )
