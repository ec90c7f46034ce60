/** Command-line flags as Go's flag package takes them: one dash or two, `-name value` or `-name=value`. Pure. */
import * as Either from "effect/Either"

export interface FlagSpec {
  readonly kind: "string" | "bool"
  readonly usage: string
  readonly value: string
}
export type Flags = Readonly<Record<string, FlagSpec>>

/** Why nothing is to be run: a wrong flag (exit code 2), or a question for help (0). */
export interface NotRun {
  readonly text: string
  readonly code: number
}

/** The help text: flags in alphabetical order. */
export const usage = (program: string, flags: Flags): string => {
  const lines = Object.entries(flags)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { kind, usage, value }]) => {
      const standard = value === "" || kind === "bool" ? "" : ` (default ${JSON.stringify(value)})`
      return `  -${name}${kind === "string" ? " string" : ""}\n    \t${usage}${standard}\n`
    })
  return `Usage of ${program}:\n${lines.join("")}`
}

/** Out: every flag's value, `true` or `false` for booleans. Arguments after the first that is no flag are ignored. */
export const parseFlags = <F extends Flags>(
  program: string,
  flags: F,
  argv: ReadonlyArray<string>
): Either.Either<{ readonly [K in keyof F]: string }, NotRun> => {
  const refuse = (what: string) => Either.left({ text: `${what}\n${usage(program, flags)}`, code: 2 })
  const values: Record<string, string> = {}
  for (const [name, { value }] of Object.entries(flags)) values[name] = value
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? ""
    if (!/^--?./.test(argument) || argument === "--") break
    const [, name = "", given] = /^--?([^=]*)(?:=(.*))?$/s.exec(argument) ?? []
    if (name === "" || name.startsWith("-")) return refuse(`bad flag syntax: ${argument}`)
    const spec = Object.hasOwn(flags, name) ? flags[name] : undefined
    if (spec === undefined) {
      if (name === "help" || name === "h") return Either.left({ text: usage(program, flags), code: 0 })
      return refuse(`flag provided but not defined: -${name}`)
    }
    if (spec.kind === "bool") {
      if (given !== undefined && !/^(1|0|t|f|T|F|true|false|TRUE|FALSE|True|False)$/.test(given)) {
        return refuse(`invalid boolean value ${JSON.stringify(given)} for -${name}: parse error`)
      }
      values[name] = String(given === undefined || /^[1tT]/.test(given))
    } else if (given !== undefined) values[name] = given
    else {
      const next = argv[++i]
      if (next === undefined) return refuse(`flag needs an argument: -${name}`)
      values[name] = next
    }
  }
  return Either.right(values as { readonly [K in keyof F]: string })
}
