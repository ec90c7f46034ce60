#!/usr/bin/env node
// The developer's network: `node network.mjs up`. Checks what must be there before anything is loaded.
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"

const [major] = process.versions.node.split(".")
if (Number(major) < 20) {
  console.error(`Error: Node 20 or later is needed, this is ${process.version}`)
  process.exit(1)
}
const entry = new URL("./dist/bin/network.mjs", import.meta.url)
if (!existsSync(entry)) {
  // a checkout that was not built: `npm ci` does it, unless scripts were switched off
  const built = spawnSync("npm", ["run", "build"], { cwd: new URL(".", import.meta.url), stdio: "inherit" })
  if (built.status !== 0) {
    console.error("Error: the project is not built; run `npm ci`")
    process.exit(1)
  }
}
const { ended, main } = await import(entry.href)
const code = await main({ argv: process.argv.slice(2), env: process.env, kill: (code) => process.exit(code) })
process.exit(await ended(code, process))
