#!/usr/bin/env node
// The ordering service node: `node orderer.mjs start`. Checks what must be there before anything is loaded.
import { existsSync } from "node:fs"

const [major] = process.versions.node.split(".")
if (Number(major) < 20) {
  console.error(`Error: Node 20 or later is needed, this is ${process.version}`)
  process.exit(1)
}
const entry = new URL("./dist/bin/orderer.mjs", import.meta.url)
if (!existsSync(entry)) {
  console.error("Error: the project is not built; run `npm ci`")
  process.exit(1)
}
const { main } = await import(entry.href)
const [, argv0 = "orderer", ...argv] = process.argv
const options = {
  argv,
  argv0,
  env: process.env,
  cwd: process.cwd(),
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  kill: (code) => process.exit(code)
}
process.exit(await main(options))
