/** The recorded network's chaincode, started by hand as a developer does, and its packages. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { tarGzOf } from "../../../src/chaincode/packages/tarWriter.js"
import { ChaincodeServer } from "../../../src/chaincode/server/ChaincodeServer.js"
import { ChaincodeSupport } from "../../../src/chaincode/support/ChaincodeSupport.js"
import { protos } from "../../../src/wire/index.js"
import { utf8 } from "../../../src/wire/protoutil.js"
import type { RunningPeer } from "./support.js"

const root = fileURLToPath(new URL("../../..", import.meta.url))

/** The `sink` chaincode; undefined where the shared material is not beside the checkout. */
export const sinkFolder: string | undefined = [join(root, "../shared/chaincode/sink")].find(existsSync)

/** A deployment spec of a Node project's files. */
export const packageOf = (
  name: string,
  version: string,
  folder: string,
  args: ReadonlyArray<string> = []
): Uint8Array =>
  protos.ChaincodeDeploymentSpec.encode({
    chaincodeSpec: {
      type: protos.ChaincodeSpec_Type.NODE,
      chaincodeId: { name, version, path: folder },
      input: { args: args.map((arg) => utf8(arg)) }
    },
    codePackage: tarGzOf(
      ["index.js", "package.json"].map((file) => ({ name: `src/${file}`, content: readFileSync(join(folder, file)) }))
    )
  })

export interface StartedChaincode {
  readonly child: ChildProcess
  /** What it has written so far. */
  readonly output: () => string
}

/** Runs a chaincode as its own process until the scope ends; it logs what its shim sees when `debug` is set. */
export const startChaincode = (
  folder: string,
  id: string,
  peerAddress: string,
  { debug = false }: { readonly debug?: boolean } = {}
): Effect.Effect<StartedChaincode, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, ["index.js", "--peer.address", peerAddress], {
        cwd: folder,
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          PATH: process.env.PATH,
          NODE_PATH: join(root, "node_modules"),
          CORE_CHAINCODE_ID_NAME: id,
          CORE_PEER_TLS_ENABLED: "false",
          ...(debug ? { CORE_CHAINCODE_LOGGING_LEVEL: "DEBUG" } : {})
        }
      })
      let output = ""
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (data) => {
          if (process.env.PEER_TEST_LOG !== undefined) process.stderr.write(data)
          if (debug) output += data
        })
      return { child, output: () => output }
    }),
    ({ child }) =>
      Effect.async<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      })
  )

/** A chaincode started by hand for a peer of this process, until the scope ends; done when it has registered. */
export const runChaincode = ({ context }: RunningPeer, id: string, folder: string) =>
  Effect.gen(function* () {
    const { endpoint } = yield* ChaincodeServer
    const { running } = yield* ChaincodeSupport
    yield* startChaincode(folder, id, endpoint.address)
    while (!(yield* running).includes(id)) yield* Effect.sleep("10 millis")
  }).pipe(Effect.provide(context))
