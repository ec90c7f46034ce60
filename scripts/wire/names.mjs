// Names in the generated modules, from the names in the .proto files.
import { basename, dirname } from "node:path"
import protobuf from "protobufjs"

/** channel_header -> channelHeader, TransientMap -> transientMap, channel_MAC -> channelMAC */
export const camel = (name) => name[0].toLowerCase() + name.slice(1).replace(/_([a-z0-9])/gi, (_, c) => c.toUpperCase())

/** The proto package of a type, e.g. "common"; "" where a file has none. */
export const packageOf = (type) => {
  let at = type.parent
  while (at instanceof protobuf.Type) at = at.parent
  return at.fullName.slice(1)
}

const folderOf = (type) => {
  let at = type
  while (!at.filename) at = at.parent
  return basename(dirname(at.filename))
}

/** The module that a type goes to: its package; where it has none, the folder of its file. */
export const moduleOf = (type) => {
  const pkg = packageOf(type)
  return pkg === "google.protobuf" ? "google" : pkg === "" ? folderOf(type) : pkg.replace(/\./g, "_")
}

/** Nested types are joined with "_", as in Go: SignaturePolicy_NOutOf. */
export const localName = (type) =>
  type.parent instanceof protobuf.Type ? `${localName(type.parent)}_${type.name}` : type.name

export const fullName = (type) => type.fullName.slice(1)

/** The type's name in the reference's errors: Go package and Go type. Its package is the folder's, but for Google's. */
export const goName = (type) =>
  `${packageOf(type) === "google.protobuf" ? localName(type).toLowerCase() : folderOf(type)}.${localName(type)}`

/** A .proto comment as a doc comment in front of what it belongs to; headings of files do not count. */
export const docOf = (comment, indent = "") =>
  comment && !comment.includes("Names and numbers are") ? `${indent}/** ${comment.replace(/\s+/g, " ")} */\n` : ""
