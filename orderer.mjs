#!/usr/bin/env node
// The ordering service node: `node orderer.mjs start`. Checks what must be there before anything is loaded.
import { existsSync } from "node:fs"
import { setFlagsFromString } from "node:v8"

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
// For a node that runs; the start, which only loads, is faster with V8's own values.
let serves = false
const running = () => {
  serves = true
  // the old generation is collected seldom while the node is small and its load modest, otherwise early, so that buffers of
  // messages and blocks, which lie outside the heap, are given back in time and do not pile up to some 50 MiB more
  fitCollections(ofProcess(process, setFlagsFromString))
  // optimised code after hundreds of calls instead of thousands: a node does the same few things for every transaction
  setFlagsFromString("--interrupt-budget=10000")
}
const { ended, fitCollections, guarded, main, ofProcess } = await import(entry.href)
const { stderr } = process
const stdout = guarded(process.stdout)
const [, argv0 = "orderer", ...argv] = process.argv
const options = {
  argv,
  argv0,
  env: process.env,
  cwd: process.cwd(),
  stdout: (text) => void stdout.write(text),
  stderr: (text) => void stderr.write(text),
  kill: (code) => process.exit(code),
  running
}
const code = await main(options)
process.exit(await ended(code, { stdout, stderr, patience: serves ? 2000 : undefined }))
