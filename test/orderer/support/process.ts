/** The orderer as a process of its own, as a user starts it. Not a test. */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { joined } from "../../joined.js"
import { chainA, msps } from "./node.js"

const root = path.join(import.meta.dirname, "../../..")
const entry = path.join(import.meta.dirname, "orderer.entry.ts")

export const freePort: Effect.Effect<number> = Effect.promise(
  () =>
    new Promise((resolve, reject) => {
      const server = net.createServer()
      server.on("error", reject)
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
      })
    })
)

/** The environment of an orderer on the recorded genesis block, with all its data in the folder. */
export const environment = (folder: string, port: number): Record<string, string> => ({
  FABRIC_CFG_PATH: path.join(root, "config"),
  FABRIC_LOGGING_SPEC: "info",
  ORDERER_GENERAL_LISTENPORT: String(port),
  ORDERER_GENERAL_GENESISMETHOD: "file",
  ORDERER_GENERAL_GENESISFILE: path.join(chainA, "genesis.block"),
  ORDERER_GENERAL_LOCALMSPDIR: path.join(chainA, "crypto-config", msps.orderer),
  ORDERER_GENERAL_LOCALMSPID: "OrdererMSP",
  ORDERER_FILELEDGER_LOCATION: path.join(folder, "ledger"),
  ORDERER_OPERATIONS_LISTENADDRESS: "127.0.0.1:0"
})

export interface Started {
  readonly child: ChildProcess
  readonly output: () => { readonly stdout: string; readonly stderr: string }
  /** Exit code, or the signal's name. */
  readonly ended: Promise<number | string>
}

/** Starts a process; killed with the scope when it is still there. */
export const launch = (args: ReadonlyArray<string>, env: Record<string, string>, cwd: string = root) =>
  Effect.acquireRelease(
    Effect.map(
      Effect.promise(() => joined(entry)),
      (program): Started => {
        const child = spawn(process.execPath, [program, ...args], {
          cwd,
          env: { PATH: process.env.PATH ?? "", ...env },
          stdio: ["ignore", "pipe", "pipe"]
        })
        let stdout = ""
        let stderr = ""
        child.stdout.on("data", (data) => {
          stdout += data
        })
        child.stderr.on("data", (data) => {
          stderr += data
        })
        return {
          child,
          output: () => ({ stdout, stderr }),
          ended: new Promise((resolve) => child.on("close", (code, signal) => resolve(code ?? String(signal))))
        }
      }
    ),
    ({ child, ended }) =>
      Effect.promise(async () => {
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL")
        await ended
      })
  )

/** Runs to the end. */
export const runToEnd = (args: ReadonlyArray<string>, env: Record<string, string>, cwd?: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const started = yield* launch(args, env, cwd)
      const code = yield* Effect.promise(() => started.ended)
      return { code, ...started.output() }
    })
  )

/** Starts an orderer and waits until it serves. */
export const startProcess = (env: Record<string, string>) =>
  Effect.gen(function* () {
    const started = yield* launch(["start"], env)
    yield* Effect.raceFirst(
      Effect.async<void>((resume) => {
        const look = () => {
          if (started.output().stderr.includes("Beginning to serve requests")) resume(Effect.void)
        }
        started.child.stderr?.on("data", look)
        look()
      }),
      Effect.flatMap(
        Effect.promise(() => started.ended),
        (code) => Effect.die(new Error(`ended with ${code}: ${started.output().stderr}`))
      )
    )
    return started
  })

export const writeConfig = (folder: string, text: string): void => {
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(path.join(folder, "orderer.yaml"), text)
}
