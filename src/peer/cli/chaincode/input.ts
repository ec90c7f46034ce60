/**
 * What chaincode commands take as JSON: the call (`-c`), the transient map, collections. Read as Go's JSON reader does,
 * with its texts where scripts and people meet them. Pure.
 * Source: operations-cli.md 4.2, 4.3; peer/chaincode/common.go, protos/peer/chaincodeunmarshall.go.
 */
import * as Either from "effect/Either"
import { parsePolicy } from "../../../policy/index.js"
import { decodeGoBase64 } from "../../../runtime/goBase64.js"
import { readGoJson } from "../../../runtime/goJson.js"
import { common } from "../../../wire/index.js"

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The name of a JSON value's kind in Go's messages. */
const kindOf = (value: unknown): string => {
  if (Array.isArray(value)) return "array"
  return typeof value === "boolean" ? "bool" : typeof value
}

const misfit = (value: unknown, field: string, type: string): string =>
  `json: cannot unmarshal ${kindOf(value)} into Go struct field ${field} of type ${type}`

// ---- The call ----------------------------------------------------------------------------------------------------

const wanted = "JSON chaincode parameters must contain the following keys: 'Args' or 'Function' and 'Args'"

/** Why `-c` cannot be a call at all; found before anything else. `emptyAllowed` for commands that call nothing. */
export const callFault = (text: string, emptyAllowed: boolean): string | undefined => {
  if (text === "{}") return emptyAllowed ? undefined : `empty ${wanted}`
  const parsed = readGoJson(text)
  if (Either.isLeft(parsed)) return `chaincode argument error: ${parsed.left}`
  if (!isObject(parsed.right)) return `non-empty ${wanted}`
  const keys = Object.keys(parsed.right)
  const has = (name: string): boolean => keys.some((key) => key.toLowerCase() === name)
  const fits = has("args") && (keys.length === 1 || (keys.length === 2 && has("function")))
  return fits ? undefined : `non-empty ${wanted}`
}

/** The arguments of a call, the function first. */
export const readCall = (text: string): Either.Either<ReadonlyArray<string>, string> =>
  Either.gen(function* () {
    const refuse = (value: unknown, field: string, type: string) =>
      Either.left(`chaincode argument error: ${misfit(value, field, type)}`)
    const parsed = yield* readGoJson(text)
    let name = ""
    let args: ReadonlyArray<string> = []
    for (const [key, value] of Object.entries(isObject(parsed) ? parsed : {})) {
      if (value === null) continue
      if (key.toLowerCase() === "function") {
        if (typeof value !== "string") return yield* refuse(value, "strArgs.Function", "string")
        name = value
      } else if (key.toLowerCase() === "args") {
        if (!Array.isArray(value)) return yield* refuse(value, "strArgs.Args", "[]string")
        const items: ReadonlyArray<unknown> = value
        const texts: Array<string> = []
        for (const item of items) {
          if (item !== null && typeof item !== "string") return yield* refuse(item, "strArgs.Args", "string")
          texts.push(item ?? "")
        }
        args = texts
      }
    }
    return name === "" ? args : [name, ...args]
  })

// ---- Transient data ----------------------------------------------------------------------------------------------

/** The map of `--transient`: names to base64. Absent when the flag was not given. */
export const readTransient = (text: string): Either.Either<ReadonlyMap<string, Uint8Array> | undefined, string> =>
  Either.gen(function* () {
    if (text === "") return undefined
    const parsed = yield* readGoJson(text)
    const map = new Map<string, Uint8Array>()
    if (parsed === null) return map
    if (!isObject(parsed))
      return yield* Either.left(`json: cannot unmarshal ${kindOf(parsed)} into Go value of type map[string][]uint8`)
    for (const [name, value] of Object.entries(parsed)) {
      const base64: unknown = value ?? ""
      if (typeof base64 !== "string")
        return yield* Either.left(`json: cannot unmarshal ${kindOf(base64)} into Go value of type []uint8`)
      map.set(name, yield* decodeGoBase64(base64))
    }
    return map
  }).pipe(Either.mapLeft((reason) => `error parsing transient string: ${reason}`))

