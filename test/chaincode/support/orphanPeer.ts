/**
 * A peer that is killed: run by a test as a process of its own, it starts one chaincode, prints the process id and
 * waits. Usage: vite-node orphanPeer.ts FOLDER
 */
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import { tarGzOf } from "../../../src/chaincode/packages/tarWriter.js"
import { ContainerRuntime } from "../../../src/chaincode/runtimes/ContainerRuntime.js"
import * as processRuntime from "../../../src/chaincode/runtimes/process/ProcessRuntime.js"

const [folder = ""] = process.argv.slice(2)
const chaincode =
  "require('fs').writeFileSync(process.env.HOME + '/pid', String(process.pid)); setInterval(() => {}, 1000)"
const codePackage = tarGzOf([
  { name: "src/package.json", content: Buffer.from('{"scripts":{"start":"node index.js"}}') },
  { name: "src/index.js", content: Buffer.from(chaincode) }
])

const program = Effect.gen(function* () {
  const runtime = yield* ContainerRuntime
  yield* runtime.start({
    name: "cc",
    version: "1",
    type: "NODE",
    path: "",
    codePackage,
    peerAddress: "127.0.0.1:1",
    environment: [],
    credentials: undefined
  })
  const pid = yield* Effect.async<string>((resume) => {
    const look = () => {
      try {
        const text = readFileSync(`${folder}/home/pid`, "utf8")
        if (text !== "") return resume(Effect.succeed(text))
      } catch {
        // not yet
      }
      setTimeout(look, 10)
    }
    look()
  })
  process.stdout.write(`pid ${pid}\n`)
  return yield* Effect.never
})

Effect.runFork(
  Effect.provide(
    program,
    processRuntime.layer({ folder, environment: { PATH: process.env.PATH ?? "" }, networkId: "", peerId: "" })
  )
)
