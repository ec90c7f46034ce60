/**
 * A config transaction on the peer: checked against the configuration in force and put in force while its block is
 * validated, before the block is committed. Pure but for the switch of the holder.
 * Source: peer-endorse-validate.md 3.6 rules 2, 5, 6; core/peer/peer.go (chainSupport.Apply).
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import {
  Bundle,
  type BundleSource,
  type CapabilityUnsupported,
  type ConfigError,
  validateConfigEnvelope,
  validateNew
} from "../channelconfig/index.js"
import type { common } from "../wire/index.js"
import { copyBytes, EMPTY } from "../wire/protoutil.js"
import * as raw from "../wire/raw.js"

/** The next configuration, or why it must not come into force. */
export const nextBundle = (
  current: Bundle,
  envelope: common.ConfigEnvelope,
  bytes: Uint8Array
): Either.Either<Bundle, ConfigError | CapabilityUnsupported> =>
  Either.gen(function* () {
    yield* validateConfigEnvelope(current, envelope)
    const next = yield* Bundle.fromConfigBytes(current.channelId, copyBytes(raw.field(bytes, 1) ?? EMPTY))
    yield* validateNew(current, next)
    yield* next.peerSupport
    return next
  })

/** In: the envelope decoded and its bytes. Out: the holder has the next bundle, or nothing has changed. */
export const applyConfig = (
  source: BundleSource,
  envelope: common.ConfigEnvelope,
  bytes: Uint8Array
): Effect.Effect<void, ConfigError | CapabilityUnsupported> =>
  Effect.suspend(() =>
    Either.match(nextBundle(source.current(), envelope, bytes), {
      onLeft: (error) => Effect.fail(error),
      onRight: (bundle) => Effect.sync(() => source.update(bundle))
    })
  )