// ---- Collections -------------------------------------------------------------------------------------------------

type Field = "name" | "policy" | "requiredPeerCount" | "maxPeerCount" | "blockToLive" | "memberOnlyRead"
type Kind = "string" | "int32" | "uint64" | "bool"
const fields: ReadonlyArray<readonly [Field, Kind]> = [
  ["name", "string"],
  ["policy", "string"],
  ["requiredPeerCount", "int32"],
  ["maxPeerCount", "int32"],
  ["blockToLive", "uint64"],
  ["memberOnlyRead", "bool"]
]

const fits = (kind: Kind, value: unknown): boolean => {
  switch (kind) {
    case "string":
      return typeof value === "string"
    case "bool":
      return typeof value === "boolean"
    case "int32":
      return typeof value === "number" && (value | 0) === value
    case "uint64":
      return typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value) && value >= 0)
  }
}

/** Numbers that JavaScript would round, as text: only this field can have them. */
const exact = (text: string): string => text.replace(/("blockToLive"\s*:\s*)(\d{16,20})(?=\s*[,}])/gi, '$1"#$2"')
const exactValue = (value: unknown): unknown =>
  typeof value === "string" && /^#\d{16,20}$/.test(value) ? BigInt.asUintN(64, BigInt(value.slice(1))) : value

const readCollection = (given: unknown): Either.Either<ReadonlyMap<Field, unknown>, string> =>
  Either.gen(function* () {
    const values = new Map<Field, unknown>()
    if (given === null) return values
    if (!isObject(given))
      return yield* Either.left(
        `json: cannot unmarshal ${kindOf(given)} into Go value of type chaincode.collectionConfigJson`
      )
    for (const [key, value] of Object.entries(given)) {
      const field = fields.find(([name]) => name.toLowerCase() === key.toLowerCase())
      if (field === undefined || value === null) continue
      const [name, kind] = field
      const read = name === "blockToLive" ? exactValue(value) : value
      if (!fits(kind, read)) {
        const where = `collectionConfigJson.${name} of type ${kind}`
        // a number that does not fit a number is shown
        const shown = typeof read === "number" && fits(kind, 0) ? `number ${read}` : kindOf(read)
        return yield* Either.left(`json: cannot unmarshal ${shown} into Go struct field ${where}`)
      }
      values.set(name, read)
    }
    return values
  })

const textOf = (value: unknown): string => (typeof value === "string" ? value : "")
const numberOf = (value: unknown): number => (typeof value === "number" ? value : 0)
const bigOf = (value: unknown): bigint => (typeof value === "bigint" ? value : BigInt(numberOf(value)))

/** `common.CollectionConfigPackage` of a collections file. */
export const readCollections = (text: string): Either.Either<Uint8Array, string> =>
  Either.gen(function* () {
    const unparsed = Either.mapLeft((reason: string) => `could not parse the collection configuration: ${reason}`)
    const parsed = yield* unparsed(readGoJson(exact(text)))
    if (parsed !== null && !Array.isArray(parsed))
      return yield* unparsed(
        Either.left(`json: cannot unmarshal ${kindOf(parsed)} into Go value of type []chaincode.collectionConfigJson`)
      )
    const items: ReadonlyArray<unknown> = parsed ?? []
    const config: Array<Parameters<typeof common.CollectionConfig.encode>[0]> = []
    for (const item of items) {
      const values = yield* unparsed(readCollection(item))
      const policy = textOf(values.get("policy"))
      const signaturePolicy = yield* Either.mapLeft(
        parsePolicy(policy),
        ({ message }) => `invalid policy ${policy}: ${message}`
      )
      config.push({
        staticCollectionConfig: {
          name: textOf(values.get("name")),
          memberOrgsPolicy: { signaturePolicy },
          requiredPeerCount: numberOf(values.get("requiredPeerCount")),
          maximumPeerCount: numberOf(values.get("maxPeerCount")),
          blockToLive: bigOf(values.get("blockToLive")),
          memberOnlyRead: values.get("memberOnlyRead") === true
        }
      })
    }
    return common.CollectionConfigPackage.encode({ config })
  })
