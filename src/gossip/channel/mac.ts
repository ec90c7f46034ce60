/**
 * The channel's name as StateInfo carries it: only who knows the name recognises it.
 * Source: gossip-discovery.md 3.6.2.
 */
import { sha256 } from "../../crypto/hash.js"
import { utf8 } from "../../wire/bytes.js"

/** SHA-256 of PKI-ID and channel name. */
export const channelMac = (pkiId: Uint8Array, channelId: string): Uint8Array => sha256(pkiId, utf8(channelId))
