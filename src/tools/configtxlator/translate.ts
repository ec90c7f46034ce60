/** configtxlator's work as functions from bytes to bytes (common/tools/configtxlator/main.go). Pure. */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import { computeUpdate, decodeConfig } from "../../channelconfig/index.js"
import { common, type MessageInfo } from "../../wire/index.js"
import { deepMarshalJson, deepUnmarshalJson, messageNamed, plain } from "../protolator/index.js"

/** Input that cannot be translated. */
export class TranslationFailed extends Data.TaggedError("TranslationFailed")<{ readonly detail: string }> {
  override get message(): string {
    return this.detail
  }
}

type Result<A> = Either.Either<A, TranslationFailed>
const failed = (prefix: string) => (error: { readonly message: string }) =>
  new TranslationFailed({ detail: `${prefix}: ${error.message}` })
const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const typeNamed = (name: string): Result<MessageInfo> => {
  const type = messageNamed(name)
  return type === undefined
    ? Either.left(new TranslationFailed({ detail: `message of type ${name} unknown` }))
    : Either.right(type)
}

/** JSON to a message's bytes. `typeName` is a full name such as `common.Config`. */
export const protoEncode = (typeName: string, json: string): Result<Uint8Array> =>
  Either.flatMap(typeNamed(typeName), (type) =>
    Either.flatMap(Either.mapLeft(deepUnmarshalJson(plain(type), json), failed("error decoding input")), (message) =>
      Either.try({
        try: () => type.encode(message),
        catch: (cause) => new TranslationFailed({ detail: `error marshaling: ${messageOf(cause)}` })
      })
    )
  )

/** A message's bytes to JSON. */
export const protoDecode = (typeName: string, bytes: Uint8Array): Result<string> =>
  Either.flatMap(typeNamed(typeName), (type) =>
    Either.flatMap(
      Either.try({
        try: () => type.decode(bytes),
        catch: (cause) => new TranslationFailed({ detail: `error unmarshaling: ${messageOf(cause)}` })
      }),
      (message) => Either.mapLeft(deepMarshalJson(plain(type), message), failed("error encoding output"))
    )
  )

/** The update between two serialized `common.Config`, as a serialized `common.ConfigUpdate` for the channel. */
export const updateBetween = (original: Uint8Array, updated: Uint8Array, channelId: string): Result<Uint8Array> =>
  Either.gen(function* () {
    const from = yield* Either.mapLeft(decodeConfig(original), failed("error unmarshaling original config"))
    const to = yield* Either.mapLeft(decodeConfig(updated), failed("error unmarshaling updated config"))
    const update = yield* Either.mapLeft(computeUpdate(from, to), failed("error computing config update"))
    return common.ConfigUpdate.encode({ ...update, channelId })
  })
