// Writes docs/errors.md: the stages of both programs with exit code and remedy, read from the sources, and every panic
// and fatal of the reference beside our tagged error. With --check it only says whether the page is up to date; rows that
// name an error or a stage that does not exist are faults either way (exit 1).
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { basename, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { rows } from "./errors/table.mjs"

const root = fileURLToPath(new URL("..", import.meta.url))

const files = (folder) =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? files(path) : path.endsWith(".ts") ? [path] : []
  })

// A call of `stage`: its name, its remedy (texts may be joined by template or plus), its exit code when it has one.
const stageCall = /\bstage\(\s*"([^"]+)",\s*\{([\s\S]*?)\}\s*\)/g
const remedyOf = (body) => {
  const [, text] = /remedy:\s*((?:"(?:[^"\\]|\\.)*"\s*\+?\s*)+)/.exec(body) ?? []
  return text === undefined ? "" : [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, part]) => part).join("")
}

/** Stages that a folder's files declare, by name. */
const stagesIn = (folder) => {
  const found = new Map()
  for (const file of files(join(root, "src", folder))) {
    if (file.includes("/performance/")) continue // the benchmark mode's own
    const text = readFileSync(file, "utf8")
    for (const [, name, body] of text.matchAll(stageCall)) {
      const exit = Number(/exitCode:\s*(\d+)/.exec(body)?.[1] ?? "1")
      found.set(name, { name, exit, remedy: remedyOf(body), file: relative(root, file) })
    }
  }
  return found
}

/** The order in which a program's wiring file names its stages, first acquired first. */
const peerOrder = (stages) => {
  const wiring = readFileSync(join(root, "src/peer/Peer.ts"), "utf8")
  const blocks = [...wiring.matchAll(/^const (\w+) = ([\s\S]*?)^\)$/gm)].map(([, name, body]) => [name, body])
  const ofBlock = (name) => {
    const body = blocks.find(([other]) => other === name)?.[1] ?? ""
    return [...body.matchAll(/\b(\w+)\.layer\b/g)].map(([, module]) => module).reverse()
  }
  const modules = [...ofBlock("Foundation"), ...ofBlock("Engine"), ...ofBlock("Doors")]
  const byModule = (module) => [...stages.values()].filter(({ file }) => basename(file, ".ts") === module)
  return modules.flatMap(byModule)
}
const ordererOrder = (stages) => {
  const wiring = readFileSync(join(root, "src/orderer/Program.ts"), "utf8")
  const named = [...wiring.matchAll(/\bstage\(\s*"([^"]+)"/g)].map(([, name]) => name).reverse()
  return named.flatMap((name) => stages.get(name) ?? [])
}

const tags = new Set(
  files(join(root, "src")).flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(/TaggedError\("(\w+)"\)/g)].map(([, tag]) => tag)
  )
)

const cell = (text) => String(text).replaceAll("|", "\\|").replaceAll("\n", " ")
const table = (head, lines) =>
  [
    `| ${head.join(" | ")} |`,
    `|${head.map(() => "---").join("|")}|`,
    ...lines.map((line) => `| ${line.map(cell).join(" | ")} |`)
  ].join("\n")

/** The page, and what is wrong with the table of rows. */
export const errorsPage = () => {
  const stages = { peer: stagesIn("peer"), orderer: stagesIn("orderer") }
  const order = { peer: peerOrder(stages.peer), orderer: ordererOrder(stages.orderer) }
  const faults = []
  for (const node of ["peer", "orderer"])
    for (const { name } of stages[node].values())
      if (!order[node].some((stage) => stage.name === name)) faults.push(`stage ${name} of the ${node} is not wired`)

  const lines = rows.map(([node, reference, source, errors, scope, place, remedy]) => {
    for (const tag of errors) if (!tags.has(tag)) faults.push(`no error ${tag} in src (${reference})`)
    const stage = typeof place === "string" ? stages[node].get(place) : undefined
    if (typeof place === "string" && stage === undefined)
      faults.push(`the ${node} has no stage ${place} (${reference})`)
    const exit = scope !== "process" ? "goes on" : typeof place === "number" ? place : (stage?.exit ?? "?")
    return [
      node,
      reference,
      source,
      errors.length === 0 ? "none" : errors.map((tag) => `\`${tag}\``).join(", "),
      scope === "none" ? "nobody" : scope,
      stage === undefined ? "" : stage.name,
      exit,
      remedy ?? stage?.remedy ?? ""
    ]
  })

  const stageTable = (node) =>
    table(
      ["stage", "file", "exit code", "what to do when it fails"],
      order[node].map(({ exit, file, name, remedy }) => [name, `\`${file}\``, exit, remedy])
    )
  const page = `# Errors

<!-- Written by scripts/generate-errors-doc.mjs from the sources and scripts/errors/table.mjs; do not edit. -->

A start that fails prints one report on standard error, \`Error: stage <stage> failed\` with \`cause\` and \`remedy\`, releases
what it had acquired in reverse, and ends with the stage's exit code. A loop or a listener that ends while the node runs
ends the node the same way, with exit code 1. A second signal ends a node at once.

## Stages of the peer

In the order of the start; released in reverse.

${stageTable("peer")}

## Stages of the orderer

${stageTable("orderer")}

## What ends the reference's process, and what happens here

Scope: what is affected. \`process\`: the node ends in order, with the exit code given. \`channel\`: the channel stops, the
others go on, health and log name it. \`request\`: the caller hears it.

${table(["node", "the reference", "sheet", "our error", "scope", "stage", "exit code", "remedy"], lines)}
`
  return { page, faults }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { faults, page } = errorsPage()
  const path = join(root, "docs/errors.md")
  let old = ""
  try {
    old = readFileSync(path, "utf8")
  } catch {
    // Not there yet.
  }
  for (const fault of faults) console.error(fault)
  if (faults.length > 0) process.exitCode = 1
  if (process.argv.includes("--check")) {
    if (old !== page) {
      console.error("docs/errors.md is not up to date: run node scripts/generate-errors-doc.mjs")
      process.exitCode = 1
    }
  } else if (old !== page) {
    writeFileSync(path, page)
    console.log("wrote docs/errors.md")
  }
}
