#!/usr/bin/env node
// The peer: `node peer.mjs node start`. Checks what must be there before anything is loaded.
import { existsSync } from "node:fs"
import { setFlagsFromString } from "node:v8"

const [major] = process.versions.node.split(".")
if (Number(major) < 20) {
  console.error(`Error: Node 20 or later is needed, this is ${process.version}`)
  process.exit(1)
}
const entry = new URL("./dist/bin/peer.mjs", import.meta.url)
if (!existsSync(entry)) {
  console.error("Error: the project is not built; run `npm ci`")
  process.exit(1)
}
// For a node that runs; the start, which only loads, is faster with V8's own values.
let serves = false
const running = () => {
  serves = true
  // optimised code after hundreds of calls instead of thousands: a node does the same few things for every transaction
  setFlagsFromString("--interrupt-budget=10000")
}
const { ended, guarded, main } = await import(entry.href)
const { stderr } = process
const stdout = guarded(process.stdout)
const code = await main({
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  stdout: (text) => void stdout.write(text),
  stderr: (text) => void stderr.write(text),
  ...(stderr.isTTY ? { terminal: { columns: stderr.columns || 80 } } : {}),
  kill: (code) => process.exit(code),
  running
})
process.exit(await ended(code, { stdout, stderr, patience: serves ? 2000 : undefined }))
