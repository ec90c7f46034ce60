/** Whether one configuration may follow another, beyond the rules of updates (identity-policy-config rule 65). Pure. */
import * as Either from "effect/Either"
import type { Bundle } from "./Bundle.js"
import { ConfigError } from "./errors.js"
import type { Org } from "./sections.js"

type Result = Either.Either<void, ConfigError>
const refuse = (detail: string): Result => Either.left(new ConfigError({ detail }))
const fine: Result = Either.right(undefined)

const sameMspIds = (
  what: string,
  current: ReadonlyMap<string, Org>,
  next: ReadonlyMap<string, Org> | undefined
): Result => {
  for (const [name, { mspId }] of current) {
    const other = next?.get(name)
    if (other !== undefined && other.mspId !== mspId) {
      return refuse(`${what} org ${name} attempted to change MSP ID from ${mspId} to ${other.mspId}`)
    }
  }
  return fine
}

const ordererMayFollow = (current: Bundle, next: Bundle): Result => {
  if (current.orderer === undefined) return fine
  if (next.orderer === undefined) return refuse("current config has orderer section, but new config does not")
  const [from, to] = [current.orderer.consensusType, next.orderer.consensusType]
  if (from !== to && !current.channel.capabilities.consensusTypeMigration) {
    return refuse(`attempted to change consensus type from ${from} to ${to}`)
  }
  return sameMspIds("orderer", current.orderer.orgs, next.orderer.orgs)
}

const applicationMayFollow = (current: Bundle, next: Bundle): Result => {
  if (current.application === undefined) return fine
  if (next.application === undefined) return refuse("current config has application section, but new config does not")
  return sameMspIds("application", current.application.orgs, next.application.orgs)
}

const consortiumsMayFollow = (current: Bundle, next: Bundle): Result => {
  if (current.consortiums === undefined) {
    return next.consortiums === undefined
      ? fine
      : refuse("current config has no consortiums section, but new config does")
  }
  if (next.consortiums === undefined) return refuse("current config has consortiums section, but new config does not")
  for (const [name, { orgs }] of current.consortiums.consortiums) {
    const same = sameMspIds(`consortium ${name}`, orgs, next.consortiums.consortiums.get(name)?.orgs)
    if (Either.isLeft(same)) return same
  }
  return fine
}

/**
 * In: the bundle in force and the one to replace it.
 * Errors: a section that vanishes or must not appear, an organisation with another MSP id, another consensus type where
 * the current channel capabilities do not allow migration.
 */
export const validateNew = (current: Bundle, next: Bundle): Result =>
  Either.flatMap(ordererMayFollow(current, next), () =>
    Either.flatMap(applicationMayFollow(current, next), () => consortiumsMayFollow(current, next))
  )
