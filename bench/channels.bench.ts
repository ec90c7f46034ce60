/**
 * A peer with many channels: the time from the start of its process to its first answer, which names all of them. The
 * ledgers are made before by the ledger's own code, one transaction a block. Run: npm run bench -- channels
 * (BENCH_CHANNELS, BENCH_BLOCKS, BENCH_ROUNDS). The programs must be built.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { query, system } from "../src/client/index.js"
import { makeLedgerProvider, type PeerLedgerShape } from "../src/ledger/peer/index.js"
import { RWSetBuilder } from "../src/ledger/rwset/index.js"
import { anyPorts } from "../src/network/ports.js"
import { connect } from "../src/transport/index.js"
import { common, protos } from "../src/wire/index.js"
import { EMPTY, newBlock } from "../src/wire/protoutil.js"
import { renamedGenesis } from "../test/peer/stages/genesis.js"
import { nodeFolder, person } from "../test/peer/support.js"
import { quantile, Report, usageOf } from "./support/report.js"
import { amount, root, temporaryFolder } from "./support/target.js"

const channels = amount("BENCH_CHANNELS", 50)
const blocks = amount("BENCH_BLOCKS", 1000)
const rounds = amount("BENCH_ROUNDS", 5)
const report = new Report()

const lastConfig = common.Metadata.encode({ value: common.LastConfig.encode({ index: 0n }) })

/** A transaction of one write in an envelope of the usual size. */
const transaction = (channelId: string, number: number): Uint8Array => {
  const builder = new RWSetBuilder()
  builder.addWrite("cc", `key${number % 100}`, Buffer.alloc(100, number % 256))
  const results = builder.results().public
  const data = protos.Transaction.encode({
    actions: [
      {
        payload: protos.ChaincodeActionPayload.encode({
          action: {
            proposalResponsePayload: protos.ProposalResponsePayload.encode({
              extension: protos.ChaincodeAction.encode({ results, chaincodeId: { name: "cc", version: "1" } })
            }),
            endorsements: [{ endorser: Buffer.alloc(800, 1), signature: Buffer.alloc(71, 1) }]
          }
        })
      }
    ]
  })
  const type = common.HeaderType.ENDORSER_TRANSACTION
  return common.Envelope.encode({
    payload: common.Payload.encode({
      header: {
        channelHeader: common.ChannelHeader.encode({ type, channelId, txId: `${channelId}-${number}` }),
        signatureHeader: common.SignatureHeader.encode({ creator: Buffer.alloc(800, 1), nonce: Buffer.alloc(24, 2) })
      },
      data
    }),
    signature: Buffer.alloc(71, 3)
  })
}

const fill = (ledger: PeerLedgerShape, channelId: string) =>
  Effect.gen(function* () {
    while (ledger.height() < BigInt(blocks)) {
      const made = newBlock(ledger.height(), ledger.info().currentBlockHash ?? EMPTY, [
        transaction(channelId, Number(ledger.height()))
      ])
      const metadata = [EMPTY, lastConfig, EMPTY, EMPTY, EMPTY]
      yield* ledger.commit({
        block: common.Block.encode({ ...made, metadata: { metadata } }),
        codes: new Uint8Array(1)
      })
    }
  })

const start = (folder: string, port: number, environment: Readonly<Record<string, string>>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const admin = yield* Effect.promise(() => person("Org1MSP", "Admin"))
      const started = performance.now()
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, [path.join(root, "peer.mjs"), "node", "start"], {
            env: { PATH: process.env.PATH, HOME: process.env.HOME, FABRIC_LOGGING_SPEC: "error", ...environment },
            stdio: ["ignore", "ignore", "inherit"],
            cwd: folder
          })
        ),
        (made) =>
          Effect.async<void>((resume) => {
            made.once("exit", () => resume(Effect.void))
            made.kill("SIGTERM")
          })
      )
      const client = yield* connect(`127.0.0.1:${port}`, {
        connectTimeout: "120 seconds",
        patient: true,
        reconnect: { initial: "10 millis", max: "10 millis" }
      })
      const answer = yield* query(client, { channelId: "", signer: admin, ...system.getChannels })
      const milliseconds = performance.now() - started
      const known = protos.ChannelQueryResponse.decode(answer.payload).channels.length
      if (known !== channels) return yield* Effect.die(new Error(`${known} channels of ${channels}`))
      const { cpu, rss } = usageOf(child.pid)
      return { milliseconds, cpuMs: cpu * 1000, rss }
    })
  )

const program = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const ledgers = path.join(folder, "ledgersData")
  const making = performance.now()
  yield* Effect.scoped(
    Effect.gen(function* () {
      const provider = yield* makeLedgerProvider({ root: ledgers, historyEnabled: true, sync: "close" })
      yield* Effect.forEach(
        Array.from({ length: channels }, (_, at) => `channel-${String(at).padStart(3, "0")}`),
        (id) => Effect.scoped(Effect.flatMap(provider.create(renamedGenesis(id)), (ledger) => fill(ledger, id))),
        { discard: true }
      )
    })
  )
  console.log(`${channels} ledgers of ${blocks} blocks made in ${Math.round((performance.now() - making) / 1000)} s`)
  const ports = yield* anyPorts([{ host: "peer0" }])
  const port = ports.peers.peer0?.peer ?? 0
  const environment = {
    FABRIC_CFG_PATH: path.join(root, "config"),
    CORE_PEER_ID: "peer0",
    CORE_PEER_ADDRESS: `127.0.0.1:${port}`,
    CORE_PEER_LISTENADDRESS: `127.0.0.1:${port}`,
    CORE_PEER_CHAINCODELISTENADDRESS: "127.0.0.1:0",
    CORE_PEER_GOSSIP_BOOTSTRAP: `127.0.0.1:${port}`,
    CORE_PEER_GOSSIP_ORGLEADER: "true",
    CORE_PEER_GOSSIP_USELEADERELECTION: "false",
    CORE_PEER_LOCALMSPID: "Org1MSP",
    CORE_PEER_MSPCONFIGPATH: path.join(nodeFolder("Org1MSP", "peer0"), "msp"),
    CORE_PEER_FILESYSTEMPATH: folder,
    CORE_OPERATIONS_LISTENADDRESS: "127.0.0.1:0"
  }
  const starts = yield* Effect.forEach(Array.from({ length: rounds }), () => start(folder, port, environment))
  const times = starts.map(({ milliseconds }) => milliseconds)
  report.add({
    name: `peer with ${channels} channels of ${blocks} blocks, to its first answer`,
    unit: "ms",
    value: Math.round(quantile(times, 0.5)),
    leastMs: Math.round(Math.min(...times)),
    mostMs: Math.round(Math.max(...times)),
    cpuMs: Math.round(
      quantile(
        starts.map(({ cpuMs }) => cpuMs),
        0.5
      )
    ),
    rssMiB: quantile(
      starts.map(({ rss }) => rss),
      0.5
    ),
    diskMiB: Math.round(sizeOf(ledgers) / 1024 / 1024)
  })
})

const sizeOf = (folder: string): number =>
  fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + fs.statSync(path.join(entry.parentPath, entry.name)).blocks * 512, 0)

await Effect.runPromise(Effect.scoped(program))
report.table()
