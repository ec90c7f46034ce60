/**
 * State values as CouchDB documents and back: a JSON object becomes the document's fields, anything else an attachment;
 * version and metadata stand in `~version`. Pure.
 * Source: ledger-privatedata.md rules 98 and 99; statecouchdb/couchdoc_conv.go, version_field_encoding.go.
 */
import { versionBytes } from "../mvcc/commitHash.js"
import type { VersionedValue } from "../mvcc/index.js"
import type { Version } from "../rwset/index.js"
import { isJsonObject, type JsonObject, marshalJson, parseJsonObject, takeJsonObject } from "../statedb/goJson.js"
import { CouchFailed } from "./errors.js"

export const VERSION_FIELD = "~version"
const ATTACHMENT = "valueBytes"

/** Why CouchDB cannot hold a key or a value; undefined when it can. */
export const keyValueFault = (key: string, value: Uint8Array): string | undefined => {
  if (key === "") return "invalid key. Empty string is not supported as a key by couchdb"
  if (key.startsWith("_")) return `invalid key [${key}], cannot begin with "_"`
  // a string of ours may hold half a surrogate pair: no UTF-8 has it
  if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(key))
    return `invalid key [${Buffer.from(key).toString("hex")}], must be a UTF-8 string`
  const field = reservedField(parseJsonObject(value))
  return field === undefined ? undefined : `field [${field}] is not valid for the CouchDB state database`
}

/** A field that a document cannot have. */
const reservedField = (object: JsonObject | undefined): string | undefined =>
  Object.keys(object ?? {}).find((field) => field === VERSION_FIELD || field.startsWith("_"))

// ---- `~version` --------------------------------------------------------------------------------------------------

/** A field of a message on the wire: number, length, bytes; nothing for none. */
const lengthDelimited = (field: number, bytes: Uint8Array): Uint8Array => {
  if (bytes.length === 0) return bytes
  const head = [(field << 3) | 2]
  let rest = bytes.length
  for (; rest > 0x7f; rest >>>= 7) head.push((rest & 0x7f) | 0x80)
  return Buffer.concat([Uint8Array.of(...head, rest), bytes])
}

/** A zero character, then base64 of the message {1 version, 2 metadata}. */
export const encodeVersion = (version: Version, metadata: Uint8Array | undefined): string =>
  `\0${Buffer.concat([
    lengthDelimited(1, versionBytes(version)),
    lengthDelimited(2, metadata ?? new Uint8Array(0))
  ]).toString("base64")}`

const unreadable = (field: unknown): CouchFailed =>
  new CouchFailed({ reason: `version field ${VERSION_FIELD} cannot be read: ${JSON.stringify(field)}` })

const orderedNumber = (bytes: Uint8Array, at: number): readonly [value: bigint, next: number] => {
  const length = bytes[at]
  if (length === undefined || length > 8 || at + 1 + length > bytes.length) throw new RangeError()
  let value = 0n
  for (let i = at + 1; i <= at + length; i++) value = (value << 8n) | BigInt(bytes[i] ?? 0)
  return [value, at + 1 + length]
}

/** In: the field as a document has it; also the form of peers before metadata, `block:transaction`. @throws CouchFailed */
export const decodeVersion = (field: unknown): Pick<VersionedValue, "version" | "metadata"> => {
  if (typeof field !== "string") throw unreadable(field)
  if (!field.startsWith("\0")) {
    const old = /^(\d+):(\d+)$/.exec(field)
    if (old === null) throw unreadable(field)
    return { version: { blockNum: BigInt(old[1] ?? 0), txNum: BigInt(old[2] ?? 0) }, metadata: undefined }
  }
  const bytes = Buffer.from(field.slice(1), "base64")
  let version: Version | undefined
  let metadata: Uint8Array | undefined
  try {
    for (let at = 0; at < bytes.length; ) {
      const tag = bytes[at++]
      let length = 0
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++]
        if (byte === undefined || shift > 28) throw new RangeError()
        length |= (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
      const part = bytes.subarray(at, at + length)
      if (part.length !== length) throw new RangeError()
      at += length
      if (tag === 0x0a) {
        const [blockNum, next] = orderedNumber(part, 0)
        version = { blockNum, txNum: orderedNumber(part, next)[0] }
      } else if (tag === 0x12) metadata = part
    }
  } catch (cause) {
    if (cause instanceof RangeError) throw unreadable(field)
    throw cause
  }
  if (version === undefined) throw unreadable(field)
  return { version, metadata }
}

// ---- Documents ---------------------------------------------------------------------------------------------------

/**
 * The document of a key, without revision. JSON with fields that CouchDB keeps for itself goes in as an attachment, and
 * so does JSON with numbers beyond a double, its fields beside it.
 */
export const documentOf = (key: string, value: Uint8Array, held: Omit<VersionedValue, "value">): JsonObject => {
  const { isExact, object } = takeJsonObject(value)
  const fields = reservedField(object) === undefined ? object : undefined
  return {
    ...fields,
    ...(fields === undefined || !isExact
      ? {
          _attachments: {
            [ATTACHMENT]: { content_type: "application/octet-stream", data: Buffer.from(value).toString("base64") }
          }
        }
      : {}),
    _id: key,
    [VERSION_FIELD]: encodeVersion(held.version, held.metadata)
  }
}

/** A document of a query's result, as the reference takes it apart. */
export const readDocument = (
  document: unknown
): { readonly key: string; readonly held: VersionedValue; readonly isAttachment: boolean } => {
  if (!isJsonObject(document)) throw new CouchFailed({ reason: "CouchDB gave a result that is no document" })
  const { _attachments, _id, _rev, [VERSION_FIELD]: version, ...fields } = document
  if (version === undefined) throw new CouchFailed({ reason: `version field ${VERSION_FIELD} was not found` })
  if (typeof _id !== "string") throw new CouchFailed({ reason: "CouchDB gave a document without id" })
  const isAttachment = _attachments !== undefined
  return {
    key: _id,
    isAttachment,
    held: { ...decodeVersion(version), value: isAttachment ? undefined : Buffer.from(marshalJson(fields)) }
  }
}
