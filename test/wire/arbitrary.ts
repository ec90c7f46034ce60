/** Any message of a type, made from its table of fields. */
import * as fc from "fast-check"
import type { FieldInfo, MessageInfo } from "../../src/wire/index.js"

const text = fc.oneof(fc.string({ maxLength: 20 }), fc.string({ unit: "grapheme", maxLength: 90 }))

const valueOf = (field: FieldInfo, depth: number): fc.Arbitrary<unknown> => {
  switch (field.kind) {
    case "bool":
      return fc.boolean()
    case "bytes":
      return fc.uint8Array({ maxLength: 40 })
    case "string":
      return text
    case "int32":
    case "enum":
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
    case "uint32":
      return fc.integer({ min: 0, max: 2 ** 32 - 1 })
    case "int64":
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    case "uint64":
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
    case "message":
      return field.message === undefined ? fc.constant(undefined) : anyMessage(field.message(), depth + 1)
  }
}

const partOf = (field: FieldInfo, depth: number): fc.Arbitrary<unknown> => {
  if (field.mapKey !== undefined)
    return fc.array(fc.tuple(text, valueOf(field, depth)), { maxLength: 3 }).map((entries) => new Map(entries))
  if (field.repeated) return fc.array(valueOf(field, depth), { maxLength: 3 })
  return valueOf(field, depth)
}

/** An object as `encode` and `create` take it: at most one member of each oneof; the deeper the emptier. */
export const anyMessage = (type: MessageInfo, depth = 0): fc.Arbitrary<Record<string, unknown>> => {
  if (depth > 3) return fc.constant({})
  const plain = type.fields.filter((field) => field.oneof === undefined)
  const oneofs = new Set(type.fields.flatMap((field) => (field.oneof === undefined ? [] : [field.oneof])))
  const choices = [...oneofs].map((name) => type.fields.filter((field) => field.oneof === name))
  const parts = fc.record(Object.fromEntries(plain.map((field) => [field.property, partOf(field, depth)])), {
    requiredKeys: []
  })
  const members = choices.map((fields) =>
    fc.oneof(fc.constant({}), ...fields.map((field) => fc.record({ [field.property]: partOf(field, depth) })))
  )
  return fc.tuple(parts, ...members).map((all) => Object.assign({}, ...all))
}
