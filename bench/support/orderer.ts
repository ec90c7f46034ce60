/**
 * Our orderer as a process (dist, or BENCH_LAUNCHER), solo with its durable journal on the recorded genesis block, and the
 * recorded organisations' members. `npm run build` first.
 */
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { broadcast, configUpdateEnvelope, fetchBlock } from "../../src/client/index.js"
import { loadLocalMsp } from "../../src/msp/index.js"
import { connect } from "../../src/transport/index.js"
import { common } from "../../src/wire/index.js"

const root = fileURLToPath(new URL("../..", import.meta.url))
export const vectors = path.join(root, "test/vectors/chain-a")
const recorded = path.join(vectors, "crypto-config")
const org1 = "peerOrganizations/org1.example.com/users"

export const moment = () => ({ now: Date.now(), nonce: new Uint8Array(randomBytes(24)) })

/** A user of the first organisation; `crypto` is a crypto-config folder. */
export const signerOf = (user: "Admin" | "User1", crypto: string = recorded) =>
  Effect.map(
    loadLocalMsp({ dir: path.join(crypto, org1, `${user}@org1.example.com/msp`), mspId: "Org1MSP" }),
    ({ signer }) => signer
  )

/** A folder that goes with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "bench-orderer-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

export interface Under {
  readonly address: string
  readonly pid: number | undefined
}

export interface OrdererOptions {
  /** Another orderer's program than ours; takes the same configuration. */
  readonly program?: string | undefined
  /** Over what is set for all. */
  readonly env?: Readonly<Record<string, string>>
  /** The line that says it is ready. */
  readonly ready?: string
}

/** Starts the orderer; it gets a SIGTERM with the scope. */
export const startOrderer = (
  folder: string,
  { env = {}, program, ready = "Beginning to serve requests" }: OrdererOptions = {}
): Effect.Effect<Under, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const port = 20_000 + (process.pid % 20_000) + (program === undefined ? 0 : 1)
    const launcher = process.env.BENCH_LAUNCHER ?? path.join(root, "orderer.mjs")
    const [command, ...args] =
      program === undefined
        ? [process.execPath, ...(process.env.BENCH_NODE_ARGUMENTS ?? "").split(" ").filter(Boolean), launcher]
        : [program]
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(command, [...args, "start"], {
          env: {
            ...process.env,
            FABRIC_CFG_PATH: path.join(root, "config"),
            ORDERER_GENERAL_LISTENPORT: String(port),
            ORDERER_GENERAL_GENESISMETHOD: "file",
            ORDERER_GENERAL_GENESISFILE: path.join(vectors, "genesis.block"),
            ORDERER_GENERAL_LOCALMSPDIR: path.join(
              recorded,
              "ordererOrganizations/example.com/orderers/orderer.example.com/msp"
            ),
            ORDERER_GENERAL_LOCALMSPID: "OrdererMSP",
            ORDERER_FILELEDGER_LOCATION: path.join(folder, "ledger"),
            ORDERER_OPERATIONS_LISTENADDRESS: "127.0.0.1:0",
            ORDERER_METRICS_PROVIDER: "prometheus",
            ...env
          },
          stdio: ["ignore", "ignore", "pipe"]
        })
      ),
      (started) =>
        Effect.async<void>((resume) => {
          if (started.exitCode !== null || started.signalCode !== null) return resume(Effect.void)
          started.once("exit", () => resume(Effect.void))
          started.kill("SIGTERM")
        })
    )
    return yield* Effect.async<Under, Error>((resume) => {
      let text = ""
      child.stderr.on("data", (data) => {
        text = (text + data).slice(-100_000)
        if (text.includes(ready)) resume(Effect.succeed({ address: `127.0.0.1:${port}`, pid: child.pid }))
      })
      child.on("exit", (code) => resume(Effect.fail(new Error(`the orderer ended with ${code}: ${text}`))))
    })
  })

/** Creates the recorded channel `mychannel`, or one like it of another name. */
export const createChannel = (address: string, channelId = "mychannel") =>
  Effect.scoped(
    Effect.gen(function* () {
      const client = yield* connect(address)
      const admin = yield* signerOf("Admin")
      const { payload } = common.Envelope.decode(fs.readFileSync(path.join(vectors, "mychannel.tx")))
      const recorded = common.ConfigUpdateEnvelope.decode(common.Payload.decode(payload).data).configUpdate
      const configUpdate = common.ConfigUpdate.encode({ ...common.ConfigUpdate.decode(recorded), channelId })
      yield* broadcast(client, configUpdateEnvelope(channelId, configUpdate, [admin], admin, moment))
      const seek = { channelId, signer: admin, seek: { start: 0n, stop: 0n } }
      yield* Effect.retry(fetchBlock(client, seek), Schedule.spaced("20 millis"))
    })
  )
