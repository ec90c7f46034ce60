/** Legal names in a configuration (identity-policy-config rule 64; common/configtx/validator.go). Pure. */
import * as Either from "effect/Either"
import { ConfigError } from "./errors.js"

const maxLength = 249
const refuse = (detail: string) => Either.left(new ConfigError({ detail }))

/** A key of a group, value or policy, or one element of a mod_policy path. */
export const validateConfigId = (id: string): Either.Either<void, ConfigError> => {
  if (id.length === 0) return refuse("config ID illegal, cannot be empty")
  if (Buffer.byteLength(id) > maxLength) return refuse(`config ID illegal, cannot be longer than ${maxLength}`)
  if (id === "." || id === "..") return refuse(`name '${id}' for config ID is not allowed`)
  if (!/^[a-zA-Z0-9.-]+$/.test(id)) return refuse(`config ID '${id}' contains illegal characters`)
  return Either.right(undefined)
}

/** A channel id: lower-case letters, digits, dot and dash, a letter first. */
export const validateChannelId = (id: string): Either.Either<void, ConfigError> => {
  if (id.length === 0) return refuse("channel ID illegal, cannot be empty")
  if (Buffer.byteLength(id) > maxLength) return refuse(`channel ID illegal, cannot be longer than ${maxLength}`)
  if (!/^[a-z][a-z0-9.-]*$/.test(id)) {
    return refuse(`channel ID '${id}' contains illegal characters`)
  }
  return Either.right(undefined)
}

/** A mod_policy: legal names separated by `/`, with an optional `/` before the first (rule 71). */
export const validateModPolicy = (modPolicy: string): Either.Either<void, ConfigError> => {
  if (modPolicy === "") return refuse("mod_policy not set")
  const elements = (modPolicy.startsWith("/") ? modPolicy.slice(1) : modPolicy).split("/")
  for (const [i, element] of elements.entries()) {
    const valid = validateConfigId(element)
    if (Either.isLeft(valid)) return refuse(`path element at ${i} is invalid: ${valid.left.message}`)
  }
  return Either.right(undefined)
}
