/** The startup stages in this process: their order, what each says when it fails, and what is released then. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { beforeAll, describe, expect } from "vitest"
import * as Metrics from "../../../src/runtime/Metrics.js"
import { StageFailed } from "../../../src/runtime/Stage.js"
import { makeGrpcServer } from "../../../src/transport/index.js"
import { nodeFolder } from "../support.js"
import { type StartOptions, startPeer, tempFolder } from "./support.js"

/** All stages in their order, as a start that goes well tells them; test/peer/stages holds it against the sheet. */
let stages: ReadonlyArray<string> = []
beforeAll(async () => {
  const { events, journal } = recorder()
  await Effect.runPromise(
    Effect.scoped(Effect.flatMap(tempFolder, (folder) => Effect.scoped(startPeer({ folder, journal: events }))))
  )
  stages = journal.filter((entry) => entry.startsWith("+")).map((entry) => entry.slice(1))
})

const recorder = () => {
  const journal: Array<string> = []
  return {
    journal,
    events: {
      acquired: (stage: string) => void journal.push(`+${stage}`),
      released: (stage: string) => void journal.push(`-${stage}`)
    }
  }
}

describe("stages", () => {
  it.scopedLive("are released in the exact reverse of their acquisition, and the folder serves again", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      for (let time = 0; time < 2; time += 1) {
        const { events, journal } = recorder()
        const scope = yield* Scope.make()
        yield* Scope.extend(startPeer({ folder, journal: events }), scope)
        expect(journal).toEqual(stages.map((stage) => `+${stage}`))
        journal.length = 0
        yield* Scope.close(scope, Exit.void)
        expect(journal).toEqual(stages.toReversed().map((stage) => `-${stage}`))
      }
    })
  )
})

interface Failure {
  readonly stage: string
  readonly why: string
  readonly environment?: Readonly<Record<string, string>>
  readonly yaml?: string
  /** Makes the ground bad; `taken` is an address in use. */
  readonly prepare?: (folder: string) => void
  readonly says: string | RegExp
  readonly exitCode: number
}

const taken = "TAKEN"

