// What the emitters need to know of a field.
import protobuf from "protobufjs"
import { camel, fullName } from "./names.mjs"

/** TypeScript type, wire type, default, and the methods of Reader and Writer, by kind. */
export const scalars = {
  int32: { ts: "number", wire: 0, zero: "0", method: "int32" },
  uint32: { ts: "number", wire: 0, zero: "0", method: "uint32" },
  int64: { ts: "bigint", wire: 0, zero: "0n", method: "int64" },
  uint64: { ts: "bigint", wire: 0, zero: "0n", method: "uint64" },
  bool: { ts: "boolean", wire: 0, zero: "false", method: "bool" },
  enum: { ts: "number", wire: 0, zero: "0", method: "int32" },
  string: { ts: "string", wire: 2, zero: '""', method: "text" },
  bytes: { ts: "Uint8Array", wire: 2, zero: "EMPTY", method: "bytes" }
}

const kindOf = (field) => {
  if (field.resolvedType instanceof protobuf.Enum) return "enum"
  if (field.resolvedType instanceof protobuf.Type) return "message"
  if (field.type in scalars) return field.type
  throw new Error(`${fullName(field.parent)}.${field.name}: fields of type ${field.type} are not supported`)
}

/** A message's fields, ascending. */
export const fieldsOf = (type) =>
  [...type.fieldsArray]
    .sort((a, b) => a.id - b.id)
    .map((field) => {
      const kind = kindOf(field)
      if (field.map && field.keyType !== "string")
        throw new Error(`${fullName(type)}.${field.name}: maps are keyed by strings only`)
      return {
        name: field.name,
        doc: field.comment,
        path: `${fullName(type)}.${field.name}`,
        property: camel(field.name),
        number: field.id,
        kind,
        scalar: scalars[kind],
        type: field.resolvedType ?? undefined,
        map: field.map === true,
        list: field.repeated === true && !field.map,
        oneof: field.partOf?.name,
        rivals: (field.partOf?.fieldsArray ?? []).filter((other) => other !== field).map((other) => camel(other.name)),
        key: (wire) => field.id * 8 + wire
      }
    })

const messagesIn = (type) => type.fieldsArray.map((f) => f.resolvedType).filter((t) => t instanceof protobuf.Type)

const reaches = (from, goal, seen = new Set()) =>
  messagesIn(from).some((next) => {
    if (next === goal) return true
    if (seen.has(next)) return false
    seen.add(next)
    return reaches(next, goal, seen)
  })

/** Whether a message can hold its own kind, so that its depth must be bounded. */
export const isRecursive = (type) => reaches(type, type)

/** Whether its code must hand the depth on. */
export const needsDepth = (type, seen = new Set()) => {
  if (isRecursive(type)) return true
  if (seen.has(type)) return false
  seen.add(type)
  return messagesIn(type).some((next) => needsDepth(next, seen))
}
