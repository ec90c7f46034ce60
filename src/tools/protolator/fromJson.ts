/** Messages out of the JSON that `toJson` makes, expanded bytes put together again. Pure. */
import * as Either from "effect/Either"
import type { FieldInfo, MessageInfo } from "../../wire/index.js"
import { ProtolatorError } from "./errors.js"
import { isObject, type Json, JsonNumber, type JsonObject } from "./json.js"
import { goName, type Plan, plain, planOf, type Shape } from "./shapes.js"
import { timestampType } from "./toJson.js"

type Result<A> = Either.Either<A, ProtolatorError>
const refuse = (detail: string) => Either.left(new ProtolatorError({ detail }))
const prefix =
  (text: string) =>
  (error: ProtolatorError): ProtolatorError =>
    new ProtolatorError({ detail: `${text}: ${error.detail}` })

const kindOf = (value: Json): string =>
  value === null
    ? "null"
    : Array.isArray(value)
      ? "array"
      : value instanceof Map
        ? "object"
        : value instanceof JsonNumber
          ? "number"
          : typeof value === "boolean"
            ? "bool"
            : "string"

const goTypeOf = (value: Json): string =>
  ({
    null: "<nil>",
    array: "[]interface {}",
    object: "map[string]interface {}",
    number: "json.Number",
    bool: "bool",
    string: "string"
  })[kindOf(value)] ?? "unknown"

const mismatch = (value: Json, goType: string) =>
  refuse(`json: cannot unmarshal ${kindOf(value)} into Go value of type ${goType}`)

// ----------------------------------------------------------------------------------------------------- plain values

interface Range {
  readonly goType: string
  readonly min: bigint
  readonly max: bigint
}
const ranges: Readonly<Record<string, Range>> = {
  int32: { goType: "int32", min: -(1n << 31n), max: (1n << 31n) - 1n },
  uint32: { goType: "uint32", min: 0n, max: (1n << 32n) - 1n },
  int64: { goType: "int64", min: -(1n << 63n), max: (1n << 63n) - 1n },
  uint64: { goType: "uint64", min: 0n, max: (1n << 64n) - 1n }
}
/** Kinds that share another kind's range. */
const rangeOf = (kind: FieldInfo["kind"]): Range | undefined =>
  ranges[
    kind === "enum"
      ? "int32"
      : kind.replace(/^s(?=int|fixed)/, "").replace(/^fixed/, kind.startsWith("s") ? "int" : "uint")
  ]

const integer = (field: FieldInfo, value: Json): Result<unknown> => {
  const range = rangeOf(field.kind)
  if (range === undefined) return refuse(`field ${field.name} is of no known kind`)
  // Numbers may stand in quotes.
  const text = value instanceof JsonNumber ? value.text : typeof value === "string" ? value : undefined
  if (text === undefined) return mismatch(value, range.goType)
  if (!/^-?(0|[1-9][0-9]*)$/.test(text)) {
    return refuse(`json: cannot unmarshal number ${text} into Go value of type ${range.goType}`)
  }
  const number = BigInt(text)
  if (number < range.min || number > range.max) {
    return refuse(`json: cannot unmarshal number ${text} into Go value of type ${range.goType}`)
  }
  return Either.right(range.goType.endsWith("64") ? number : Number(number))
}

const base64 = (value: string): Result<Uint8Array> => {
  const text = value.replace(/[\r\n]/g, "")
  const at = /[^A-Za-z0-9+/=]/.exec(text)?.index
  const wellFormed = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)
  if (at !== undefined || !wellFormed)
    return refuse(`illegal base64 data at input byte ${at ?? Math.floor(text.length / 4) * 4}`)
  return Either.right(Uint8Array.from(Buffer.from(text, "base64")))
}

