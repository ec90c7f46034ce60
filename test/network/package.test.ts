/** What `npm pack` makes, installed into an empty project: the README's example and `up` work there. */
import { spawn } from "node:child_process"
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, it, vi } from "vitest"
import { root, sample } from "./program.js"
import { temporaryFolder } from "./support.js"

vi.setConfig({ testTimeout: 300_000, hookTimeout: 600_000 })

const at = temporaryFolder()
const project = at("project")

const exec = (
  command: string,
  args: ReadonlyArray<string>,
  cwd: string
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"] })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (text) => {
      stdout += text
    })
    child.stderr.on("data", (text) => {
      stderr += text
    })
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, stdout, stderr }))
  })

/** Milliseconds since the epoch of the youngest file. */
const youngest = (folder: string): number =>
  Math.max(
    ...readdirSync(folder, { withFileTypes: true }).map((entry) =>
      entry.isDirectory() ? youngest(join(folder, entry.name)) : statSync(join(folder, entry.name)).mtimeMs
    )
  )

/** `npm ci` has built the package; a developer's tree may have changed since. */
const build = async (): Promise<void> => {
  const built = ["dist/network/api.js", "dist/network/api.d.ts", "dist/bin/network.mjs"].map((file) =>
    statSync(join(root, file), { throwIfNoEntry: false })
  )
  const source = youngest(join(root, "src"))
  if (built.every((file) => file !== undefined && file.mtimeMs >= source)) return
  const { code, stderr, stdout } = await exec("npm", ["run", "build"], root)
  if (code !== 0) throw new Error(`npm run build: ${stdout}${stderr}`)
}

/** The first example of the README that starts a network. */
const readmeExample = (): string => {
  const blocks = readFileSync(join(root, "README.md"), "utf8").split(/^```/m)
  const block = blocks.find((text) => text.startsWith("ts\n") && text.includes("startNetwork("))
  if (block === undefined) throw new Error("the README has no example of startNetwork")
  return block.slice("ts\n".length)
}

/** The chaincode of the example: the sample's dependencies, two functions of its own. */
const writeChaincode = (folder: string): void => {
  mkdirSync(folder)
  for (const file of ["package.json", "package-lock.json"]) cpSync(join(sample, file), join(folder, file))
  writeFileSync(
    join(folder, "index.js"),
    `const { Contract } = require("fabric-contract-api")
class Own extends Contract {
  async create(ctx, id, value) { await ctx.stub.putState(id, Buffer.from(value)) }
  async read(ctx, id) { return Buffer.from(await ctx.stub.getState(id)).toString() }
}
module.exports.contracts = [Own]
`
  )
}

const offline = /ENOTCACHED|ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|network/i

describe("the package from npm pack", () => {
  let missing: string | undefined
  beforeAll(async () => {
    await build()
    mkdirSync(project)
    const packed = await exec("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", at(".")], root)
    expect(packed).toMatchObject({ code: 0 })
    const tarball = at(packed.stdout.trim())
    writeFileSync(join(project, "package.json"), JSON.stringify({ name: "empty", version: "1.0.0", type: "module" }))
    for (const mode of ["--offline", "--prefer-offline"]) {
      const installed = await exec("npm", ["install", mode, "--no-audit", "--no-fund", tarball], project)
      if (installed.code === 0) return
      if (!offline.test(installed.stderr)) throw new Error(installed.stderr)
      missing = "npm has the package's dependencies neither in its cache nor from a registry"
    }
  })

  it("runs the README's example", async (context) => {
    if (missing !== undefined) return context.skip(missing)
    writeChaincode(join(project, "my-chaincode"))
    writeFileSync(join(project, "example.mjs"), readmeExample())
    const { code, stderr, stdout } = await exec(process.execPath, ["example.mjs"], project)
    expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: "", stdout: "1\n" })
  })

  it("gives its types to TypeScript", async (context) => {
    if (missing !== undefined) return context.skip(missing)
    writeFileSync(join(project, "example.ts"), readmeExample())
    const options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--types", "node"]
    const roots = ["--typeRoots", join(root, "node_modules/@types")]
    const tsc = join(root, "node_modules/typescript/bin/tsc")
    const { code, stdout } = await exec(process.execPath, [tsc, ...options, ...roots, "example.ts"], project)
    expect([code, stdout]).toEqual([0, ""])
  })

  it("brings a network up from the command line", async (context) => {
    if (missing !== undefined) return context.skip(missing)
    const program = join(project, "node_modules/.bin/fabric-network")
    const up = await exec(program, ["up", "--detach", "--free-ports"], project)
    expect(up).toMatchObject({ code: 0, stderr: "" })
    expect(up.stdout).toMatch(/transaction [0-9a-f]{12} VALID in block 2/)
    expect(await exec(program, ["down"], project)).toMatchObject({ code: 0 })
  })
})
