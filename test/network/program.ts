/** `network.mjs` as a user runs it: the launchers beside the programs, joined into one file each from the sources as they are now. */
import { type ChildProcess, spawn } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import { afterAll, beforeAll } from "vitest"
import { joining } from "../../scripts/joining.mjs"
import { putThreads } from "../joined.js"

export const root = fileURLToPath(new URL("../..", import.meta.url))
export const sample = join(root, "samples/chaincode/asset-transfer")

/** Puts a package's folder together before the tests of a file and removes it after them; gives its place. */
export const programHome = (): (() => string) => {
  let home = ""
  beforeAll(async () => {
    const cache = join(root, "node_modules/.cache/fabric-effect")
    mkdirSync(cache, { recursive: true })
    home = mkdtempSync(join(cache, "home-"))
    for (const launcher of ["orderer.mjs", "peer.mjs", "network.mjs"])
      copyFileSync(join(root, launcher), join(home, launcher))
    for (const folder of ["config", "samples"]) symlinkSync(join(root, folder), join(home, folder))
    await build({
      ...joining,
      absWorkingDir: root,
      entryPoints: { orderer: "src/orderer/main.ts", peer: "src/peer/main.ts", network: "src/network/main.ts" },
      outdir: join(home, "dist/bin"),
      outExtension: { ".js": ".mjs" }
    })
    putThreads(join(home, "dist/bin"))
  })
  afterAll(() => rmSync(home, { recursive: true, force: true }))
  return () => home
}

/** Variables that a developer's shell has; nothing of Fabric's. */
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(CORE|ORDERER|FABRIC|NODE_OPTIONS|VITEST)/.test(name))
  )

export interface Ended {
  /** Exit code, or the signal that ended it. */
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
}

/** One line of `--json`. */
export type Event = Readonly<Record<string, unknown>> & { readonly event: string }

export interface Command {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** The first line of `--json` output that fits; rejects when the program ends without one. */
  readonly event: (fits: (event: Event) => boolean) => Promise<Event>
  readonly events: () => ReadonlyArray<Event>
}

const isEvent = (value: unknown): value is Event => typeof value === "object" && value !== null && "event" in value

const eventsOf = (stdout: string): ReadonlyArray<Event> =>
  stdout
    .split("\n")
    .slice(0, -1)
    .map((line): unknown => JSON.parse(line))
    .filter(isEvent)

/** Starts a command; the one who starts it waits for its end. */
export const launch = (program: string, args: ReadonlyArray<string>, cwd: string): Command => {
  const child = spawn(process.execPath, [program, ...args], {
    cwd,
    env: environment(),
    stdio: ["ignore", "pipe", "pipe"]
  })
  let stdout = ""
  let stderr = ""
  let over = false
  const listeners = new Set<() => void>()
  const tell = () => {
    for (const listener of [...listeners]) listener()
  }
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
    tell()
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
  })
  const ended = new Promise<Ended>((resolve) => {
    child.once("close", (code, signal) => {
      over = true
      resolve({ code: code ?? String(signal), stdout, stderr })
      tell()
    })
  })
  const event: Command["event"] = (fits) =>
    new Promise((resolve, reject) => {
      const look = () => {
        const found = eventsOf(stdout).find(fits)
        if (found === undefined && !over) return
        listeners.delete(look)
        if (found !== undefined) resolve(found)
        else reject(new Error(`ended without the event: ${stdout}${stderr}`))
      }
      listeners.add(look)
      look()
    })
  return { child, ended, event, events: () => eventsOf(stdout) }
}

/** Runs a command to its end. */
export const run = (program: string, args: ReadonlyArray<string>, cwd: string): Promise<Ended> =>
  launch(program, args, cwd).ended
