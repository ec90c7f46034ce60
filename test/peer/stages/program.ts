/** A whole peer run as its program runs it, inside the test's process: signals, report, exit code. Not a test. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { Operations } from "../../../src/operations/index.js"
import { PeerProgram } from "../../../src/peer/Peer.js"
import { PeerConfig } from "../../../src/peer/PeerConfig.js"
import { layerOf, make as makeLog } from "../../../src/runtime/Log.js"
import * as Program from "../../../src/runtime/Program.js"
import { type StageEvents, StageJournal } from "../../../src/runtime/Stage.js"
import * as Vital from "../../../src/runtime/Vital.js"
import { GrpcServer } from "../../../src/transport/index.js"
import { configOf, type PeerOptions } from "../node/support.js"

export interface Ended {
  readonly code: number
  /** What the program wrote at its end: the report of a failure. */
  readonly report: string
  readonly log: ReadonlyArray<string>
}

/** Everything that happened to the stages, in order: `+a` acquired, `>a` its release begins, `-a` it is released. */
export const recorder = () => {
  const journal: Array<string> = []
  const events: StageEvents = {
    acquired: (stage) => void journal.push(`+${stage}`),
    releasing: (stage) => void journal.push(`>${stage}`),
    released: (stage) => void journal.push(`-${stage}`)
  }
  return { journal, events }
}

/** What is to be read in the journal when these stages were acquired and then released. */
export const inOrder = (stages: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...stages.map((stage) => `+${stage}`),
  ...stages.toReversed().flatMap((stage) => [`>${stage}`, `-${stage}`])
]

export interface RunOptions extends PeerOptions {
  readonly events?: StageEvents
  readonly spec?: string
  /** Called when the node is up. */
  readonly up?: (node: { readonly address: string; readonly operations: string }) => void
}

/** Runs the program to its end. */
export const run = (options: RunOptions): Promise<Ended> => {
  const lines: Array<string> = []
  const log = Either.getOrThrow(
    makeLog({
      spec: options.spec ?? "info",
      format: "%{level} [%{module}] %{message}",
      write: (line) => void lines.push(line)
    })
  )
  let report = ""
  const node = PeerProgram.pipe(
    Layer.provideMerge(Vital.layer),
    Layer.provideMerge(Layer.succeed(PeerConfig, configOf(options))),
    Layer.provide(layerOf(log)),
    Layer.provide(Layer.succeed(StageJournal, options.events ?? { acquired: () => {}, released: () => {} }))
  )
  const program = Effect.scoped(
    Effect.gen(function* () {
      const context = yield* Layer.build(node)
      const [server, operations] = [Context.get(context, GrpcServer), Context.get(context, Operations)]
      options.up?.({ address: server.address, operations: operations.address })
      return yield* Context.get(context, Vital.Vital).failure
    })
  )
  return Program.run(program, {
    log,
    write: (text) => {
      report += text
    },
    kill: () => {}
  }).then((code) => ({ code, report, log: lines }))
}
