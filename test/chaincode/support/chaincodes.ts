/** Folders of chaincode for tests: the fixtures, with the shim of the repository's own node_modules. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { repository } from "./TestPeer.js"

const FIXTURES = path.join(repository, "test", "chaincode", "fixtures")

/** The shims that the repository's lock file has. */
export const SHIMS = { "2.5.8": "fabric-shim", "2.2.3": "shim22" } as const
export type ShimVersion = keyof typeof SHIMS

export interface FolderOptions {
  readonly shim?: ShimVersion
  /** Name of the folder in fixtures, or of a folder elsewhere. */
  readonly source?: string
  /** The start script; the chaincode's index.js when absent. */
  readonly start?: string
  /** Where the shim is found: in the repository, or where Node looks by itself. */
  readonly modules?: "of the repository" | "in the image"
  /** Further files by name. */
  readonly files?: Readonly<Record<string, string>>
}

const made: Array<string> = []
process.once("exit", () => {
  for (const folder of made) fs.rmSync(folder, { recursive: true, force: true })
})
const temporary = (prefix: string): string => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), prefix))
  made.push(folder)
  return folder
}

/**
 * A chaincode folder in the system's temporary folder. Its dependencies are not installed: NODE_PATH leads to those of
 * the repository, so that a test starts no npm.
 */
export const chaincodeFolder = ({
  files = {},
  modules: where = "of the repository",
  shim = "2.5.8",
  source = "probe",
  start = "node index.js"
}: FolderOptions = {}): string => {
  const folder = temporary("fe-cc-")
  const from = path.isAbsolute(source) ? source : path.join(FIXTURES, source)
  for (const file of fs.readdirSync(from)) {
    if (file.endsWith(".js")) fs.copyFileSync(path.join(from, file), path.join(folder, file))
  }
  const modules = temporary("fe-modules-")
  fs.symlinkSync(path.join(repository, "node_modules", SHIMS[shim]), path.join(modules, "fabric-shim"))
  const script =
    where === "in the image" ? start : `NODE_PATH=${modules}:${path.join(repository, "node_modules")} ${start}`
  fs.writeFileSync(
    path.join(folder, "package.json"),
    JSON.stringify({ name: "probe", version: "1.0.0", main: "index.js", scripts: { start: script } })
  )
  for (const [name, content] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), content)
  return folder
}
