/** Every stage of the start: its failure, its defect, its interruption, its own kinds of failure (issue 5 part 12). */
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { report } from "../../src/runtime/Program.js"
import { StageFailed } from "../../src/runtime/Stage.js"
import { orderer } from "../../src/wire/index.js"
import { authority } from "../transport/material.js"
import { genesisWith } from "./support/genesis.js"
import {
  broadcastAll,
  createMychannel,
  deliverAll,
  message,
  seekMessage,
  signerOf,
  temporaryFolder
} from "./support/node.js"
import { freePort } from "./support/process.js"
import { stages, start } from "./support/program.js"
import { groupOf, setValue } from "./support/updates.js"

/** The reference's exit codes where it panics; 1 elsewhere. */
const panics: ReadonlySet<string> = new Set(["metrics", "bootstrap block", "operations", "ledgers", "channels"])
const earlier = (stage: string) => stages.slice(0, stages.indexOf(stage))
const ordered = (acquired: ReadonlyArray<string>) => [
  ...acquired.map((stage) => `+${stage}`),
  ...acquired.toReversed().map((stage) => `-${stage}`)
]

/** Ends a start at a stage, and tells how it ended and what was acquired and released. */
const startWith = (folder: string, env: Record<string, string>, at?: (stage: string) => Effect.Effect<void, unknown>) =>
  Effect.gen(function* () {
    const journal: Array<string> = []
    const more = at === undefined ? {} : { acquiring: at }
    const exit = yield* Effect.exit(Effect.scoped(start(folder, env, journal, { env: {}, cwd: folder }, more)))
    return { exit, journal }
  })

const failureOf = <A, E>(exit: Exit.Exit<A, E>): StageFailed => {
  const reason = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  if (!(reason instanceof StageFailed)) throw new Error(`no failed stage: ${String(reason)}`)
  return reason
}

describe("a stage", { timeout: 120_000 }, () => {
  for (const stage of stages) {
    it.scopedLive(
      `${stage}: its failure, its defect, and a signal in it release what was there before, in reverse`,
      () =>
        Effect.gen(function* () {
          const folder = yield* temporaryFolder
          for (const end of [Effect.fail(new Error("it failed")), Effect.die(new Error("it failed"))]) {
            const { exit, journal } = yield* startWith(folder, {}, (name) => (name === stage ? end : Effect.void))
            const failure = failureOf(exit)
            expect(failure).toMatchObject({ stage, exitCode: panics.has(stage) ? 2 : 1 })
            expect(journal).toEqual(ordered(earlier(stage)))
            const text = report(Cause.fail(failure), false)
            expect(text).toMatch(/^Error: stage .+ failed\n {2}cause: {2}it failed\n {2}remedy: .+\n$/)
            expect(text).toContain(`stage ${stage} `)
          }
          const reached = yield* Deferred.make<void>()
          const wait = Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never)
          const starting = yield* Effect.fork(startWith(folder, {}, (name) => (name === stage ? wait : Effect.void)))
          yield* Deferred.await(reached)
          yield* Fiber.interrupt(starting)
          // nothing is left behind: the folder and its ledgers can be had again
          const { exit, journal } = yield* startWith(folder, {})
          expect(Exit.isSuccess(exit)).toBe(true)
          expect(journal).toEqual(ordered(stages))
        })
    )
  }

  it.scopedLive("interrupted at any place releases what it has, in reverse", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const stage of stages) {
        const journal: Array<string> = []
        const reached = yield* Deferred.make<void>()
        const wait = Effect.zipRight(Deferred.succeed(reached, undefined), Effect.never)
        const program = Effect.scoped(
          start(
            folder,
            {},
            journal,
            { env: {}, cwd: folder },
            {
              acquiring: (name) => (name === stage ? wait : Effect.void)
            }
          )
        )
        const starting = yield* Effect.fork(program)
        yield* Deferred.await(reached)
        const exit = yield* Fiber.interrupt(starting)
        expect(Exit.isInterrupted(exit)).toBe(true)
        expect(journal).toEqual(ordered(earlier(stage)))
      }
    })
  )

  it.scopedLive("is released in reverse under load: streams that send, that wait, and that say nothing", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const journal: Array<string> = []
      const scope = yield* Scope.make()
      const node = yield* Scope.extend(start(folder, {}, journal), scope)
      yield* createMychannel(node)
      const user = yield* signerOf("user1")
      const texts = Array.from({ length: 400 }, (_, i) => message(user, "mychannel", `${i}`))
      const sending = yield* Effect.forkAll(
        Array.from({ length: 4 }, () => Effect.either(Effect.forever(broadcastAll(node.client, texts))))
      )
      const waiting = yield* Effect.fork(
        Effect.either(deliverAll(node.client, seekMessage(user, "mychannel", 0n, 2n ** 64n - 1n)))
      )
      yield* Effect.repeat(
        Effect.delay(
          Effect.sync(() => node.registrar.channel("mychannel")?.ledger.height() ?? 0n),
          "5 millis"
        ),
        {
          until: (height) => height > 3n
        }
      )
      yield* Scope.close(scope, Exit.void)
      expect(journal).toEqual(ordered(stages))
      yield* Fiber.join(sending)
      yield* Fiber.join(waiting)
    })
  )
})

