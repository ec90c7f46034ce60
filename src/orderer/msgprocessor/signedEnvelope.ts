/**
 * Envelopes that the orderer itself makes: CONFIG, and ORDERER_TRANSACTION around it.
 * Source: orderer.md section 4 item 1; protos/utils/txutils.go.
 */
import type { Signer } from "../../msp/index.js"
import { common } from "../../wire/index.js"
import { makePayload } from "../../wire/protoutil.js"
import type { RawEnvelope } from "./envelope.js"
import { makeEnvelope } from "./envelope.js"

/** The orderer's identity with the two things that differ from call to call. */
export interface Signing {
  readonly signer: Signer
  /** 24 random bytes. */
  readonly nonce: () => Uint8Array
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** A fresh signature header of this orderer, encoded. */
export const signatureHeader = ({ nonce, signer }: Signing): Uint8Array =>
  common.SignatureHeader.encode({ creator: signer.serialized, nonce: nonce() })

/** A signed envelope of the type on the channel; the timestamp has whole seconds. */
export const signedEnvelope = (type: number, channelId: string, data: Uint8Array, signing: Signing): RawEnvelope => {
  const timestamp = { seconds: BigInt(Math.floor(signing.now() / 1000)), nanos: 0 }
  const payload = makePayload(
    { type, channelId, timestamp },
    { creator: signing.signer.serialized, nonce: signing.nonce() },
    data
  )
  return makeEnvelope(payload, signing.signer.sign(payload))
}
