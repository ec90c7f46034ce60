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
const running = () => {
  // optimised code after hundreds of calls instead of thousands: a node does the same few things for every transaction
  setFlagsFromString("--interrupt-budget=10000")
}
const { main } = await import(entry.href)
process.exit(
  await main({
    argv: process.argv.slice(2),
    env: process.env,
    cwd: process.cwd(),
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    ...(process.stderr.isTTY ? { terminal: { columns: process.stderr.columns || 80 } } : {}),
    kill: (code) => process.exit(code),
    running
  })
)
