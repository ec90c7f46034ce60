/**
 * A Mango selector made into a function. Which conditions there are, and what holds for fields that are not there, is
 * decided here as CouchDB decides it; what an operator says of a value is the library's (pouchdb-selector-core). Pure.
 * Source: CouchDB's documentation of selectors; mango_selector.erl for negation and absent fields.
 */
import type * as Core from "pouchdb-selector-core"
import { QueryFailed } from "../simulator/errors.js"
import { isJsonObject, type JsonObject, marshalJson } from "../statedb/goJson.js"

export type SelectorCore = typeof Core
export type Predicate = (value: unknown) => boolean

/** What CouchDB would have answered to a request, in the words in which the reference reports it. */
export const refused = (error: string, reason: string): QueryFailed =>
  new QueryFailed({ reason: `error handling CouchDB request. Error:${error},  Status Code:400,  Reason:${reason}` })

const badArgument = (operator: string, argument: unknown): QueryFailed =>
  refused("bad_arg", `Bad argument for operator ${operator}: ${marshalJson(argument)}`)

/** Conditions within conditions; more is no query that anyone writes by hand, and each level is a call. */
const MAX_DEPTH = 200

const opposites: Readonly<Record<string, string>> = {
  $eq: "$ne",
  $ne: "$eq",
  $lt: "$gte",
  $gte: "$lt",
  $lte: "$gt",
  $gt: "$lte",
  $in: "$nin",
  $nin: "$in"
}

const isArray = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)
const isInteger = (value: unknown): value is number => Number.isInteger(value)

/** Whether an operator's argument is of the kind that it needs. */
const fits = (operator: string, argument: unknown): boolean => {
  switch (operator) {
    case "$eq":
    case "$ne":
    case "$lt":
    case "$lte":
    case "$gt":
    case "$gte":
      return true
    case "$in":
    case "$nin":
    case "$all":
      return isArray(argument)
    case "$exists":
      return typeof argument === "boolean"
    case "$type":
      return typeof argument === "string"
    case "$size":
      return isInteger(argument)
    case "$mod":
      return isArray(argument) && argument.length === 2 && argument.every(isInteger) && argument[0] !== 0
    case "$regex":
      return typeof argument === "string" && isRegex(argument)
    default:
      return false
  }
}

const isRegex = (text: string): boolean => {
  try {
    new RegExp(text)
    return true
  } catch {
    return false
  }
}

const known = new Set(
  "$eq $ne $lt $lte $gt $gte $in $nin $all $exists $type $size $mod $regex $elemMatch $allMatch $and $or $nor $not".split(
    " "
  )
)

/** A field of a value by its path, of its own properties only; undefined when there is none. */
export const fieldOf = (value: unknown, path: ReadonlyArray<string>): unknown => {
  let found: unknown = value
  for (const name of path) {
    if (isArray(found)) {
      if (!/^\d+$/.test(name)) return undefined
      found = found[Number(name)]
    } else if (isJsonObject(found) && Object.hasOwn(found, name)) found = found[name]
    else return undefined
  }
  return found
}

export class SelectorCompiler {
  /** Whether there is a regular expression in it: those may take long. */
  usesRegex = false

  constructor(private readonly core: SelectorCore) {}

  /** @throws QueryFailed with what CouchDB answers to a selector that is none */
  compile(selector: unknown): Predicate {
    if (!isJsonObject(selector))
      throw refused("invalid_selector_json", `Selector must be a JSON object, not: ${marshalJson(selector)}`)
    return this.all(selector, false, 0)
  }

  /** Every entry of an object of conditions; negated: not every one. */
  private all(conditions: JsonObject, negated: boolean, depth: number): Predicate {
    if (depth > MAX_DEPTH) throw refused("invalid_selector_json", "Selector is nested too deeply")
    const parts = Object.entries(conditions).map(([name, argument]) => this.entry(name, argument, negated, depth + 1))
    const [only] = parts
    if (only !== undefined && parts.length === 1) return only
    return negated ? (value) => parts.some((part) => part(value)) : (value) => parts.every((part) => part(value))
  }

  private entry(name: string, argument: unknown, negated: boolean, depth: number): Predicate {
    if (!name.startsWith("$")) return this.field(name, argument, negated, depth)
    if (!known.has(name)) throw refused("invalid_operator", `Invalid operator: ${name}`)
    switch (name) {
      case "$and":
      case "$or":
      case "$nor": {
        if (!isArray(argument) || !argument.every(isJsonObject)) throw badArgument(name, argument)
        const inner = argument.map((one) => this.all(one, (name === "$nor") !== negated, depth))
        if (inner.length === 0) return () => !negated
        return (name === "$or") === negated
          ? (value) => inner.every((one) => one(value))
          : (value) => inner.some((one) => one(value))
      }
      case "$not":
        if (!isJsonObject(argument)) throw badArgument(name, argument)
        return this.all(argument, !negated, depth)
      case "$elemMatch":
      case "$allMatch": {
        if (!isJsonObject(argument)) throw badArgument(name, argument)
        const inner = this.all(argument, false, depth)
        const holds: Predicate = (value) =>
          isArray(value) && value.length > 0 && (name === "$elemMatch" ? value.some(inner) : value.every(inner))
        return negated ? this.not(holds) : holds
      }
      default:
        return this.operator(name, argument, negated)
    }
  }

  /** Conditions on a field. Where it is not there, none holds but "is not there": each operator sees to that. */
  private field(name: string, argument: unknown, negated: boolean, depth: number): Predicate {
    const path = this.core.parseField(name)
    const holds =
      isJsonObject(argument) && Object.keys(argument).length > 0
        ? this.all(argument, negated, depth)
        : this.operator("$eq", argument, negated)
    return (value) => holds(fieldOf(value, path))
  }

  /** One operator on a value, or on undefined: the field is not there. */
  private operator(name: string, argument: unknown, negated: boolean): Predicate {
    if (!fits(name, argument)) throw badArgument(name, argument)
    if (name === "$exists") {
      const wanted = (argument === true) !== negated
      return (value) => (value !== undefined) === wanted
    }
    const opposite = negated ? opposites[name] : undefined
    if (opposite !== undefined) return this.operator(opposite, argument, false)
    if (name === "$nin") return this.not(this.operator("$in", argument, false))
    if (name === "$in" && isArray(argument)) {
      // the library lets null be in no list
      const holds = this.library(name, argument)
      return (value) => (value === null ? argument.includes(null) : holds(value))
    }
    if (name === "$all" && isArray(argument) && argument.length === 0) return (value) => negated && value !== undefined
    if (name === "$regex") this.usesRegex = true
    const holds = this.library(name, name === "$ne" || name === "$regex" ? [argument] : argument)
    return negated ? this.not(holds) : holds
  }

  private not(holds: Predicate): Predicate {
    return (value) => value !== undefined && !holds(value)
  }

  private library(operator: string, argument: unknown): Predicate {
    const { rowFilter } = this.core
    const condition = { value: { [operator]: argument } }
    const fields = ["value"]
    return (value) => value !== undefined && rowFilter({ value }, condition, fields)
  }
}
