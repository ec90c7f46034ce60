/**
 * What is written from the Schemas: docs/configuration.md and the two shipped files. `scripts/generate-config-docs.mjs`
 * writes them, a test compares.
 */
import { environmentName } from "./assemble.js"
import { CoreYaml } from "./core/schema.js"
import { OrdererYaml } from "./orderer/schema.js"
import { type Layout, type LeafInfo, layoutOf, leavesOf } from "./schema.js"

interface Program {
  readonly title: string
  readonly file: string
  readonly prefix: string
  readonly layout: Layout
}

const programs: ReadonlyArray<Program> = [
  { title: "The peer", file: "core.yaml", prefix: "CORE", layout: layoutOf(CoreYaml) },
  { title: "The orderer", file: "orderer.yaml", prefix: "ORDERER", layout: layoutOf(OrdererYaml) }
]

// ---- Markdown ----------------------------------------------------------------------------------------------------

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ")
const code = (text: string): string => (text === "" ? "" : `\`${cell(text)}\``)

const marks = (info: LeafInfo): string => {
  const words = [
    ...(info.path ? ["Relative to the file's folder."] : []),
    ...(info.secret ? ["Secret: masked in logs."] : []),
    ...(info.unused ? ["Nothing depends on it."] : []),
    ...(info.ours ? ["**Ours.**"] : [])
  ]
  return words.length === 0 ? "" : ` ${words.join(" ")}`
}

const table = ({ layout, prefix }: Program): ReadonlyArray<string> => [
  "| key | variable | type | when not set | meaning |",
  "|---|---|---|---|---|",
  ...leavesOf(layout).map(
    ({ info, keys }) =>
      `| ${code(keys.join("."))} | ${code(environmentName(prefix, keys))} | ${cell(info.type)} | ${code(info.fallback ?? "")} | ${cell(info.doc)}${marks(info)} |`
  )
]

const ours = (): ReadonlyArray<string> => [
  "| key | when not set | meaning |",
  "|---|---|---|",
  ...programs.flatMap(({ file, layout }) =>
    leavesOf(layout)
      .filter(({ info }) => info.ours)
      .map(
        ({ info, keys }) =>
          `| ${file}: ${code(keys.join("."))} | ${code(info.fallback ?? "not set")} | ${cell(info.doc)} |`
      )
  )
]

const introduction = `# Configuration

This page is generated from the Schemas in \`src/config\` by \`scripts/generate-config-docs.mjs\`: do not edit.

A program looks for its file in \`FABRIC_CFG_PATH\` and nowhere else when that is set, otherwise in the working folder, then
in \`/etc/hyperledger/fabric\`. Any key can be replaced by the variable beside it; an empty variable counts as not set.

- **Peer**: a variable works whether the file has the key or not. Keys of the first level are found in any case, deeper
  ones as written here. A key that does not exist is ignored with a warning. A value that does not fit stops the start
  (Go peers take zero for it in silence). Lists in variables are separated by blanks.
- **Orderer**: a variable works only below sections that the file has. Keys are found in any case. A key that does not
  exist stops the start. Lists in variables are written \`[a, b]\`. A text may be given as \`{File: path}\`, which stands for
  the content of the file, and for each certificate in it where a list is wanted; by variable: the name with \`_FILE\`.
- **Both**: durations are Go's (\`10s\`, \`1m30s\`; a bare number is nanoseconds). Truth is \`true\`, \`t\`, \`1\` and the like.
  Logging is set by \`FABRIC_LOGGING_SPEC\` and \`FABRIC_LOGGING_FORMAT\` alone.`

/** The whole of docs/configuration.md. */
export const configurationPage = (): string =>
  [
    introduction,
    "",
    "## Keys that Fabric does not have",
    "",
    "A Go peer ignores them. A Go orderer refuses a file with unknown keys: leave ours out where one file serves both, and set",
    "them by variable.",
    "",
    ...ours(),
    ...programs.flatMap((program) => ["", `## ${program.title}: \`${program.file}\``, "", ...table(program)]),
    ""
  ].join("\n")

// ---- YAML --------------------------------------------------------------------------------------------------------

const wide = 110

const comment = (text: string, indent: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + 2 + line.length + 1 + word.length > wide) {
      lines.push(`${indent}# ${line}`)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, `${indent}# ${line}`]
}

const hasSample = (layout: Layout): boolean =>
  layout._tag === "Leaf" ? layout.info.sample !== undefined : layout.children.some(hasSample)

const keyLines = (key: string, value: string, indent: string): ReadonlyArray<string> => {
  const [first = "", ...rest] = value.split("\n")
  return [`${indent}${key}:${first === "" ? "" : ` ${first}`}`, ...rest.map((line) => `${indent}  ${line}`)]
}

/** A leaf without a sample is shown as a comment, so that the shipped file sets what Fabric's does and nothing else. */
const yamlOf = (layout: Layout, indent: string, dead: boolean): ReadonlyArray<string> => {
  const { info } = layout
  if (layout._tag === "Leaf") {
    const about = comment(`${layout.info.doc}${layout.info.ours ? " Not in Fabric." : ""}`, indent)
    if (layout.info.sample !== undefined && !dead) return [...about, ...keyLines(info.key, layout.info.sample, indent)]
    return [...about, ...keyLines(info.key, layout.info.fallback ?? "", `${indent}# `)]
  }
  const inert = dead || !hasSample(layout)
  const body = layout.children.flatMap((child) => yamlOf(child, inert ? indent : `${indent}  `, inert))
  if (!inert) return ["", ...comment(info.doc, indent), `${indent}${info.key}:`, ...body]
  // A section that the file does not have: one comment line with its keys.
  const keys = leavesOf(layout).map((each) => each.keys.join("."))
  return comment(`${info.doc} Not set here: ${keys.join(", ")}.`, indent)
}

const head = (file: string): ReadonlyArray<string> => [
  `# ${file}: the values that a node starts with. Generated from src/config by scripts/generate-config-docs.mjs;`,
  "# docs/configuration.md lists every key with its type, its variable and what holds when it is not set."
]

/** The whole of config/core.yaml or config/orderer.yaml. */
export const shippedFile = (file: "core.yaml" | "orderer.yaml"): string => {
  const program = programs.find((each) => each.file === file)
  if (program === undefined || program.layout._tag === "Leaf") return ""
  return [...head(file), ...program.layout.children.flatMap((child) => yamlOf(child, "", false)), ""].join("\n")
}
