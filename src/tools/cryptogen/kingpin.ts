/**
 * Command lines in the manner of Go's kingpin, whose texts and exit codes scripts know: long flags only, `--flag value` or
 * `--flag=value`, help on standard error, refusals as `program: error: ..., try --help`.
 */
import * as Either from "effect/Either"

/** One flag of a command. */
export interface FlagSpec {
  readonly name: string
  readonly help: string
  /** Used, and shown, when the flag is not given. */
  readonly initial?: string
}

export interface CommandSpec {
  readonly name: string
  readonly help: string
  readonly flags: ReadonlyArray<FlagSpec>
}

export interface ProgramSpec {
  readonly name: string
  readonly help: string
  readonly commands: ReadonlyArray<CommandSpec>
}

/** What a command line asks for. */
export type Parsed =
  | { readonly kind: "command"; readonly command: string; readonly flags: ReadonlyMap<string, string> }
  /** Text to show and end with success: on standard error (`--help`, `help`, no command) or output (`--help-long`). */
  | { readonly kind: "help"; readonly text: string; readonly to: "stdout" | "stderr" }

const WIDTH = 80
const HELP: FlagSpec = {
  name: "help",
  help: "Show context-sensitive help (also try --help-long and --help-man)."
}

const flagText = (flag: FlagSpec): string => {
  if (flag.name === "help") return "--help"
  return `--${flag.name}=${flag.initial === undefined ? flag.name.toUpperCase() : JSON.stringify(flag.initial)}`
}

const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line]
}

const flagTable = (flags: ReadonlyArray<FlagSpec>, indent: number): string => {
  const column = Math.max(...flags.map((flag) => flagText(flag).length))
  const margin = indent + column + 2
  return flags
    .map((flag) => {
      const [first = "", ...rest] = wrap(flag.help, WIDTH - margin)
      const head = `${" ".repeat(indent)}${flagText(flag).padEnd(column)}  ${first}\n`
      return head + rest.map((line) => `${" ".repeat(margin)}${line}\n`).join("")
    })
    .join("")
}

const usageLine = (program: ProgramSpec, command: CommandSpec | undefined): string => {
  if (command === undefined) return `usage: ${program.name} [<flags>] <command> [<args> ...]\n\n${program.help}\n`
  const flags = command.flags.length > 0 ? " [<flags>]" : ""
  return `usage: ${program.name} ${command.name}${flags}\n\n${command.help}\n`
}

const HELP_COMMAND = "  help [<command>...]\n    Show help.\n"

const commandHead = (command: CommandSpec): string =>
  `  ${command.name}${command.flags.length > 0 ? " [<flags>]" : ""}\n    ${command.help}\n`

/** The help of the program, or of one command. */
export const helpText = (program: ProgramSpec, command?: CommandSpec): string => {
  const flags = `\nFlags:\n${flagTable([HELP, ...(command?.flags ?? [])], 2)}`
  if (command !== undefined) return `${usageLine(program, command)}${flags}\n`
  const commands = program.commands.map((one) => `${commandHead(one)}\n`).join("")
  return `${usageLine(program, undefined)}${flags}\nCommands:\n${HELP_COMMAND}\n${commands}\n`
}

const longHelp = (program: ProgramSpec, command: CommandSpec | undefined): string => {
  const commands = program.commands.map((one) =>
    one.flags.length === 0 ? `${commandHead(one)}\n\n` : `${commandHead(one)}\n${flagTable(one.flags, 4)}\n`
  )
  return `${usageLine(program, undefined)}\nFlags:\n${flagTable([HELP, ...(command?.flags ?? [])], 2)}\nCommands:\n${HELP_COMMAND}\n\n${commands.join("")}\n`
}

const manPage = (program: ProgramSpec): string => {
  const flags = (list: ReadonlyArray<FlagSpec>) =>
    list.map((flag) => `.TP\n\\fB${flagText(flag)}\\fR\n${flag.help}\n`).join("")
  const commands = program.commands.map((one) => {
    const head = `${one.name}${one.flags.length > 0 ? " [<flags>]" : ""}`
    return `.SS\n\\fB${head}\\fR\n.PP\n${one.help}\n${flags(one.flags)}`
  })
  return `.TH ${program.name} 1  ""\n.SH "NAME"\n${program.name}\n.SH "SYNOPSIS"\n.TP\n\\fB${program.name} [<flags>] <command> [<args> ...]\\fR\n\n.SH "DESCRIPTION"\n${program.help}\n.SH "OPTIONS"\n${flags([HELP])}.SH "COMMANDS"\n.SS\n\\fBhelp [<command>...]\\fR\n.PP\nShow help.\n${commands.join("")}`
}

/** Reads a command line. The failure is what stands behind `program: error: `. */
export const parseCommandLine = (program: ProgramSpec, argv: ReadonlyArray<string>): Either.Either<Parsed, string> => {
  const refuse = (text: string): Either.Either<Parsed, string> => Either.left(`${text}, try --help`)
  let command: CommandSpec | undefined
  let helpWanted = false
  const flags = new Map<string, string>()
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? ""
    if (argument === "--help") return Either.right({ kind: "help", text: helpText(program, command), to: "stderr" })
    if (argument === "--help-long")
      return Either.right({ kind: "help", text: longHelp(program, command), to: "stdout" })
    if (argument === "--help-man") return Either.right({ kind: "help", text: manPage(program), to: "stdout" })
    const [, flag, inline] = /^--([^=]+)(?:=(.*))?$/s.exec(argument) ?? []
    if (flag !== undefined) {
      if (command?.flags.some((known) => known.name === flag) !== true) return refuse(`unknown long flag '--${flag}'`)
      if (flags.has(flag)) return refuse(`flag '${flag}' cannot be repeated`)
      const next = argv[i + 1]
      if (inline === undefined && (next === undefined || next.startsWith("-"))) {
        return refuse(`expected argument for flag '--${flag}'`)
      }
      if (inline === undefined) i++
      flags.set(flag, inline ?? next ?? "")
      continue
    }
    if (/^-./.test(argument) && argument !== "--") return refuse(`unknown short flag '${argument.slice(0, 2)}'`)
    if (command !== undefined) return refuse(`unexpected ${argument}`)
    command = program.commands.find((known) => known.name === argument)
    if (command !== undefined) continue
    if (argument === "help") helpWanted = true
    else return refuse(`expected command but got ${JSON.stringify(argument)}`)
  }
  if (helpWanted || command === undefined) {
    return Either.right({ kind: "help", text: helpText(program, helpWanted ? command : undefined), to: "stderr" })
  }
  for (const { initial, name } of command.flags) if (initial !== undefined && !flags.has(name)) flags.set(name, initial)
  return Either.right({ kind: "command", command: command.name, flags })
}
