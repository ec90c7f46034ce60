/** Time and randomness for the pure makers of messages. */
import { randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Moment } from "./envelope.js"

/** Bytes of a nonce, as every Fabric client makes it. */
const NONCE = 24

/** Now, with a fresh nonce. */
export const moment: Effect.Effect<Moment> = Effect.map(Clock.currentTimeMillis, (now) => ({
  now,
  nonce: new Uint8Array(randomBytes(NONCE))
}))
