/** What a package.json says about installing and starting a Node chaincode. Pure. Source: chaincode.md R17, R19. */
import { createHash } from "node:crypto"
import * as path from "node:path"

/** The parts of a package.json that matter here. */
export interface NodeProject {
  readonly name: string
  readonly version: string
  readonly scripts: Readonly<Record<string, string>>
  readonly hasDependencies: boolean
  /** Installing needs more than package.json and the lock file: local dependencies, workspaces, own scripts. */
  readonly needsSources: boolean
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const texts = (value: unknown): Readonly<Record<string, string>> =>
  isRecord(value)
    ? Object.fromEntries(
        Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string")
      )
    : {}

/** Scripts that npm runs in the project itself while it installs. */
const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"]
const LOCAL = /^(file:|link:|workspace:|\.{0,2}\/|~\/)/

/** Reads a package.json; undefined when it is no JSON object. */
export const parseProject = (packageJson: string): NodeProject | undefined => {
  let value: unknown
  try {
    value = JSON.parse(packageJson)
  } catch {
    return undefined
  }
  if (!isRecord(value)) return undefined
  const dependencies = [value.dependencies, value.optionalDependencies, value.peerDependencies].map(texts)
  const wanted = dependencies.flatMap((record) => Object.values(record))
  const scripts = texts(value.scripts)
  return {
    name: typeof value.name === "string" ? value.name : "",
    version: typeof value.version === "string" ? value.version : "",
    scripts,
    hasDependencies: wanted.length > 0,
    needsSources:
      value.workspaces !== undefined ||
      wanted.some((specifier) => LOCAL.test(specifier)) ||
      INSTALL_SCRIPTS.some((script) => scripts[script] !== undefined)
  }
}

/** The cache key of installed dependencies: everything that decides what npm puts there. */
export const dependenciesKey = (parts: ReadonlyArray<Uint8Array | string>): string => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(`${part.length}:`).update(part)
  hash.update(`${process.platform}-${process.arch}-${process.versions.modules}`)
  return hash.digest("hex").slice(0, 40)
}

const quoted = (text: string): string => (/^[\w.:[\]-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)

/**
 * The command that `npm start -- --peer.address EP` comes down to. npm itself is only asked where it would do more than
 * run one line of shell: it costs half a second at each start.
 */
export const startCommand = (
  project: NodeProject,
  hasServerJs: boolean,
  hasNpmrc: boolean,
  peerAddress: string
): ReadonlyArray<string> => {
  const { poststart, prestart, start } = project.scripts
  const line = start ?? (hasServerJs ? "node server.js" : undefined)
  if (line === undefined || prestart !== undefined || poststart !== undefined || hasNpmrc) {
    return ["npm", "start", "--", "--peer.address", peerAddress]
  }
  // a plain command takes the shell's place: one process less, and its end is seen at once
  const exec = /^[\w./@-]+( [\w./@:=-]+)*$/.test(line) ? "exec " : ""
  return ["/bin/sh", "-c", `${exec}${line} --peer.address ${quoted(peerAddress)}`]
}

/** What npm adds to the environment of a script. */
export const scriptEnvironment = (project: NodeProject, directory: string, searchPath: string) => ({
  PATH: `${path.join(directory, "node_modules", ".bin")}${path.delimiter}${searchPath}`,
  INIT_CWD: directory,
  NODE: process.execPath,
  npm_node_execpath: process.execPath,
  npm_lifecycle_event: "start",
  npm_lifecycle_script: project.scripts.start ?? "",
  npm_package_json: path.join(directory, "package.json"),
  npm_package_name: project.name,
  npm_package_version: project.version
})
