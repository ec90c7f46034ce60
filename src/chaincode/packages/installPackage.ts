/**
 * Packages of the new lifecycle's store (`<hash>.bin` beside `<hash>.json`): off by default in 1.4, yet a folder may hold
 * them and the launcher looks there first. Pure. Source: chaincode.md R12, section 4.10; core/chaincode/persistence.
 */

import { EOF } from "./byteReader.js"
import { gunzip } from "./gzip.js"
import type { Scan } from "./tar.js"
import { TarReader } from "./tar.js"
import { TypeFlag } from "./tarHeader.js"

const METADATA_FILE = "Chaincode-Package-Metadata.json"
const MAX_BYTES = 1 << 30

/** What a package of the new store holds. */
export interface InstallPackage {
  readonly type: string
  readonly path: string
  readonly codePackage: Uint8Array
}

const textProperty = (value: object, name: string): string => {
  const found = Object.entries(value).find(([key]) => key.toLowerCase() === name.toLowerCase())
  return typeof found?.[1] === "string" ? found[1] : ""
}

/** A JSON object's text properties, undefined when the bytes are none. */
export const parseTexts = (bytes: Uint8Array, ...names: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"))
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined
    return names.map((name) => textProperty(value, name))
  } catch {
    return undefined
  }
}

/** Reads a package of the new store; a string says why it is none. */
export function* parseInstallPackage(bytes: Uint8Array): Scan<InstallPackage | string> {
  const source = gunzip(bytes)
  if (typeof source === "string") return `error reading as gzip stream: ${source}`
  const archive = new TarReader(source)
  let codePackage: Uint8Array | undefined
  let metadata: ReadonlyArray<string> | undefined
  for (;;) {
    const entry = yield* archive.next()
    if (entry === EOF) break
    if (typeof entry === "string") return `error inspecting next tar header: ${entry}`
    if (entry.type !== TypeFlag.regular) return `tar entry ${entry.name} is not a regular file, type ${entry.type}`
    const content = yield* archive.content(MAX_BYTES)
    if ("error" in content) return `could not read ${entry.name} from tar: ${content.error}`
    if (entry.name === METADATA_FILE) {
      metadata = parseTexts(content, "Type", "Path")
      if (metadata === undefined) return `could not unmarshal ${METADATA_FILE} as json`
    } else {
      if (codePackage !== undefined) {
        return "found too many files in archive, cannot identify which file is the code-package"
      }
      codePackage = content
    }
  }
  if (codePackage === undefined) return "did not find a code package inside the package"
  if (metadata === undefined) return `did not find any package metadata (missing ${METADATA_FILE})`
  const [type = "", path = ""] = metadata
  return { type, path, codePackage }
}
