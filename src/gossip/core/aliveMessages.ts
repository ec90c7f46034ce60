/**
 * Making own alive messages, and judging those of others.
 * Source: gossip-discovery.md 3.4.1, 3.4.4 (gossip/gossip/gossip_impl.go discoverySecurityAdapter).
 */
import * as Either from "effect/Either"
import type { SyncLog } from "../../runtime/Log.js"
import { toHex } from "../../wire/bytes.js"
import { gossip } from "../../wire/index.js"
import type { Init } from "../../wire/types.js"
import type { IdentityMapper } from "../identity/index.js"
import type { SignedGossipMessage } from "../messages.js"
import type { Refused, SecurityShape } from "../Security.js"
import { isSigned, signed, verifyMessage, withSecret } from "../signing.js"

export interface AliveMessagesPorts {
  readonly security: Pick<SecurityShape, "identity" | "sign" | "verify">
  readonly identities: IdentityMapper
  readonly log: SyncLog
  /** Whether own messages carry the certificate yet. */
  readonly publishing: () => boolean
}

/** Signed; with the internal endpoint in a secret envelope where one is given. */
export const sealAlive =
  ({ security, publishing }: AliveMessagesPorts) =>
  (aliveMsg: Init<gossip.AliveMessage>, internalEndpoint: string): SignedGossipMessage => {
    const message = signed(
      {
        tag: gossip.GossipMessage_Tag.EMPTY,
        aliveMsg: publishing() ? { ...aliveMsg, identity: security.identity } : aliveMsg
      },
      security.sign
    )
    return internalEndpoint === "" ? message : withSecret(message, internalEndpoint, security.sign)
  }

/** Over the identity that is known of a PKI-ID. */
export const verifyKnown = (
  { security, identities }: Pick<AliveMessagesPorts, "security" | "identities">,
  message: SignedGossipMessage,
  pkiId: Uint8Array
): Either.Either<void, Refused> => {
  const known = identities.get(pkiId)
  if (known === undefined) return Either.left({ message: "PKIID wasn't found" })
  return verifyMessage(message, known.identity, security.verify)
}

/** An inline identity is put first; without one it must be known. */
export const validateAlive = (ports: AliveMessagesPorts, message: SignedGossipMessage): boolean => {
  const { identities, log } = ports
  const { membership, identity = new Uint8Array(0) } = message.message.aliveMsg ?? {}
  if (membership === undefined || membership.pkiId.length === 0 || !isSigned(message.envelope)) {
    log.warning("Invalid alive message")
    return false
  }
  const { pkiId } = membership
  let known = identities.get(pkiId)
  if (known === undefined && identity.length > 0) {
    const put = identities.put(pkiId, identity)
    if (Either.isLeft(put)) {
      log.debug(`Failed validating identity of ${toHex(pkiId)} reason: ${put.left.message}`)
      return false
    }
    known = identities.get(pkiId)
  }
  if (known === undefined) {
    log.debug(`Don't have certificate for ${toHex(pkiId)}`)
    return false
  }
  const verified = verifyMessage(message, known.identity, ports.security.verify)
  if (Either.isRight(verified)) return true
  log.warning(`Failed verifying alive message of ${toHex(pkiId)}: ${verified.left.message}`)
  return false
}
