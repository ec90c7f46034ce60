/**
 * Reading the body of a PUT to /logspec as Go's json.Decoder does: the first value counts, what follows is ignored, and
 * the errors are Go's words. Pure.
 * Source: common/flogging/httpadmin; operations-cli.md 1.2.
 */
import * as Either from "effect/Either"
import { firstJsonValue } from "../runtime/goJson.js"

const goName = (value: unknown): string =>
  Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value

/** The `spec` of the body; keys match in any case, the last one wins, null and absence are empty. */
export const readLogSpec = (text: string): Either.Either<string, string> =>
  Either.flatMap(firstJsonValue(text), (value) => {
    if (value === null) return Either.right("")
    if (typeof value !== "object" || Array.isArray(value)) {
      return Either.left(`json: cannot unmarshal ${goName(value)} into Go value of type httpadmin.LogSpec`)
    }
    let spec = ""
    for (const [key, item] of Object.entries(value)) {
      if (key.toLowerCase() !== "spec" || item === null) continue
      if (typeof item !== "string") {
        return Either.left(`json: cannot unmarshal ${goName(item)} into Go struct field LogSpec.spec of type string`)
      }
      spec = item
    }
    return Either.right(spec)
  })
