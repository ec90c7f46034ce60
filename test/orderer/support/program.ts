/** The whole program in this process, with its operations service. Not a test. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { decodeOrderer } from "../../../src/config/index.js"
import { Registrar } from "../../../src/orderer/multichannel/Registrar.js"
import * as Orderer from "../../../src/orderer/Program.js"
import { type StageEvents, StageJournal } from "../../../src/runtime/Stage.js"
import { connect } from "../../../src/transport/index.js"
import { environment, freePort } from "./process.js"

const shipped = path.join(import.meta.dirname, "../../../config/orderer.yaml")

export const configOf = (folder: string, port: number, env: Record<string, string> = {}) =>
  Either.getOrThrow(
    decodeOrderer(shipped, fs.readFileSync(shipped, "utf8"), {
      env: { ...environment(folder, port), ...env },
      cwd: folder
    })
  )

/** Starts the whole program in the scope; `journal` gets its stages. */
export const start = (
  folder: string,
  env: Record<string, string> = {},
  journal: Array<string> = [],
  surroundings: Orderer.Surroundings = { env: {}, cwd: folder },
  more: Partial<StageEvents> = {}
) =>
  Effect.gen(function* () {
    const config = configOf(folder, yield* freePort, env)
    const events = {
      acquired: (stage: string) => void journal.push(`+${stage}`),
      released: (stage: string) => void journal.push(`-${stage}`),
      ...more
    }
    const program = Orderer.layer(config, surroundings).pipe(Layer.provide(Layer.succeed(StageJournal, events)))
    const context = yield* Layer.build(program)
    const running = yield* Effect.provide(Orderer.running, context)
    const registrar = yield* Effect.provide(Registrar, context)
    return { ...running, registrar, client: yield* connect(running.address) }
  })

export const health = (address: string) =>
  Effect.promise(async () => {
    const response = await fetch(`http://${address}/healthz`)
    const body: { readonly failed_checks?: ReadonlyArray<{ readonly component: string; readonly reason: string }> } =
      JSON.parse(await response.text())
    return { status: response.status, failed: body.failed_checks ?? [] }
  })

/** The program's stages in the order of their acquisition (sheet section 1). */
export const stages = [
  "metrics",
  "local MSP",
  "configuration",
  "bootstrap block",
  "operations",
  "ledgers",
  "system channel",
  "TLS material",
  "gRPC server",
  "client roots",
  "certificate expiry",
  "certificate reload",
  "consenters",
  "channels",
  "profiling",
  "services",
  "door"
]

/** Stages acquired and released according to the log of a process (`FABRIC_LOGGING_SPEC=info:stage=debug`). */
export const stagesLogged = (stderr: string) => {
  const all = [...stderr.matchAll(/\[stage\] (.+?) -> DEBU \w+.*?(acquired|releasing)/g)]
  const of = (what: string) => all.filter(([, , did]) => did === what).map(([, stage]) => stage ?? "")
  return { acquired: of("acquired"), released: of("releasing") }
}
