/**
 * The orderer's command line with the reference's texts. Own code because the reference's parser (kingpin) has its own
 * rules: a default command, flags anywhere, its words for what it does not know. Pure.
 * Source: orderer.md 2.1.
 */
import * as Either from "effect/Either"

/** What `benchmark` was told; what was left out stays undefined. */
export interface BenchmarkFlags {
  readonly count?: number
  readonly sizes?: ReadonlyArray<number>
  readonly clients?: ReadonlyArray<number>
  readonly window?: number
}

export type Command =
  | { readonly _tag: "Start" }
  | { readonly _tag: "Version" }
  | { readonly _tag: "Benchmark"; readonly options: BenchmarkFlags }
  /** Usage goes to stderr, the program ends with 0. */
  | { readonly _tag: "Help"; readonly text: string }
  /** A script or a page for stdout, the program ends with 0. */
  | { readonly _tag: "Print"; readonly text: string }
  /** The program ends with 1. */
  | { readonly _tag: "Refused"; readonly message: string }

const commands = [
  { name: "start", help: "Start the orderer node", byDefault: true },
  { name: "version", help: "Show version information", byDefault: false },
  { name: "benchmark", help: "Run orderer in benchmark mode", byDefault: false }
] as const
type Name = (typeof commands)[number]["name"]

const helpFlag = "  --help  Show context-sensitive help (also try --help-long and --help-man).\n"

const usage = `usage: orderer [<flags>] <command> [<args> ...]

Hyperledger Fabric orderer node

Flags:
${helpFlag}
Commands:
  help [<command>...]
    Show help.

${commands.map(({ byDefault, help, name }) => `  ${name}${byDefault ? "*" : ""}\n    ${help}\n`).join("\n")}
`

/** Ours: the reference's command has no flags. */
const benchmarkFlags: Readonly<
  Record<string, { readonly help: string; readonly many: boolean; readonly least: number }>
> = {
  count: { help: "Envelopes of each case; 0: go on until stopped.", many: false, least: 0 },
  sizes: { help: "Bytes of data of an envelope, several separated by commas.", many: true, least: 1 },
  clients: { help: "Numbers of clients, several separated by commas.", many: true, least: 1 },
  window: { help: "Envelopes of one client on their way at a time.", many: false, least: 1 }
}

const commandUsage = (name: Name): string => {
  const help = commands.find((command) => command.name === name)?.help ?? ""
  if (name !== "benchmark") return `usage: orderer ${name}\n\n${help}\n\nFlags:\n${helpFlag}\n`
  const flags = Object.entries(benchmarkFlags).map(([flag, { help }]) => `  --${flag}=${flag.toUpperCase()}  ${help}\n`)
  return `usage: orderer ${name} [<flags>]\n\n${help}\n\nFlags:\n${helpFlag}${flags.join("")}\n`
}

/** Numbers of a flag; the left side says what is wrong with them. */
const numbersOf = (flag: string, text: string | undefined): Either.Either<ReadonlyArray<number>, string> => {
  const rule = benchmarkFlags[flag]
  if (rule === undefined) return Either.left(`unknown long flag '--${flag}'`)
  if (text === undefined || text === "") return Either.left(`expected argument for flag '--${flag}'`)
  const words = rule.many ? text.split(",") : [text]
  const bad = words.find((word) => !/^\d{1,9}$/.test(word) || Number(word) < rule.least)
  return bad === undefined
    ? Either.right(words.map(Number))
    : Either.left(
        `flag '--${flag}' wants ${rule.many ? "whole numbers" : "a whole number"} from ${rule.least} on, got '${bad}'`
      )
}

const completion = {
  bash: `_orderer_bash_autocomplete() {
    local cur opts
    COMPREPLY=()
    cur="\${COMP_WORDS[COMP_CWORD]}"
    opts=$( \${COMP_WORDS[0]} --completion-bash \${COMP_WORDS[@]:1:$COMP_CWORD} )
    COMPREPLY=( $(compgen -W "\${opts}" -- \${cur}) )
    return 0
}
complete -F _orderer_bash_autocomplete orderer
`,
  zsh: `#compdef orderer
_orderer() {
    compadd $( \${words[1]} --completion-bash \${words[@]:1} )
}
compdef _orderer orderer
`
} as const

const man = `.TH orderer 1 "" ""
.SH "NAME"
orderer
.SH "SYNOPSIS"
.TP
\\fBorderer [<flags>] <command> [<args> ...]\\fR
.SH "DESCRIPTION"
Hyperledger Fabric orderer node
.SH "OPTIONS"
.TP
\\fB--help\\fR
Show context-sensitive help (also try --help-long and --help-man).
.SH "COMMANDS"
.SS
\\fBhelp [<command>...]\\fR
Show help.
${commands.map(({ help, name }) => `.SS\n\\fB${name}\\fR\n${help}\n`).join("")}`

const isName = (word: string): word is Name => commands.some(({ name }) => name === word)

/** In: the arguments behind the program's name. */
export const parseCommandLine = (args: ReadonlyArray<string>): Command => {
  let name: Name | "help" | undefined
  const words: Array<string> = []
  const given = new Map<string, ReadonlyArray<number>>()
  let help = false
  let flagsEnd = false
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? ""
    if (!flagsEnd && arg === "--") flagsEnd = true
    else if (!flagsEnd && arg.startsWith("--")) {
      const flag = arg.split("=", 1)[0] ?? arg
      if (flag === "--help" || flag === "--help-long") help = true
      else if (flag === "--help-man") return { _tag: "Print", text: man }
      else if (flag === "--completion-script-bash") return { _tag: "Print", text: completion.bash }
      else if (flag === "--completion-script-zsh") return { _tag: "Print", text: completion.zsh }
      else if (flag === "--completion-bash") {
        return { _tag: "Print", text: `help\n${commands.map((command) => `${command.name}\n`).join("")}` }
      } else if (name === "benchmark") {
        const value = flag === arg ? args[++i] : arg.slice(flag.length + 1)
        const numbers = numbersOf(flag.slice(2), value)
        if (Either.isLeft(numbers)) return { _tag: "Refused", message: numbers.left }
        given.set(flag.slice(2), numbers.right)
      } else return { _tag: "Refused", message: `unknown long flag '${flag}'` }
    } else if (!flagsEnd && arg.startsWith("-") && arg.length > 1) {
      return { _tag: "Refused", message: `unknown short flag '${arg.slice(0, 2)}'` }
    } else if (name === undefined && (arg === "help" || isName(arg))) name = arg
    else if (name === "help") words.push(arg)
    else return { _tag: "Refused", message: `unexpected ${arg}` }
  }
  if (name === "help") {
    const [word] = words
    if (word === undefined || word === "help") return { _tag: "Help", text: usage }
    return isName(word)
      ? { _tag: "Help", text: commandUsage(word) }
      : { _tag: "Refused", message: `unknown command '${word}'` }
  }
  if (help) return { _tag: "Help", text: name === undefined ? usage : commandUsage(name) }
  if (name === "version") return { _tag: "Version" }
  if (name !== "benchmark") return { _tag: "Start" }
  const [count] = given.get("count") ?? []
  const [window] = given.get("window") ?? []
  const [clients, sizes] = [given.get("clients"), given.get("sizes")]
  return {
    _tag: "Benchmark",
    options: {
      ...(count === undefined ? {} : { count }),
      ...(window === undefined ? {} : { window }),
      ...(clients === undefined ? {} : { clients }),
      ...(sizes === undefined ? {} : { sizes })
    }
  }
}
