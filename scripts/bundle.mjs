// Joins each program into one file under dist/bin: Node opens a few files at start instead of a thousand. Native and
// rarely used packages stay outside. Run by `npm run build` after the compiler.
import { dirname, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..")

await build({
  absWorkingDir: root,
  entryPoints: {
    orderer: "dist/orderer/main.js",
    peer: "dist/peer/main.js",
    network: "dist/network/main.js"
  },
  outdir: "dist/bin",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  external: ["lmdb", "kafkajs"],
  // packages of the older kind ask for `require`
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);'
  },
  logLevel: "warning",
  legalComments: "none"
})
