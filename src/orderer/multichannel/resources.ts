/**
 * Whether this orderer can run a config. Pure.
 * Source: orderer.md 3.1 rule 2, 3.2 rule 4; orderer/common/multichannel/registrar.go (checkResources).
 */
import * as Either from "effect/Either"
import type { Bundle } from "../../channelconfig/index.js"

/** The left side is the reference's text. */
export const checkResources = (bundle: Bundle): Either.Either<void, string> => {
  if (bundle.orderer === undefined) return Either.left("config does not contain orderer config")
  return Either.mapLeft(bundle.ordererSupport, (error) => {
    const level = error.level === "Orderer" ? "orderer" : "channel"
    return `config requires unsupported ${level} capabilities: ${error.message}: ${error.message}`
  })
}
