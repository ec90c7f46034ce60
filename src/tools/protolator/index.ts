/**
 * Messages to readable JSON and back, with the messages inside byte fields expanded (rank 10): what configtxlator and
 * configtxgen's inspection print. Pure. Imports wire only.
 */
import * as Either from "effect/Either"
import type { ProtolatorError } from "./errors.js"
import { messageFromTree } from "./fromJson.js"
import { parseJsonObject, printJson } from "./json.js"
import type { Shape } from "./shapes.js"
import { messageTree } from "./toJson.js"

export * from "./errors.js"
export { consortiumOrg, messageNamed, plain, type Shape } from "./shapes.js"

/** JSON of a message, tab indented, keys sorted. */
export const deepMarshalJson = (shape: Shape, message: object): Either.Either<string, ProtolatorError> =>
  Either.map(messageTree(shape, message), printJson)

/** The message of a JSON document. */
export const deepUnmarshalJson = (shape: Shape, json: string): Either.Either<object, ProtolatorError> =>
  Either.flatMap(parseJsonObject(json), (tree) => messageFromTree(shape, tree))
