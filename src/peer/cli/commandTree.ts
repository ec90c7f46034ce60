/**
 * A tree of commands as the reference's command-line library (cobra) walks it: how words find their command between
 * flags, suggestions, help and usage texts, what goes to which stream with which status. Pure. Own code because these
 * texts and statuses are what scripts see, and other parsers have their own.
 * Source: operations-cli.md 4.1; seen on the reference's program.
 */
import * as Either from "effect/Either"
import { type FlagSpec, type FlagValues, flag, flagLines, readFlags } from "./flags.js"

export interface CommandSpec<Run> {
  /** Name and arguments: `fetch <newest|oldest|config|(number)> [outputfile]`. */
  readonly use: string
  /** One line for the list of commands. */
  readonly short: string
  /** What help begins with. */
  readonly long: string
  readonly flags: ReadonlyArray<FlagSpec>
  /** Flags that the commands below have too. */
  readonly persistent: ReadonlyArray<FlagSpec>
  readonly commands: ReadonlyArray<CommandSpec<Run>>
  /** Absent for groups: they show their help. */
  readonly run?: Run
}

export type Resolved<Run> =
  /** Goes to stdout (stderr for an unknown topic), status 0. */
  | { readonly _tag: "Help"; readonly text: string; readonly stream: "stdout" | "stderr" }
  /** Goes to stderr, status 1. */
  | { readonly _tag: "Refused"; readonly text: string }
  | {
      readonly _tag: "Run"
      /** All its words: `peer channel join`. */
      readonly name: string
      readonly run: Run
      readonly flags: FlagValues
      readonly args: ReadonlyArray<string>
      /** What is printed behind an error of the arguments. */
      readonly usage: string
    }

/** A command with the ones above it, the root first. */
type Path<Run> = readonly [CommandSpec<Run>, ...Array<CommandSpec<Run>>]

const nameOf = (command: CommandSpec<unknown>): string => command.use.split(" ", 1)[0] ?? ""
const last = <Run>(path: Path<Run>): CommandSpec<Run> => path[path.length - 1] ?? path[0]
const pathText = (path: Path<unknown>): string => path.map(nameOf).join(" ")

const helpCommand = <Run>(): CommandSpec<Run> => ({
  use: "help [command]",
  short: "Help about any command",
  long: "Prints the help of a command.",
  flags: [],
  persistent: [],
  commands: []
})

// ---- Texts -------------------------------------------------------------------------------------------------------

const helpFlag = (command: CommandSpec<unknown>): FlagSpec => flag("help", `help for ${nameOf(command)}`, "h")

const usageText = (path: Path<unknown>): string => {
  const command = last(path)
  const own = pathText(path)
  const above = path.slice(0, -1)
  const useLine = command.run === undefined ? "" : `\n  ${[...above.map(nameOf), command.use].join(" ")} [flags]`
  const shown = [...command.commands, ...(path.length === 1 ? [helpCommand()] : [])]
    .map((one) => ({ name: nameOf(one), short: one.short }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const group = command.commands.length > 0
  const width = Math.max(11, ...shown.map(({ name }) => name.length))
  const names = shown.map(({ name, short }) => `\n  ${name.padEnd(width)} ${short}`).join("")
  const local = flagLines([...command.flags, ...command.persistent, helpFlag(command)])
  const inherited = flagLines(above.flatMap(({ persistent }) => persistent))
  return [
    `Usage:${useLine}`,
    group ? `\n  ${own} [command]\n\nAvailable Commands:${names}` : "",
    `\n\nFlags:\n${local.join("\n")}`,
    inherited.length > 0 ? `\n\nGlobal Flags:\n${inherited.join("\n")}` : "",
    group ? `\n\nUse "${own} [command] --help" for more information about a command.` : "",
    "\n"
  ].join("")
}

const help = (path: Path<unknown>): { readonly _tag: "Help"; readonly text: string; readonly stream: "stdout" } => {
  const { long } = last(path)
  return { _tag: "Help", text: `${long === "" ? "" : `${long}\n\n`}${usageText(path)}`, stream: "stdout" }
}

// ---- Suggestions -------------------------------------------------------------------------------------------------

/** Edits between two words; a changed letter counts two. */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i)
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= to.length; j += 1) {
      const [up = 0, left = 0, diagonal = 0] = [row[j], next[j - 1], row[j - 1]]
      next.push(from[i - 1] === to[j - 1] ? diagonal : Math.min(up, left, diagonal) + 1)
    }
    row = next
  }
  return row[to.length] ?? 0
}

