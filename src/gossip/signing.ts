/**
 * Messages and their envelopes: building and signing them by kind, opening what arrived within bounds, verifying over
 * the bytes that came. Pure. A received envelope is never encoded again (trap 4).
 * Source: gossip-discovery.md 3.5 rule 3, 4; protos/gossip/extensions.go.
 */
import * as Either from "effect/Either"
import { textOf } from "../runtime/Stage.js"
import { copyBytes } from "../wire/bytes.js"
import { EMPTY, gossip, WireError } from "../wire/index.js"
import type { Init, MessageType } from "../wire/types.js"
import { countFields, maxFields } from "./bounds.js"
import { contentOf, isSignedKind } from "./kinds.js"
import type { SignedGossipMessage } from "./messages.js"
import type { Refused } from "./Security.js"

/** Gives the signature over the bytes. */
export type Sign = (payload: Uint8Array) => Uint8Array

/** Checks a signature of the owner of `identity` over `message`. */
export type Verify = (identity: Uint8Array, signature: Uint8Array, message: Uint8Array) => Either.Either<void, Refused>

// ---- Bounds (ours: the reference has none but the transport's 100 MiB) ---------------------------------------------

/** Largest signature taken, bytes. */
export const maxSignatureSize = 8 * 1024
/** Largest secret payload taken, bytes: it holds one `host:port`. */
export const maxSecretSize = 4 * 1024
/** Largest payload of the kinds that concern one peer only: handshake, alive, StateInfo, leadership, acknowledgement… */
export const maxSmallPayload = 1024 * 1024

const smallKinds: ReadonlySet<string> = new Set([
  "aliveMsg",
  "empty",
  "conn",
  "stateInfo",
  "stateInfoPullReq",
  "stateRequest",
  "leadershipMsg",
  "peerIdentity",
  "ack"
] as const)

const refuse = (message: string): Either.Either<never, Refused> => Either.left({ message })

// ---- Opening what arrived ------------------------------------------------------------------------------------------

/** Decodes within bounds; `what` names the type in the refusal, as the reference does. */
const decode = <T>(type: MessageType<T>, bytes: Uint8Array, what: string): Either.Either<T, Refused> => {
  try {
    const count = countFields(type, bytes, maxFields)
    if (count < 0) return refuse(`${what}: nested too deeply`)
    if (count > maxFields) return refuse(`${what}: more than ${maxFields} fields`)
    return Either.right(type.decode(bytes))
  } catch (error) {
    if (error instanceof WireError) return refuse(`${what}: ${error.message}`)
    return refuse(`${what}: ${textOf(error)}`)
  }
}

/**
 * A message out of an envelope that lay in another message (membership answers, updates, snapshots). The result's bytes
 * are views of what came: {@link detached} before keeping it.
 */
export const openEnvelope = (envelope: gossip.Envelope | undefined): Either.Either<SignedGossipMessage, Refused> => {
  if (envelope === undefined) return refuse("nil envelope")
  const { payload, signature, secretEnvelope } = envelope
  if (signature.length > maxSignatureSize) return refuse(`signature of ${signature.length} bytes is too large`)
  if (secretEnvelope !== undefined) {
    if (secretEnvelope.payload.length > maxSecretSize || secretEnvelope.signature.length > maxSignatureSize) {
      return refuse("secret envelope is too large")
    }
  }
  const decoded = decode(gossip.GossipMessage, payload, "Failed unmarshaling GossipMessage from envelope")
  if (Either.isLeft(decoded)) return Either.left(decoded.left)
  const message = decoded.right
  const kind = contentOf(message)
  if (payload.length > maxSmallPayload && (kind === undefined || smallKinds.has(kind))) {
    return refuse(`message ${kind ?? "without content"} of ${payload.length} bytes is too large`)
  }
  return Either.right({ envelope, message })
}

/** A message out of a stream's bytes (a marshalled `gossip.Envelope`). */
export const openMessage = (bytes: Uint8Array): Either.Either<SignedGossipMessage, Refused> => {
  const envelope = decode(gossip.Envelope, bytes, "Failed unmarshaling Envelope")
  return Either.isLeft(envelope) ? Either.left(envelope.left) : openEnvelope(envelope.right)
}

/** A copy that does not hold on to the message that it came in; the payload's bytes are the same. */
export const detached = ({ envelope }: SignedGossipMessage): SignedGossipMessage => {
  const { payload, signature, secretEnvelope } = envelope
  const copy = copyBytes(payload)
  return {
    envelope: gossip.Envelope.create({
      payload: copy,
      signature: copyBytes(signature),
      secretEnvelope:
        secretEnvelope === undefined
          ? undefined
          : { payload: copyBytes(secretEnvelope.payload), signature: copyBytes(secretEnvelope.signature) }
    }),
    message: gossip.GossipMessage.decode(copy)
  }
}

