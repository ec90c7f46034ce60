/** Finding a configuration file as viper does. Source: orderer.md 2.2 rules 1-2, peer-endorse-validate.md 2.1 rules 1-2. */
import { readFileSync, statSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Either from "effect/Either"
import { ConfigUnreadable } from "./errors.js"

/** Environment variables as data. */
export type Environment = Readonly<Record<string, string | undefined>>

const officialFolder = "/etc/hyperledger/fabric"
/** In viper's order; only YAML and JSON are read here. */
const extensions = ["json", "toml", "yaml", "yml", "properties", "props", "prop"]
const readable = new Set(["json", "yaml", "yml"])

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false

/** The folders to look in; `missing` when FABRIC_CFG_PATH names one that does not exist. */
export const folders = (
  env: Environment,
  cwd: string
): { readonly folders: ReadonlyArray<string>; readonly missing: string | undefined } => {
  const given = env.FABRIC_CFG_PATH ?? ""
  if (given !== "") {
    const folder = resolve(cwd, given)
    return isFolder(folder) ? { folders: [folder], missing: undefined } : { folders: [], missing: given }
  }
  return { folders: isFolder(officialFolder) ? [cwd, officialFolder] : [cwd], missing: undefined }
}

/** The path of the file with this base name in the first folder that has one, or undefined. */
export const findFile = (base: string, places: ReadonlyArray<string>): string | undefined => {
  for (const folder of places) {
    for (const extension of extensions) {
      const path = join(folder, `${base}.${extension}`)
      if (isFile(path)) return path
    }
  }
  return undefined
}

export const readText = (file: string): Either.Either<string, ConfigUnreadable> => {
  const unreadable = (reason: string) => Either.left(new ConfigUnreadable({ file, line: undefined, reason }))
  const extension = file.slice(file.lastIndexOf(".") + 1)
  if (!readable.has(extension)) return unreadable(`${file}: files of type "${extension}" are not supported, use YAML`)
  try {
    return Either.right(readFileSync(file, "utf8"))
  } catch (error) {
    return unreadable(goFileError(file, error))
  }
}

const codes: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied"
}

/** A failed read in Go's words: `open /x: no such file or directory`, `read /x: is a directory`. */
export const goFileError = (file: string, error: unknown): string => {
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  if (code === "EISDIR") return `read ${file}: is a directory`
  return `open ${file}: ${codes[code] ?? (error instanceof Error ? error.message : String(error))}`
}
