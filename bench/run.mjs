// `npm run bench [-- name…]`: runs the benchmarks named (all without names) one after the other, each in a process of
// its own. Each prints its rows; a machine that does other work gives upper bounds. A benchmark that needs flags of Node
// says so in a line `// node: --expose-gc`.
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** @type {(file: string) => string} */
const flagsOf = (file) => /^\/\/ node: (.+)$/m.exec(readFileSync(file, "utf8"))?.[1] ?? ""
const folder = dirname(fileURLToPath(import.meta.url))
const all = readdirSync(folder)
  .filter((name) => name.endsWith(".bench.ts"))
  .map((name) => name.slice(0, -".bench.ts".length))
  .sort()
const [...asked] = process.argv.slice(2).filter((argument) => !argument.startsWith("-"))
const unknown = asked.filter((name) => !all.includes(name))
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(", ")}; there are ${all.join(", ")}`)
  process.exit(1)
}
let failed = 0
for (const name of asked.length > 0 ? asked : all) {
  console.log(`== ${name}`)
  const file = join(folder, `${name}.bench.ts`)
  const flags = flagsOf(file)
    .split(" ")
    .filter((flag) => flag !== "")
  const viteNode = fileURLToPath(import.meta.resolve("vite-node/vite-node.mjs"))
  const { status } = spawnSync(process.execPath, [...flags, viteNode, file], { stdio: "inherit" })
  if (status !== 0) failed += 1
}
process.exit(failed > 0 ? 1 : 0)
