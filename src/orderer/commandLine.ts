/**
 * The orderer's command line with the reference's texts. Own code because the reference's parser (kingpin) has its own
 * rules: a default command, flags anywhere, its words for what it does not know. Pure.
 * Source: orderer.md 2.1.
 */

export type Command =
  | { readonly _tag: "Start" }
  | { readonly _tag: "Version" }
  | { readonly _tag: "Benchmark" }
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

const commandUsage = (name: Name): string => {
  const help = commands.find((command) => command.name === name)?.help ?? ""
  return `usage: orderer ${name}\n\n${help}\n\nFlags:\n${helpFlag}\n`
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

const tagOf: Readonly<Record<Name, "Start" | "Version" | "Benchmark">> = {
  start: "Start",
  version: "Version",
  benchmark: "Benchmark"
}

/** In: the arguments behind the program's name. */
export const parseCommandLine = (args: ReadonlyArray<string>): Command => {
  let name: Name | "help" | undefined
  const words: Array<string> = []
  let help = false
  let flagsEnd = false
  for (const arg of args) {
    if (!flagsEnd && arg === "--") flagsEnd = true
    else if (!flagsEnd && arg.startsWith("--")) {
      const flag = arg.split("=", 1)[0] ?? arg
      if (flag === "--help" || flag === "--help-long") help = true
      else if (flag === "--help-man") return { _tag: "Print", text: man }
      else if (flag === "--completion-script-bash") return { _tag: "Print", text: completion.bash }
      else if (flag === "--completion-script-zsh") return { _tag: "Print", text: completion.zsh }
      else if (flag === "--completion-bash") {
        return { _tag: "Print", text: `help\n${commands.map((command) => `${command.name}\n`).join("")}` }
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
  return { _tag: tagOf[name ?? "start"] }
}
