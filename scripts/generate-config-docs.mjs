// Writes docs/configuration.md, config/core.yaml and config/orderer.yaml from the Schemas in src/config. With --check it
// only says whether they are up to date (exit 1 when not).
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { createServer } from "vite"

const root = fileURLToPath(new URL("..", import.meta.url))
const server = await createServer({
  root,
  configFile: false,
  logLevel: "error",
  optimizeDeps: { noDiscovery: true },
  server: { middlewareMode: true, hmr: false, ws: false, watch: null }
})
try {
  const { configurationPage, shippedFile } = await server.ssrLoadModule("/src/config/document.ts")
  const files = {
    "docs/configuration.md": configurationPage(),
    "config/core.yaml": shippedFile("core.yaml"),
    "config/orderer.yaml": shippedFile("orderer.yaml")
  }
  for (const [file, text] of Object.entries(files)) {
    const path = `${root}${file}`
    let old = ""
    try {
      old = readFileSync(path, "utf8")
    } catch {
      // Not there yet.
    }
    if (old === text) continue
    if (process.argv.includes("--check")) {
      console.error(`${file} is not up to date: run node scripts/generate-config-docs.mjs`)
      process.exitCode = 1
    } else {
      writeFileSync(path, text)
      console.log(`wrote ${file}`)
    }
  }
} finally {
  await server.close()
}
