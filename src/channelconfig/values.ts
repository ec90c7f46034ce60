/**
 * Decodes a group's values by their keys (identity-policy-config 2.3; common/channelconfig/standardvalues.go). Every key
 * must be one that the group allows. Pure.
 */
import * as Either from "effect/Either"
import { ConfigError } from "./errors.js"
import type { ConfigGroup } from "./tree.js"

/** What a generated message module offers. */
export interface Codec<A> {
  readonly decode: (bytes: Uint8Array) => A
  readonly create: (fields: Record<never, never>) => A
}
type Codecs = Readonly<Record<string, Codec<unknown>>>
type Decoded<C extends Codecs> = { readonly [K in keyof C]: C[K] extends Codec<infer A> ? A : never }

const detail = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Decodes one message, with a decoding failure as a value. */
export const decodeMessage = <A>(codec: Codec<A>, bytes: Uint8Array): Either.Either<A, ConfigError> => {
  try {
    return Either.right(codec.decode(bytes))
  } catch (error) {
    return Either.left(new ConfigError({ detail: detail(error) }))
  }
}

/**
 * In: a group and the message of each key that it may hold.
 * Out: a message per key, an empty one where the group has none. Errors: an unknown key, or bytes that do not decode.
 */
export const decodeValues = <C extends Codecs>(
  group: ConfigGroup,
  codecs: C
): Either.Either<Decoded<C>, ConfigError> => {
  const out: Record<string, unknown> = {}
  for (const [key, codec] of Object.entries(codecs)) out[key] = codec.create({})
  for (const [key, { value }] of group.values) {
    const codec = Object.hasOwn(codecs, key) ? codecs[key] : undefined
    if (codec === undefined) {
      return Either.left(new ConfigError({ detail: `failed to deserialize values: Unexpected key ${key}` }))
    }
    const decoded = decodeMessage(codec, value)
    if (Either.isLeft(decoded)) {
      return Either.left(new ConfigError({ detail: `failed to deserialize values: ${decoded.left.message}` }))
    }
    out[key] = decoded.right
  }
  return Either.right(out as Decoded<C>)
}