const suggestions = (root: CommandSpec<unknown>, word: string): string => {
  const typed = word.toLowerCase()
  const names = [...root.commands.map(nameOf), "help"].sort()
  const near = names.filter((name) => distance(typed, name) <= 2 || name.startsWith(typed))
  return near.length === 0 ? "" : `\n\nDid you mean this?\n${near.map((name) => `\t${name}\n`).join("")}`
}

// ---- Finding -----------------------------------------------------------------------------------------------------

/**
 * The words that are neither flags nor their values, as far as the command found so far knows flags: a flag that it
 * does not know takes the next word.
 */
const plainWords = (args: ReadonlyArray<string>, known: ReadonlyArray<FlagSpec>): ReadonlyArray<string> => {
  const words: Array<string> = []
  const isSwitch = (match: (spec: FlagSpec) => boolean): boolean => known.find(match)?.kind === "bool"
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] ?? ""
    if (arg === "--") break
    const bare = !arg.includes("=")
    const takesNext =
      (arg.startsWith("--") && bare && !isSwitch(({ name }) => name === arg.slice(2))) ||
      (arg.startsWith("-") && bare && arg.length === 2 && !isSwitch(({ short }) => short === arg.slice(1)))
    if (takesNext) i += 1
    else if (arg !== "" && !arg.startsWith("-")) words.push(arg)
  }
  return words
}

const without = (args: ReadonlyArray<string>, word: string): ReadonlyArray<string> => {
  const at = args.indexOf(word)
  return at < 0 ? args : [...args.slice(0, at), ...args.slice(at + 1)]
}

const flagsAt = (path: Path<unknown>): ReadonlyArray<FlagSpec> => [
  ...path.flatMap(({ persistent }) => persistent),
  ...last(path).flags
]

interface Found<Run> {
  readonly path: Path<Run>
  readonly args: ReadonlyArray<string>
  readonly words: ReadonlyArray<string>
}

const find = <Run>(path: Path<Run>, args: ReadonlyArray<string>): Found<Run> => {
  const words = plainWords(args, flagsAt(path))
  const [word] = words
  const next = last(path).commands.find((command) => nameOf(command) === word)
  return word === undefined || next === undefined ? { path, args, words } : find([...path, next], without(args, word))
}

/** What a command line asks for. */
export const resolve = <Run>(root: CommandSpec<Run>, args: ReadonlyArray<string>): Resolved<Run> => {
  const { args: rest, path, words } = find<Run>([root], args)
  const [word] = words
  if (path.length === 1 && word === "help") {
    const topic = find<Run>([root], words.slice(1))
    const [unknown] = topic.words
    if (topic.path.length > 1 || unknown === undefined) return help(topic.path)
    const shown = words.slice(1).map((one) => `\`${one}\``)
    return { _tag: "Help", text: `Unknown help topic [${shown.join(" ")}]\n${usageText([root])}`, stream: "stderr" }
  }
  if (path.length === 1 && word !== undefined && root.commands.length > 0) {
    const name = pathText(path)
    const text = `Error: unknown command ${JSON.stringify(word)} for "${name}"${suggestions(root, word)}`
    return { _tag: "Refused", text: `${text}\nRun '${name} --help' for usage.\n` }
  }
  const command = last(path)
  const read = readFlags([...flagsAt(path), helpFlag(command)], rest)
  const usage = `${usageText(path)}\n`
  if (Either.isLeft(read)) return { _tag: "Refused", text: `Error: ${read.left}\n${usage}` }
  const { values, words: operands } = read.right
  if (values.is("help") || command.run === undefined) return help(path)
  return { _tag: "Run", name: pathText(path), run: command.run, flags: values, args: operands, usage }
}