const timestamp = (value: Json): Result<unknown> => {
  if (typeof value !== "string") return mismatch(value, "string")
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(value)
  const milliseconds = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`)
  if (match === null || Number.isNaN(milliseconds)) {
    return refuse(`bad Timestamp: parsing time ${JSON.stringify(value)}: it is no RFC 3339 time`)
  }
  return Either.right({ seconds: BigInt(milliseconds) / 1000n, nanos: Number((match[2] ?? "").padEnd(9, "0")) })
}

/** `package.Message_Enum` of `package.Message.Enum`. */
const goEnumName = (typeName: string): string => {
  const [pkg = "", ...rest] = typeName.split(".")
  return `${pkg}.${rest.join("_")}`
}

const scalar = (field: FieldInfo, value: Json): Result<unknown> => {
  switch (field.kind) {
    case "string":
      return typeof value === "string" ? Either.right(value) : mismatch(value, "string")
    case "bool":
      return typeof value === "boolean" ? Either.right(value) : mismatch(value, "bool")
    case "bytes":
      return typeof value === "string" ? base64(value) : mismatch(value, "[]uint8")
    case "enum": {
      if (typeof value !== "string") return integer(field, value)
      const info = field.enum?.()
      const number = info !== undefined && Object.hasOwn(info.values, value) ? info.values[value] : undefined
      return number === undefined
        ? refuse(`unknown value ${JSON.stringify(value)} for enum ${goEnumName(info?.typeName ?? "")}`)
        : Either.right(number)
    }
    default:
      return integer(field, value)
  }
}

const plainItem = (field: FieldInfo, value: Json): Result<unknown> => {
  if (field.kind !== "message" || field.message === undefined) return scalar(field, value)
  const type = field.message()
  if (type.typeName === timestampType) return timestamp(value)
  return isObject(value) ? plainMessage(type, value) : mismatch(value, "map[string]json.RawMessage")
}

/** A field by the rules of proto3's JSON; `undefined` leaves the default, as null does. */
const plainField = (field: FieldInfo, value: Json): Result<unknown> =>
  Either.gen(function* () {
    if (value === null) return undefined
    if (field.mapKey !== undefined) {
      if (!isObject(value)) return yield* mismatch(value, "map[string]json.RawMessage")
      const out = new Map<unknown, unknown>()
      for (const [key, item] of value) {
        const mapKey = yield* field.mapKey === "string"
          ? Either.right(key)
          : scalar({ ...field, kind: field.mapKey }, field.mapKey === "bool" ? key === "true" : key)
        if (item === null && field.kind === "message") return yield* refuse(`map field ${field.name} has a null value`)
        out.set(mapKey, item === null ? undefined : yield* plainItem(field, item))
      }
      return out
    }
    if (field.repeated) {
      if (!Array.isArray(value)) return yield* mismatch(value, "[]json.RawMessage")
      const items: ReadonlyArray<Json> = value
      const out: Array<unknown> = []
      for (const item of items) {
        if (item === null && field.kind === "message") return yield* refuse("proto: repeated field has nil element")
        out.push(item === null ? undefined : yield* plainItem(field, item))
      }
      return out
    }
    return yield* plainItem(field, value)
  })

/** Takes the fields out of a tree, under their own or their camel-case names; anything left over is an error. */
const plainParts = (type: MessageInfo, tree: JsonObject): Result<Record<string, unknown>> =>
  Either.gen(function* () {
    const left = new Map(tree)
    const out: Record<string, unknown> = {}
    for (const field of type.fields) {
      let value: Json | undefined
      for (const name of new Set([field.name, field.property])) {
        if (left.has(name)) value = left.get(name)
        left.delete(name)
      }
      if (value !== undefined) out[field.property] = yield* plainField(field, value)
    }
    const [unknown] = left.keys()
    if (unknown !== undefined)
      return yield* refuse(`unknown field ${JSON.stringify(unknown)} in ${goName(type.typeName)}`)
    return out
  })

const plainMessage = (type: MessageInfo, tree: JsonObject): Result<object> =>
  Either.map(plainParts(type, tree), (parts) => type.create(parts))

// -------------------------------------------------------------------------------------------------- expanded fields

interface Special {
  readonly field: FieldInfo
  readonly value: Json
  readonly plan: Plan | undefined
  /** Lower ones are put together first: later ones look at what they made. */
  readonly rank: number
}

const rankOf = (plan: Plan | undefined): number =>
  plan === undefined ? 0 : plan.kind === "member" ? 3 : plan.varying ? 2 : 1

const specialItem = (
  shape: Shape,
  { field, plan }: Special,
  key: string,
  value: JsonObject,
  message: object
): Result<unknown> => {
  if (plan?.kind === "opaque") {
    return Either.flatMap(plan.of(message), (inner) =>
      Either.map(messageFromTree(inner, value), (made) => inner.type.encode(made))
    )
  }
  const type = field.message?.()
  if (type === undefined) return refuse(`field ${field.name} of ${shape.shown} holds no message`)
  return Either.flatMap(plan === undefined ? Either.right(plain(type)) : plan.of(key), (inner) =>
    messageFromTree(inner, value)
  )
}

const populate = (shape: Shape, special: Special, message: object): Result<unknown> =>
  Either.gen(function* () {
    const { field, value } = special
    const item = (at: string, what: string, key: string, json: Json) =>
      isObject(json)
        ? Either.mapLeft(
            specialItem(shape, special, key, json, message),
            prefix(`error in PopulateFrom for ${at} for message ${shape.shown}`)
          )
        : refuse(
            `expected ${what} for message ${shape.shown} to be assignable from map[string]interface {} but was not.  Is ${goTypeOf(json)}`
          )
    if (field.mapKey !== undefined) {
      if (!isObject(value)) {
        return yield* refuse(
          `expected map field ${field.name} for message ${shape.shown} to be assignable from map[string]interface{} but was not. Got ${goTypeOf(value)}`
        )
      }
      const out = new Map<string, unknown>()
      for (const [key, json] of value) {
        const at = `map field ${field.name} with key ${key}`
        out.set(key, yield* item(at, `map field ${field.name} value for ${key}`, key, json))
      }
      return out
    }
    if (field.repeated) {
      if (!Array.isArray(value)) {
        return yield* refuse(
          `expected slice field ${field.name} for message ${shape.shown} to be assignable from []interface{} but was not. Got ${goTypeOf(value)}`
        )
      }
      const items: ReadonlyArray<Json> = value
      const out: Array<unknown> = []
      for (const [i, json] of items.entries()) {
        const at = `slice field ${field.name} at index ${i}`
        out.push(yield* item(at, `slice field ${field.name} value at index ${i}`, "", json))
      }
      return out
    }
    if (value === null) return undefined
    return yield* item(`field ${field.name}`, `field ${field.name}`, "", value)
  })

const isNested = (field: FieldInfo): boolean =>
  field.kind === "message" && field.oneof === undefined && field.message?.().typeName !== timestampType

/**
 * The message of a tree. In: the message's shape and the tree under .proto names.
 * Errors: unknown fields and values of the wrong kind, with the way to them.
 */
export const messageFromTree = (shape: Shape, tree: JsonObject): Result<object> =>
  Either.mapLeft(
    Either.gen(function* () {
      const rest = new Map(tree)
      const specials: Array<Special> = []
      // Plans may depend on the message's plain fields, which are only known once the special ones are set aside.
      const candidates: Array<readonly [FieldInfo, Json]> = []
      const blank = shape.type.create()
      for (const field of shape.type.fields) {
        const value = tree.get(field.name)
        if (value === undefined) continue
        if (planOf(shape, field.name, blank) === undefined && !isNested(field)) continue
        candidates.push([field, value])
        rest.delete(field.name)
      }
      const parts = yield* plainParts(shape.type, rest)
      const plainMessage = shape.type.create(parts)
      for (const [field, value] of candidates) {
        const plan = planOf(shape, field.name, plainMessage)
        specials.push({ field, value, plan, rank: rankOf(plan) })
      }
      specials.sort((a, b) => a.rank - b.rank)
      for (const special of specials) {
        parts[special.field.property] = yield* populate(shape, special, shape.type.create(parts))
      }
      return shape.type.create(parts)
    }),
    prefix(shape.shown)
  )
