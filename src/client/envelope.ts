/** Signed envelopes. Source: protos/utils/txutils.go (CreateSignedEnvelope) of the reference. */
import type { Signer } from "../msp/index.js"
import { common } from "../wire/index.js"
import { makePayload, timestampOf } from "../wire/protoutil.js"

/** Who signs: a local MSP's signer, or a test's. */
export type ClientSigner = Pick<Signer, "serialized" | "sign">

/** What must not be guessed by pure code. */
export interface Moment {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** 24 random bytes. */
  readonly nonce: Uint8Array
}

export interface EnvelopeParts extends Moment {
  readonly type: number
  readonly channelId: string
  readonly data: Uint8Array
  readonly signer: ClientSigner
  readonly txId?: string
  /** SHA-256 of the client's TLS certificate, under mutual TLS. */
  readonly tlsCertHash?: Uint8Array
}

/** The bytes of a signed envelope. */
export const signedEnvelope = (parts: EnvelopeParts): Uint8Array => {
  const payload = makePayload(
    {
      type: parts.type,
      channelId: parts.channelId,
      timestamp: timestampOf(parts.now),
      txId: parts.txId,
      tlsCertHash: parts.tlsCertHash
    },
    { creator: parts.signer.serialized, nonce: parts.nonce },
    parts.data
  )
  return common.Envelope.encode({ payload, signature: parts.signer.sign(payload) })
}

/** One more signature on a config update: over signature header and update bytes. */
export const configSignature = (
  update: Uint8Array,
  signer: ClientSigner,
  nonce: Uint8Array
): common.ConfigSignature => {
  const signatureHeader = common.SignatureHeader.encode({ creator: signer.serialized, nonce })
  const signature = signer.sign(Buffer.concat([signatureHeader, update]))
  return common.ConfigSignature.create({ signatureHeader, signature })
}

/** A CONFIG_UPDATE envelope around an update with the signatures of all `signers`; `submitter` signs the envelope. */
export const configUpdateEnvelope = (
  channelId: string,
  update: Uint8Array,
  signers: ReadonlyArray<ClientSigner>,
  submitter: ClientSigner,
  moment: () => Moment
): Uint8Array =>
  signedEnvelope({
    ...moment(),
    type: common.HeaderType.CONFIG_UPDATE,
    channelId,
    signer: submitter,
    data: common.ConfigUpdateEnvelope.encode({
      configUpdate: update,
      signatures: signers.map((signer) => configSignature(update, signer, moment().nonce))
    })
  })
