/**
 * What a remote peer may learn about others. Pure.
 * Source: gossip-discovery.md 3.4.12 (gossip/gossip/gossip_impl.go disclosurePolicy).
 */
import type { gossip } from "../../wire/index.js"
import { idKey } from "../ids.js"
import type { SignedGossipMessage } from "../messages.js"
import { withoutSecret } from "../signing.js"

export interface Disclosure {
  /** Whether the alive message of this member may be told; `key` is that of its PKI-ID. */
  readonly discloses: (member: { readonly key: string; readonly endpoint: string }) => boolean
  /** The envelope without what the remote's organisation must not see. */
  readonly envelope: (envelope: gossip.Envelope) => gossip.Envelope
}

const nothing: Disclosure = { discloses: () => false, envelope: (envelope) => stripped(envelope) }

const stripped = (envelope: gossip.Envelope): gossip.Envelope =>
  envelope.secretEnvelope === undefined ? envelope : { ...envelope, secretEnvelope: undefined }

/**
 * @param orgOfKey MSP ID by a PKI-ID's key; undefined: unknown
 * @param remote whom to tell, with its external endpoint
 */
export const disclosureTo = (
  selfOrg: string,
  orgOfKey: (key: string) => string | undefined,
  remote: { readonly pkiId: Uint8Array; readonly endpoint: string }
): Disclosure => {
  const remoteOrg = orgOfKey(idKey(remote.pkiId))
  if (remoteOrg === undefined) return nothing
  return {
    discloses: ({ key, endpoint }) => {
      const org = orgOfKey(key)
      if (org === undefined || (org !== remoteOrg && org !== selfOrg)) return false
      return org === remoteOrg || (endpoint !== "" && remote.endpoint !== "")
    },
    envelope: (envelope) => (remoteOrg === selfOrg ? envelope : stripped(envelope))
  }
}

/** The message for this remote. */
export const disclosed = (disclosure: Disclosure, message: SignedGossipMessage): SignedGossipMessage =>
  disclosure.envelope(message.envelope) === message.envelope ? message : withoutSecret(message)
