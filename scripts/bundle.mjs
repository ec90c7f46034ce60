// Joins the programs into a few files under dist/bin: Node opens those at start instead of a thousand. What is imported
// when needed (a command of the peer's, the node itself) is a file of its own and costs nothing before. Run by `npm run build` after the compiler.
import { copyFileSync, readdirSync, rmSync, statSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import { joining } from "./joining.mjs"

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..")

const { metafile } = await build({
  ...joining,
  absWorkingDir: root,
  entryPoints: {
    orderer: "dist/orderer/main.js",
    peer: "dist/peer/main.js",
    network: "dist/network/main.js"
  },
  outdir: "dist/bin",
  outExtension: { ".js": ".mjs" },
  splitting: true,
  metafile: true,
  legalComments: "none"
})

// Threads start from a file of their own, which the compiler does not know.
const thread = "signatureWorker.mjs"
for (const folder of ["dist/bin", "dist/validation"])
  copyFileSync(join(root, "src/validation", thread), join(root, folder, thread))

// Parts of earlier builds; a program that was started from one just now may still ask for them.
const HOUR = 3_600_000
const made = new Set(Object.keys(metafile.outputs).map((path) => basename(path))).add(thread)
const folder = join(root, "dist/bin")
for (const name of readdirSync(folder)) {
  const path = join(folder, name)
  if (!made.has(name) && statSync(path).mtimeMs < Date.now() - HOUR) rmSync(path, { force: true })
}
