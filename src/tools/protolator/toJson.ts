/** Messages as readable JSON, opaque bytes expanded (common/tools/protolator; golang/protobuf jsonpb). Pure. */
import * as Either from "effect/Either"
import type { FieldInfo, MessageInfo } from "../../wire/index.js"
import { ProtolatorError } from "./errors.js"
import { type Json, JsonNumber, type JsonObject } from "./json.js"
import { plain, planOf, property, type Shape } from "./shapes.js"

type Result<A> = Either.Either<A, ProtolatorError>
const refuse = (detail: string) => Either.left(new ProtolatorError({ detail }))
const prefix =
  (text: string) =>
  (error: ProtolatorError): ProtolatorError =>
    new ProtolatorError({ detail: `${text}: ${error.detail}` })

export const timestampType = "google.protobuf.Timestamp"
const isTimestamp = (type: MessageInfo): boolean => type.typeName === timestampType

const timestamp = (message: object): Result<Json> => {
  const seconds = property(message, "seconds")
  const nanos = property(message, "nanos")
  if (typeof seconds !== "bigint" || typeof nanos !== "number") return refuse("malformed timestamp")
  if (nanos < 0 || nanos >= 1e9) return refuse("ns out of range [0, 1000000000)")
  const date = new Date(Number(seconds) * 1000)
  if (Number.isNaN(date.getTime())) return refuse(`timestamp ${seconds} is out of range`)
  const fraction = String(nanos).padStart(9, "0")
  const shown = nanos === 0 ? "" : `.${fraction.replace(/(000){1,2}$/, "")}`
  return Either.right(`${date.toISOString().slice(0, 19)}${shown}Z`)
}

/** One value of a field, without looking inside bytes. */
const plainValue = (field: FieldInfo, value: unknown): Result<Json> => {
  switch (field.kind) {
    case "message":
      if (typeof value !== "object" || value === null || field.message === undefined) return Either.right(null)
      return isTimestamp(field.message()) ? timestamp(value) : plainTree(field.message(), value)
    case "enum":
      return typeof value === "number"
        ? Either.right(field.enum?.().nameOf(value) ?? new JsonNumber(String(value)))
        : Either.right(null)
    case "bytes":
      return Either.right(value instanceof Uint8Array ? Buffer.from(value).toString("base64") : null)
    default:
      if (typeof value === "bigint") return Either.right(String(value))
      if (typeof value === "number") {
        return Either.right(Number.isFinite(value) ? new JsonNumber(String(value)) : String(value))
      }
      return Either.right(typeof value === "string" || typeof value === "boolean" ? value : null)
  }
}

/** Applies `one` to the value, the elements or the entries of a field. Absent single messages and bytes are null. */
const each = (field: FieldInfo, value: unknown, one: (value: unknown, key: string) => Result<Json>): Result<Json> =>
  Either.gen(function* () {
    if (field.mapKey !== undefined) {
      const out = new Map<string, Json>()
      if (value instanceof Map) for (const [key, item] of value) out.set(String(key), yield* one(item, String(key)))
      return out
    }
    if (field.repeated) {
      const out: Array<Json> = []
      if (Array.isArray(value)) for (const [i, item] of value.entries()) out.push(yield* one(item, String(i)))
      return out
    }
    if (value === undefined) return null
    if (field.kind === "bytes" && value instanceof Uint8Array && value.length === 0) return null
    return yield* one(value, "")
  })

const isAbsentOneof = (field: FieldInfo, value: unknown): boolean => field.oneof !== undefined && value === undefined

const plainTree = (type: MessageInfo, message: object): Result<JsonObject> =>
  Either.gen(function* () {
    const out = new Map<string, Json>()
    for (const field of type.fields) {
      const value = property(message, field.property)
      if (isAbsentOneof(field, value)) continue
      out.set(field.name, yield* each(field, value, (item) => plainValue(field, item)))
    }
    return out
  })

const decode = (type: MessageInfo, bytes: unknown): Result<object> =>
  Either.try({
    try: () => type.decode(bytes instanceof Uint8Array ? bytes : new Uint8Array()),
    catch: (cause) => new ProtolatorError({ detail: cause instanceof Error ? cause.message : String(cause) })
  })

const fieldTree = (shape: Shape, field: FieldInfo, message: object, value: unknown): Result<Json> => {
  const many = field.mapKey !== undefined ? "map " : field.repeated ? "slice " : ""
  const at = (key: string): string => {
    const which = field.mapKey !== undefined ? ` and key ${key}` : field.repeated ? ` at index ${key}` : ""
    return `error in PopulateTo for ${many}field ${field.name}${which} for message ${shape.shown}`
  }
  const plan = planOf(shape, field.name, message)
  if (plan?.kind === "opaque") {
    return each(field, value, (item, key) =>
      Either.mapLeft(
        Either.flatMap(plan.of(message), (inner) =>
          Either.flatMap(decode(inner.type, item), (decoded) => messageTree(inner, decoded))
        ),
        prefix(at(key))
      )
    )
  }
  if (field.kind === "message" && field.oneof === undefined && field.message !== undefined) {
    const type = field.message()
    if (!isTimestamp(type)) {
      return each(field, value, (item, key) =>
        Either.mapLeft(
          Either.flatMap(plan === undefined ? Either.right(plain(type)) : plan.of(key), (inner) =>
            typeof item === "object" && item !== null ? messageTree(inner, item) : Either.right(null)
          ),
          prefix(at(key))
        )
      )
    }
  }
  return each(field, value, (item) => plainValue(field, item))
}

/**
 * The tree of a message of this shape: every field under its .proto name, defaults included, 64-bit numbers as strings,
 * enums by name, bytes in base64 unless they hold a message that is known.
 * Errors: bytes that should hold a message and do not, with the way to them.
 */
export const messageTree = (shape: Shape, message: object): Result<JsonObject> =>
  Either.mapLeft(
    Either.gen(function* () {
      const out = new Map<string, Json>()
      for (const field of shape.type.fields) {
        const value = property(message, field.property)
        if (isAbsentOneof(field, value)) continue
        out.set(field.name, yield* fieldTree(shape, field, message, value))
      }
      return out
    }),
    prefix(shape.shown)
  )
