/**
 * The command line of the node's own commands, with the reference's texts and exit codes. The client commands (channel,
 * chaincode, logging, node status|reset|rollback) are not here yet. Pure.
 * Source: peer-endorse-validate.md 1.1; operations-cli.md 4.1, 4.2.
 */

export type Command =
  | { readonly _tag: "Start"; readonly devMode: boolean }
  | { readonly _tag: "Version" }
  /** Goes to stdout, the program ends with 0. */
  | { readonly _tag: "Print"; readonly text: string }
  /** Goes to stderr, the program ends with 1. */
  | { readonly _tag: "Refused"; readonly text: string }

interface Group {
  readonly path: string
  readonly about: string
  readonly usage: string
  readonly commands: ReadonlyArray<readonly [name: string, about: string]>
  readonly flags: ReadonlyArray<readonly [flag: string, about: string]>
}

const help = (path: string): readonly [string, string] => ["-h, --help", `help for ${path.split(" ").at(-1)}`]
const devFlag = "--peer-chaincodedev"

const peer: Group = {
  path: "peer",
  about: "",
  usage: "peer [command]",
  commands: [
    ["node", "Run the peer's node"],
    ["version", "Print the peer's version"]
  ],
  flags: [help("peer")]
}
const node: Group = {
  path: "peer node",
  about: "Run the peer's node.",
  usage: "peer node [command]",
  commands: [["start", "Start the node"]],
  flags: [help("node")]
}
const start: Group = {
  path: "peer node start",
  about: "Starts the peer and serves until it is told to stop.",
  usage: "peer node start [flags]",
  commands: [],
  flags: [help("start"), [`    ${devFlag}`, "chaincode is started by hand, not by the peer"]]
}
const version: Group = {
  path: "peer version",
  about: "Prints the peer's version.",
  usage: "peer version [flags]",
  commands: [],
  flags: [help("version")]
}

const columns = (rows: ReadonlyArray<readonly [string, string]>): string => {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, about]) => `  ${name.padEnd(width)}   ${about}\n`).join("")
}

const usageOf = ({ commands, flags, path, usage }: Group): string =>
  [
    `Usage:\n  ${usage}\n`,
    ...(commands.length === 0 ? [] : [`\nAvailable Commands:\n${columns(commands)}`]),
    `\nFlags:\n${columns(flags)}`,
    ...(commands.length === 0 ? [] : [`\nUse "${path} [command] --help" for more information about a command.\n`])
  ].join("")

const helpOf = (group: Group): Command => ({
  _tag: "Print",
  text: group.about === "" ? usageOf(group) : `${group.about}\n\n${usageOf(group)}`
})

const refuse = (message: string, group: Group): Command => ({
  _tag: "Refused",
  text: `Error: ${message}\n${usageOf(group)}\n`
})

const booleans: ReadonlyMap<string, boolean> = new Map([
  ...["1", "t", "T", "TRUE", "true", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "FALSE", "false", "False"].map((text) => [text, false] as const)
])

interface Words {
  readonly words: ReadonlyArray<string>
  readonly help: boolean
  readonly devMode: boolean | undefined
  /** Why the flags are refused. */
  readonly fault: string | undefined
}

/** Takes the flags out; flags may stand anywhere before `--`. */
const readWords = (args: ReadonlyArray<string>): Words => {
  const words: Array<string> = []
  let help = false
  let devMode: boolean | undefined
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] ?? ""
    if (arg === "--") {
      words.push(...args.slice(i + 1))
      break
    }
    if (!arg.startsWith("-") || arg === "-") {
      words.push(arg)
      continue
    }
    const equals = arg.indexOf("=")
    const flag = equals < 0 ? arg : arg.slice(0, equals)
    const value = equals < 0 ? undefined : arg.slice(equals + 1)
    if (flag === "-h" || flag === "--help") help = true
    else if (flag === devFlag) {
      const parsed = value === undefined ? true : booleans.get(value)
      if (parsed === undefined) {
        const fault = `invalid argument "${value}" for "${devFlag}" flag: strconv.ParseBool: parsing "${value}": invalid syntax`
        return { words, help, devMode, fault }
      }
      devMode = parsed
    } else if (flag === "--logging-level") {
      // hidden and without effect, as in the reference; it takes a value
      if (value === undefined) i += 1
    } else {
      const fault = flag.startsWith("--")
        ? `unknown flag: ${flag}`
        : `unknown shorthand flag: '${flag.slice(1, 2)}' in ${flag}`
      return { words, help, devMode, fault }
    }
  }
  return { words, help, devMode, fault: undefined }
}

/** Known to the reference, not to this version. */
const later: ReadonlySet<string> = new Set(["channel", "chaincode", "logging"])
const laterNode: ReadonlySet<string> = new Set(["status", "reset", "rollback"])

const notHere = (command: string): Command => ({
  _tag: "Refused",
  text: `Error: the command "peer ${command}" is not part of this version; Fabric's own command line works with this peer\n`
})

/** In: the arguments behind the program's name. Without any the node is started. */
export const parseCommandLine = (args: ReadonlyArray<string>): Command => {
  const { devMode, fault, help, words } = readWords(args)
  const [first, second, ...rest] = words
  if (first === undefined) {
    if (fault !== undefined) return refuse(fault, peer)
    return help ? helpOf(peer) : { _tag: "Start", devMode: devMode === true }
  }
  if (first === "help") return helpOf(second === "node" ? (rest[0] === "start" ? start : node) : peer)
  if (first === "version") {
    if (fault !== undefined) return refuse(fault, version)
    if (help) return helpOf(version)
    if (devMode !== undefined) return refuse(`unknown flag: ${devFlag}`, version)
    return second === undefined ? { _tag: "Version" } : refuse("trailing args detected", version)
  }
  if (later.has(first)) return notHere(first)
  if (first !== "node")
    return { _tag: "Refused", text: `Error: unknown command "${first}" for "peer"\nRun 'peer --help' for usage.\n` }
  if (second !== undefined && laterNode.has(second)) return notHere(`node ${second}`)
  // a group with an unknown word shows its help and is content
  if (second !== "start") return fault !== undefined ? refuse(fault, node) : helpOf(node)
  if (fault !== undefined) return refuse(fault, start)
  if (help) return helpOf(start)
  return rest.length > 0 ? refuse("trailing args detected", start) : { _tag: "Start", devMode: devMode === true }
}
