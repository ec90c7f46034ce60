/** The peer as a process of its own, as a user starts it. Not a test. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { build } from "esbuild"
import { joining } from "../../../scripts/joining.mjs"
import { putThreads } from "../../joined.js"
import { nodeFolder } from "../support.js"

const root = fileURLToPath(new URL("../../..", import.meta.url))
const entry = fileURLToPath(new URL("peer.entry.ts", import.meta.url))

/** The program joined into one file as `npm run build` does, from the sources as they are now. */
const place = join(root, "node_modules/.cache/fabric-effect")
const program = join(place, `peer-${process.pid}.mjs`)
export const buildProgram = async (): Promise<void> => {
  await build({ ...joining, entryPoints: [entry], outfile: program, sourcemap: "inline" })
  putThreads(place)
}
export const removeProgram = (): void => rmSync(program, { force: true })

export const freePort: Effect.Effect<number> = Effect.promise(
  () =>
    new Promise((resolve, reject) => {
      const server = createServer()
      server.on("error", reject)
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
      })
    })
)

/** Writes a core.yaml with the peer's folder and the given orderer into `folder`; gives the environment to start it. */
export const prepare = (
  folder: string,
  {
    orderer = "127.0.0.1:1",
    port,
    yaml = ""
  }: { readonly orderer?: string; readonly port: number; readonly yaml?: string }
): Readonly<Record<string, string>> => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, "core.yaml"),
    `
peer:
  id: peer0
  networkId: test
  listenAddress: 127.0.0.1:${port}
  address: 127.0.0.1:${port}
  chaincodeListenAddress: 127.0.0.1:0
  fileSystemPath: data
  mspConfigPath: ${nodeFolder("Org1MSP", "peer0")}/msp
  localMspId: Org1MSP
  gossip: { orgLeader: true }
  deliveryclient:
    addressOverrides: [{ from: "127.0.0.1:7050", to: "${orderer}" }]
  handlers:
    authFilters: [{ name: DefaultAuth }, { name: ExpirationCheck }]
    endorsers: { escc: { name: DefaultEndorsement } }
    validators: { vscc: { name: DefaultValidation } }
chaincode:
  system: { cscc: enable, lscc: enable, qscc: enable }
operations:
  listenAddress: 127.0.0.1:0
${yaml}`
  )
  mkdirSync(join(folder, "data"), { recursive: true })
  return { FABRIC_CFG_PATH: folder }
}

export interface Started {
  readonly child: ChildProcess
  readonly output: () => { readonly stdout: string; readonly stderr: string }
  /** Exit code, or the signal's name. */
  readonly ended: Effect.Effect<number | string>
  /** Waits for a text on stderr; dies when the process ends first. */
  readonly says: (text: string) => Effect.Effect<void>
}

/** Starts a process; killed with the scope when it is still there. */
export const launch = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>
): Effect.Effect<Started, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync((): Started => {
      const child = spawn(process.execPath, [program, ...args], {
        cwd: root,
        env: { PATH: process.env.PATH ?? "", ...env },
        stdio: ["ignore", "pipe", "pipe"]
      })
      let stdout = ""
      let stderr = ""
      const listeners = new Set<() => void>()
      const told = () => {
        for (const listener of [...listeners]) listener()
      }
      child.stdout.on("data", (data) => {
        stdout += data
      })
      child.stderr.on("data", (data) => {
        stderr += data
        told()
      })
      const ended = new Promise<number | string>((resolve) =>
        child.on("close", (code, signal) => {
          resolve(code ?? String(signal))
          told()
        })
      )
      const over = () => child.exitCode !== null || child.signalCode !== null
      return {
        child,
        output: () => ({ stdout, stderr }),
        ended: Effect.promise(() => ended),
        says: (text) =>
          Effect.async<void>((resume) => {
            const look = () => {
              if (stderr.includes(text)) resume(Effect.void)
              else if (over()) resume(Effect.die(new Error(`ended without "${text}": ${stderr}`)))
            }
            listeners.add(look)
            look()
            return Effect.sync(() => listeners.delete(look))
          })
      }
    }),
    ({ child, ended }) =>
      Effect.suspend(() => {
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
        return ended
      })
  )

/** Runs to the end. */
export const runToEnd = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const started = yield* launch(args, env)
      const code = yield* started.ended
      return { code, ...started.output() }
    })
  )