const failures: ReadonlyArray<Failure> = [
  {
    stage: "identity",
    why: "an MSP of a kind that is no peer's",
    environment: { CORE_PEER_LOCALMSPTYPE: "idemix" },
    says: /^identity: Cannot run peer because .*idemix/,
    exitCode: 1
  },
  {
    stage: "identity",
    why: "an MSP that is none",
    prepare: (folder) => mkdirSync(join(folder, "empty")),
    environment: { CORE_PEER_MSPCONFIGPATH: "empty" },
    says: /^identity: Cannot run peer because error when setting up MSP of type bccsp from directory .*: could not load a valid signer certificate/,
    exitCode: 1
  },
  {
    stage: "operations",
    why: "its port is taken",
    environment: { CORE_OPERATIONS_LISTENADDRESS: taken },
    says: /^operations: failed to initialize operations subystems: .*(EADDRINUSE|address already in use)/,
    exitCode: 1
  },
  {
    stage: "operations",
    why: "TLS without files",
    environment: { CORE_OPERATIONS_TLS_ENABLED: "true", CORE_OPERATIONS_TLS_CERT_FILE: "/nowhere/cert.pem" },
    says: /^operations: failed to initialize operations subystems: /,
    exitCode: 1
  },
  {
    stage: "ledgers",
    why: "a file where the folder should be",
    prepare: (folder) => writeFileSync(join(folder, "ledgersData"), "not a folder"),
    says: /^ledgers: Error in instantiating ledger provider: /,
    exitCode: 2
  },
  {
    stage: "addresses",
    why: "no port in the peer's address",
    environment: { CORE_PEER_ADDRESS: "peer0" },
    says: "addresses: peer.address isn't in host:port format: peer0",
    exitCode: 1
  },
  {
    stage: "server settings",
    why: "TLS without a key",
    environment: { CORE_PEER_TLS_ENABLED: "true", CORE_PEER_TLS_KEY_FILE: "/nowhere/server.key" },
    says: "server settings: Error loading secure config for peer (error loading TLS key (open /nowhere/server.key: no such file or directory))",
    exitCode: 1
  },
  {
    stage: "peer server",
    why: "its port is taken",
    environment: { CORE_PEER_LISTENADDRESS: taken },
    says: /^peer server: Failed to create peer server \(.*(EADDRINUSE|address already in use)/,
    exitCode: 1
  },
  {
    stage: "credentials",
    why: "a client certificate without its key",
    environment: tls({ CORE_PEER_TLS_CLIENTCERT_FILE: "client.crt" }),
    says: "credentials: Failed to set TLS client certificate: peer.tls.clientKey.file and peer.tls.clientCert.file must both be set or must both be empty",
    exitCode: 1
  },
  {
    stage: "handlers",
    why: "a handler of no name",
    yaml: "  handlers: { authFilters: [{ name: Nobody }] }\n",
    says: /^handlers: .*Nobody/,
    exitCode: 2
  },
  {
    stage: "gossip",
    why: "an address that is none",
    environment: { CORE_PEER_GOSSIP_ENDPOINT: "nowhere" },
    says: /^gossip: misconfigured endpoint nowhere: /,
    exitCode: 2
  },
  {
    stage: "chaincode packages",
    why: "a file where the folder should be",
    prepare: (folder) => writeFileSync(join(folder, "chaincodes"), "not a folder"),
    says: /^chaincode packages: /,
    exitCode: 2
  },
  {
    stage: "chaincode server",
    why: "its port is taken",
    environment: { CORE_PEER_CHAINCODELISTENADDRESS: taken },
    says: /^chaincode server: Failed to create chaincode server: .*(EADDRINUSE|address already in use)/,
    exitCode: 2
  },
  {
    stage: "admin service",
    why: "its port is taken",
    environment: { CORE_PEER_ADMINSERVICE_LISTENADDRESS: taken },
    says: /^admin service: Failed to create admin server \(.*(EADDRINUSE|address already in use)/,
    exitCode: 1
  },
  {
    stage: "ledger rebuild",
    why: "a height that is none",
    prepare: (folder) => preResetFile(folder, "many"),
    says: /^ledger rebuild: error loading prereset height: .*__preResetHeight holds no height: \[many\]/,
    exitCode: 1
  }
]

/** The file of a reset, below the ledgers' folder. */
const preResetFile = (folder: string, text: string): void => {
  const channel = join(folder, "ledgersData", "channels", "ch")
  mkdirSync(channel, { recursive: true })
  writeFileSync(join(channel, "__preResetHeight"), text)
}

function tls(more: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const folder = join(nodeFolder("Org1MSP", "peer0"), "tls")
  return {
    CORE_PEER_TLS_ENABLED: "true",
    CORE_PEER_TLS_CERT_FILE: join(folder, "server.crt"),
    CORE_PEER_TLS_KEY_FILE: join(folder, "server.key"),
    CORE_PEER_TLS_ROOTCERT_FILE: join(folder, "ca.crt"),
    ...more
  }
}

describe("a stage that fails", () => {
  for (const { environment = {}, exitCode, prepare, says, stage, why, yaml } of failures)
    it.scopedLive(`${stage}: ${why}`, () =>
      Effect.gen(function* () {
        const folder = yield* tempFolder
        prepare?.(folder)
        const holder = yield* Effect.provide(makeGrpcServer({ address: "127.0.0.1:0" }), Metrics.layerDisabled)
        const named = Object.fromEntries(
          Object.entries(environment).map(([name, value]) => [name, value === taken ? holder.address : value])
        )
        const { events, journal } = recorder()
        const options: StartOptions = {
          folder,
          environment: named,
          journal: events,
          ...(yaml === undefined ? {} : { yaml })
        }
        const exit = yield* Effect.exit(Effect.scoped(startPeer(options)))
        if (Exit.isSuccess(exit)) return expect.fail("it started")
        const error = Cause.squash(exit.cause)
        expect(error).toBeInstanceOf(StageFailed)
        expect(error).toMatchObject({ stage, exitCode })
        const message = error instanceof Error ? error.message : ""
        if (typeof says === "string") expect(message).toBe(says)
        else expect(message).toMatch(says)
        const before = stages.slice(0, stages.indexOf(stage))
        expect(journal).toEqual([...before.map((name) => `+${name}`), ...before.toReversed().map((name) => `-${name}`)])
      })
    )
  it.scopedLive("ledgers: another peer has the folder", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      yield* startPeer({ folder })
      expect(yield* Effect.flip(Effect.scoped(startPeer({ folder })))).toMatchObject({ stage: "ledgers", exitCode: 2 })
    })
  )
})