describe("a stage's own failures", { timeout: 120_000 }, () => {
  const tls = (folder: string, env: Record<string, string> = {}) => {
    const pair = authority("orderer-ca").issue("localhost")
    const write = (name: string, text: string | Uint8Array) => {
      fs.writeFileSync(path.join(folder, name), text)
      return path.join(folder, name)
    }
    return {
      ORDERER_GENERAL_TLS_ENABLED: "true",
      ORDERER_GENERAL_TLS_CERTIFICATE: write("server.crt", pair.certificate),
      ORDERER_GENERAL_TLS_PRIVATEKEY: write("server.key", pair.key),
      ORDERER_GENERAL_TLS_ROOTCAS: write("ca.crt", pair.certificate),
      ...env
    }
  }
  type Case = readonly [
    name: string,
    env: (folder: string) => Record<string, string>,
    stage: string,
    code: number,
    text: string
  ]
  const nowhere = "/nowhere/file"
  const missing = "open /nowhere/file: no such file or directory"
  const cases: ReadonlyArray<Case> = [
    [
      "StatsD that cannot be reached",
      () => ({
        ORDERER_METRICS_PROVIDER: "statsd",
        ORDERER_METRICS_STATSD_NETWORK: "tcp",
        ORDERER_METRICS_STATSD_ADDRESS: "127.0.0.1:1"
      }),
      "metrics",
      2,
      "127.0.0.1:1"
    ],
    [
      "a folder without an identity",
      (folder) => ({ ORDERER_GENERAL_LOCALMSPDIR: folder }),
      "local MSP",
      1,
      "Failed to initialize local MSP"
    ],
    [
      "a missing TLS key",
      (folder) => tls(folder, { ORDERER_GENERAL_TLS_PRIVATEKEY: nowhere }),
      "TLS material",
      1,
      `Failed to load PrivateKey file '${nowhere}' (${missing})`
    ],
    [
      "missing server roots, with text and path the other way round",
      (folder) => tls(folder, { ORDERER_GENERAL_TLS_ROOTCAS: nowhere }),
      "TLS material",
      1,
      `Failed to load ServerRootCAs file '${missing}' (${nowhere})`
    ],
    [
      "missing client roots",
      (folder) =>
        tls(folder, { ORDERER_GENERAL_TLS_CLIENTAUTHREQUIRED: "true", ORDERER_GENERAL_TLS_CLIENTROOTCAS: nowhere }),
      "TLS material",
      1,
      `Failed to load ClientRootCAs file '${missing}' (${nowhere})`
    ],
    [
      "a key of another certificate",
      (folder) => {
        const key = path.join(folder, "other.key")
        fs.writeFileSync(key, authority("other").issue("localhost").key)
        return tls(folder, { ORDERER_GENERAL_TLS_PRIVATEKEY: key })
      },
      "gRPC server",
      1,
      "Failed to return new GRPC server: "
    ],
    [
      "a certificate that is none",
      (folder) => {
        const certificate = path.join(folder, "none.crt")
        fs.writeFileSync(certificate, "nothing")
        return tls(folder, { ORDERER_GENERAL_TLS_CERTIFICATE: certificate })
      },
      "gRPC server",
      1,
      "Failed to return new GRPC server: "
    ],
    [
      "Kafka's TLS with what is no key",
      () => ({
        ORDERER_KAFKA_TLS_ENABLED: "true",
        ORDERER_KAFKA_TLS_CERTIFICATE: "x",
        ORDERER_KAFKA_TLS_PRIVATEKEY: "y",
        ORDERER_KAFKA_TLS_ROOTCAS: "z"
      }),
      "consenters",
      1,
      "Unable to decode Kafka.TLS's key pair or root certificates"
    ],
    [
      "a channel that asks for what this orderer cannot do",
      (folder) => {
        const file = path.join(folder, "other.block")
        const type = orderer.ConsensusType.encode({ type: "magic" })
        fs.writeFileSync(
          file,
          genesisWith((root) => setValue(groupOf(root, "Orderer"), "ConsensusType", type))
        )
        return { ORDERER_GENERAL_GENESISFILE: file }
      },
      "channels",
      2,
      "Error retrieving consenter of type: magic"
    ]
  ]
  for (const [name, env, stage, code, text] of cases) {
    it.scopedLive(`${stage}: ${name}`, () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const { exit, journal } = yield* startWith(folder, env(folder))
        const failure = failureOf(exit)
        expect({ stage: failure.stage, code: failure.exitCode, text: failure.message }).toEqual({
          stage,
          code,
          text: expect.stringContaining(text)
        })
        expect(journal).toEqual(ordered(earlier(stage)))
      })
    )
  }

  it.scopedLive("gRPC server: an address in use; a second start when it is free works", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const port = yield* freePort
      const env = { ORDERER_GENERAL_LISTENPORT: String(port) }
      const taken = net.createServer().listen(port, "127.0.0.1")
      yield* Effect.async<void>((resume) => {
        taken.on("listening", () => resume(Effect.void))
      })
      const failure = failureOf((yield* startWith(folder, env)).exit)
      expect(failure).toMatchObject({ stage: "gRPC server", exitCode: 1 })
      expect(failure.message).toContain(`Failed to listen: listen tcp 127.0.0.1:${port}: bind: address already in use`)
      yield* Effect.async<void>((resume) => {
        taken.close(() => resume(Effect.void))
      })
      expect(Exit.isSuccess((yield* startWith(folder, env)).exit)).toBe(true)
    })
  )

  it.scopedLive("profiling: an address in use is an error line, no more", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const taken = net.createServer().listen(0, "127.0.0.1")
      yield* Effect.async<void>((resume) => {
        taken.on("listening", () => resume(Effect.void))
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => taken.close()))
      const address = taken.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const env = { ORDERER_GENERAL_PROFILE_ENABLED: "true", ORDERER_GENERAL_PROFILE_ADDRESS: `127.0.0.1:${port}` }
      const { exit } = yield* startWith(folder, env)
      expect(Exit.isSuccess(exit)).toBe(true)
    })
  )
})
