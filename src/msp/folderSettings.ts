/** The `config.yaml` of an MSP folder (sheet section 2.2): organizational units, keys spelled exactly, unknown keys ignored. */
import * as Either from "effect/Either"
import { type Given, parseYaml, type Tree } from "../config/yaml.js"

/** A `{Certificate, OrganizationalUnitIdentifier}` entry; the certificate's path is relative to the MSP folder. */
export interface OuEntry {
  readonly certificate: string
  readonly name: string
}

export interface FolderSettings {
  readonly ouIdentifiers: ReadonlyArray<OuEntry>
  readonly nodeOus:
    | {
        readonly enable: boolean
        readonly client: OuEntry | undefined
        readonly peer: OuEntry | undefined
        readonly admin: OuEntry | undefined
        readonly orderer: OuEntry | undefined
      }
    | undefined
}

/** The settings of a folder without the file. */
export const NO_SETTINGS: FolderSettings = { ouIdentifiers: [], nodeOus: undefined }

class Unreadable extends Error {}

const refuse = (place: string, wanted: string): never => {
  throw new Unreadable(`${place} must be ${wanted}`)
}

const textOf = (value: Given | undefined, place: string): string => {
  if (value === undefined) return ""
  if (value.kind === "text") return value.text
  return value.kind === "scalar" ? value.source : refuse(place, "text")
}

const flagOf = (value: Given | undefined, place: string): boolean => {
  if (value === undefined) return false
  return value.kind === "scalar" && typeof value.value === "boolean" ? value.value : refuse(place, "true or false")
}

const treeOf = (value: Given, place: string): Tree =>
  value.kind === "map" ? value.entries : refuse(place, "a mapping")

const entryOf = (value: Given | undefined, place: string): OuEntry | undefined => {
  if (value === undefined) return undefined
  const tree = treeOf(value, place)
  return {
    certificate: textOf(tree.get("Certificate")?.value, `${place}.Certificate`),
    name: textOf(tree.get("OrganizationalUnitIdentifier")?.value, `${place}.OrganizationalUnitIdentifier`)
  }
}

const listOf = (value: Given | undefined, place: string): ReadonlyArray<Given> => {
  if (value === undefined) return []
  return value.kind === "list" ? value.items : refuse(place, "a list")
}

const settingsOf = (tree: Tree): FolderSettings => {
  const list = listOf(tree.get("OrganizationalUnitIdentifiers")?.value, "OrganizationalUnitIdentifiers")
  const ouIdentifiers = list.map(
    (item, i) => entryOf(item, `OrganizationalUnitIdentifiers[${i}]`) ?? { certificate: "", name: "" }
  )
  const given = tree.get("NodeOUs")?.value
  if (given === undefined) return { ouIdentifiers, nodeOus: undefined }
  const units = treeOf(given, "NodeOUs")
  const entry = (key: string) => entryOf(units.get(key)?.value, `NodeOUs.${key}`)
  return {
    ouIdentifiers,
    nodeOus: {
      enable: flagOf(units.get("Enable")?.value, "NodeOUs.Enable"),
      client: entry("ClientOUIdentifier"),
      peer: entry("PeerOUIdentifier"),
      admin: entry("AdminOUIdentifier"),
      orderer: entry("OrdererOUIdentifier")
    }
  }
}

/** Reads the file's text; `path` is for the message of a failure. */
export const parseFolderSettings = (text: string, path: string): Either.Either<FolderSettings, string> => {
  const failed = (cause: string) => Either.left(`failed unmarshalling configuration file at [${path}]: ${cause}`)
  const tree = parseYaml(text, path)
  if (Either.isLeft(tree)) return failed(tree.left.message)
  try {
    return Either.right(settingsOf(tree.right))
  } catch (error) {
    if (error instanceof Unreadable) return failed(error.message)
    throw error
  }
}