// ---- Building and signing ------------------------------------------------------------------------------------------

const wrap = (message: Init<gossip.GossipMessage>, sign: Sign | undefined): SignedGossipMessage => {
  const payload = gossip.GossipMessage.encode(message)
  const signature = sign === undefined ? EMPTY : sign(payload)
  return {
    envelope: gossip.Envelope.create({ payload, signature }),
    message: gossip.GossipMessage.create(message)
  }
}

/** The message with an empty signature. Throws WireError for a value that no message can hold. */
export const unsigned = (message: Init<gossip.GossipMessage>): SignedGossipMessage => wrap(message, undefined)

/** The message signed, whatever its kind. */
export const signed = (message: Init<gossip.GossipMessage>, sign: Sign): SignedGossipMessage => wrap(message, sign)

/** Signed where messages of its kind are (3.5 rule 3), else with an empty signature. */
export const sealed = (message: Init<gossip.GossipMessage>, sign: Sign): SignedGossipMessage =>
  wrap(message, isSignedKind(contentOf(message)) ? sign : undefined)

/** Adds the internal endpoint, signed on its own, for peers of the own organisation. */
export const withSecret = (
  { envelope, message }: SignedGossipMessage,
  internalEndpoint: string,
  sign: Sign
): SignedGossipMessage => {
  const payload = gossip.Secret.encode({ internalEndpoint })
  return {
    envelope: gossip.Envelope.create({ ...envelope, secretEnvelope: { payload, signature: sign(payload) } }),
    message
  }
}

/** The same message for peers of other organisations; the argument is left as it is (unlike in Go, trap 9). */
export const withoutSecret = (message: SignedGossipMessage): SignedGossipMessage =>
  message.envelope.secretEnvelope === undefined
    ? message
    : { envelope: gossip.Envelope.create({ ...message.envelope, secretEnvelope: undefined }), message: message.message }

/** The internal endpoint that an envelope tells; empty where it has none or it cannot be read. */
export const internalEndpointOf = ({ secretEnvelope }: gossip.Envelope): string => {
  if (secretEnvelope === undefined || secretEnvelope.payload.length > maxSecretSize) return ""
  const secret = decode(gossip.Secret, secretEnvelope.payload, "Secret")
  return Either.isRight(secret) ? (secret.right.internalEndpoint ?? "") : ""
}

/** The bytes that go on a stream. */
export const envelopeBytes = (envelope: gossip.Envelope): Uint8Array => gossip.Envelope.encode(envelope)

/** The first message of a connection, both ways (3.2 rule 2). */
export const connMessage = (
  init: { readonly pkiId: Uint8Array; readonly identity: Uint8Array; readonly tlsCertHash: Uint8Array },
  sign: Sign
): SignedGossipMessage => sealed({ tag: gossip.GossipMessage_Tag.EMPTY, conn: init }, sign)

/** The answer to a message that wants one: its nonce, no tag, no channel; an empty text is success (3.2 rule 9). */
export const ackMessage = (nonce: bigint, error = ""): SignedGossipMessage => unsigned({ nonce, ack: { error } })

// ---- Verifying -----------------------------------------------------------------------------------------------------

/** Whether an envelope carries a signature. */
export const isSigned = ({ payload, signature }: gossip.Envelope): boolean => payload.length > 0 && signature.length > 0

const checkPart = (
  part: { readonly payload: Uint8Array; readonly signature: Uint8Array },
  identity: Uint8Array,
  verify: Verify
): Either.Either<void, Refused> => {
  if (part.payload.length === 0) return refuse("Empty payload")
  if (part.signature.length === 0) return refuse("Empty signature")
  return verify(identity, part.signature, part.payload)
}

/** Verifies the signature over the raw payload, and that of the secret envelope where there is one. */
export const verifyMessage = (
  message: { readonly envelope?: gossip.Envelope | undefined },
  identity: Uint8Array,
  verify: Verify
): Either.Either<void, Refused> => {
  const { envelope } = message
  if (envelope === undefined) return refuse("Missing envelope")
  const outer = checkPart(envelope, identity, verify)
  if (Either.isLeft(outer) || envelope.secretEnvelope === undefined) return outer
  return checkPart(envelope.secretEnvelope, identity, verify)
}
