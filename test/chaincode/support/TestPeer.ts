/** A peer's chaincode side for tests: real server, support, runtime and install store; channels in memory. */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import {
  AclProvider,
  ApplicationConfigs,
  ChaincodeDefinitions,
  type ChannelApplication,
  LedgerGetter,
  SystemChaincodes
} from "../../../src/chaincode/context.js"
import { nodePayload } from "../../../src/chaincode/packages/build.js"
import {
  type ChaincodePackage,
  chaincodeDataOf,
  recognisePackage
} from "../../../src/chaincode/packages/ChaincodePackage.js"
import * as packageStore from "../../../src/chaincode/packages/PackageStore.js"
import { PackageStore } from "../../../src/chaincode/packages/PackageStore.js"
import { ContainerRuntime } from "../../../src/chaincode/runtimes/ContainerRuntime.js"
import * as processRuntime from "../../../src/chaincode/runtimes/process/ProcessRuntime.js"
import * as chaincodeServer from "../../../src/chaincode/server/ChaincodeServer.js"
import { ChaincodeServer } from "../../../src/chaincode/server/ChaincodeServer.js"
import type { TxParams } from "../../../src/chaincode/shim/TransactionContext.js"
import * as chaincodeService from "../../../src/chaincode/support/ChaincodeService.js"
import * as chaincodeSupport from "../../../src/chaincode/support/ChaincodeSupport.js"
import { ChaincodeSupport } from "../../../src/chaincode/support/ChaincodeSupport.js"
import type { SystemChaincode } from "../../../src/chaincode/support/SystemChaincode.js"
import type { ChaincodeSettings } from "../../../src/chaincode/support/settings.js"
import { sha256 } from "../../../src/crypto/hash.js"
import type { SimulationResults } from "../../../src/ledger/rwset/index.js"
import type { TxSimulator } from "../../../src/ledger/simulator/index.js"
import { makeDefinitions } from "../../../src/peer/scc/lscc/definitions.js"
import * as Log from "../../../src/runtime/Log.js"
import * as Metrics from "../../../src/runtime/Metrics.js"
import { ccprovider, common, protos } from "../../../src/wire/index.js"
import { deserializerOf, makeCreator } from "./identity.js"
import { MemoryChannel } from "./MemoryChannel.js"

export const repository = fileURLToPath(new URL("../../..", import.meta.url))
export const SYSTEM_VERSION = "1.4.12"

export interface TestPeerOptions {
  readonly settings?: Partial<ChaincodeSettings>
  readonly system?: ReadonlyArray<SystemChaincode>
  /** Fails calls on these channels. */
  readonly deniedChannels?: ReadonlyArray<string>
  readonly application?: (channelId: string) => ChannelApplication | undefined
  /** Instead of processes. */
  readonly runtime?: Layer.Layer<ContainerRuntime>
  readonly process?: Partial<processRuntime.ProcessRuntimeOptions>
  /** The peer's folder; a temporary one when absent. */
  readonly folder?: string
  /** Told of every log line. */
  readonly log?: (line: string) => void
}

const SETTINGS: ChaincodeSettings = {
  tlsEnabled: false,
  devMode: false,
  acceptExternal: false,
  keepalive: 0,
  executeTimeout: 10_000,
  startupTimeout: 20_000,
  logLevel: "info",
  shimLogLevel: "warning",
  logFormat: "%{message}",
  peerVersion: SYSTEM_VERSION,
  totalQueryLimit: 100_000
}

/** The outcome of one transaction. */
export interface Ran {
  readonly status: number
  readonly message: string
  readonly payload: string
  readonly event: protos.ChaincodeEvent | undefined
  readonly results: SimulationResults
}

export interface RunOptions {
  readonly channel?: string
  readonly txId?: string
  readonly transient?: ReadonlyMap<string, Uint8Array>
  /** Applies the results; true unless said otherwise. */
  readonly commit?: boolean
}

let transactions = 0
const creator = makeCreator()

export const utf8 = (text: string): Uint8Array => Buffer.from(text, "utf8")

/** A proposal as the shims want one: header with channel, id, time and creator, transient map. */
export const signedProposal = (
  channelId: string,
  txId: string,
  chaincode: string,
  transient: ReadonlyMap<string, Uint8Array> = new Map()
): { readonly signed: protos.SignedProposal; readonly proposal: protos.Proposal } => {
  const header = common.Header.encode({
    channelHeader: common.ChannelHeader.encode({
      type: common.HeaderType.ENDORSER_TRANSACTION,
      channelId,
      txId,
      timestamp: { seconds: 1_600_000_000n, nanos: 0 },
      extension: protos.ChaincodeHeaderExtension.encode({ chaincodeId: { name: chaincode } })
    }),
    signatureHeader: common.SignatureHeader.encode({ creator, nonce: utf8(txId) })
  })
  const input = protos.ChaincodeInvocationSpec.encode({ chaincodeSpec: { chaincodeId: { name: chaincode } } })
  const payload = protos.ChaincodeProposalPayload.encode({ input, transientMap: transient })
  const proposalBytes = protos.Proposal.encode({ header, payload })
  return {
    signed: protos.SignedProposal.create({ proposalBytes, signature: utf8("signature") }),
    proposal: protos.Proposal.decode(proposalBytes)
  }
}

export class TestPeer {
  private constructor(
    readonly folder: string,
    readonly channels: ReadonlyMap<string, MemoryChannel>,
    private readonly context: Context.Context<
      ChaincodeSupport | ChaincodeServer | PackageStore | ContainerRuntime | Metrics.Metrics
    >,
    private readonly scope: Scope.CloseableScope
  ) {}

  static async start(options: TestPeerOptions = {}): Promise<TestPeer> {
    const folder = options.folder ?? fs.mkdtempSync(path.join(os.tmpdir(), "fe-chaincode-"))
    const channels = new Map(["mychannel", "other"].map((id) => [id, new MemoryChannel(id)]))
    const settings = { ...SETTINGS, ...options.settings }
    const system = options.system ?? []
    const denied = new Set(options.deniedChannels ?? [])
    const everyone: ChannelApplication = { keyLevelEndorsement: true, deserializer: deserializerOf(() => true) }
    const application = options.application ?? ((id: string) => (channels.has(id) ? everyone : undefined))

    const store = packageStore.layer(path.join(folder, "chaincodes"), sha256)
    const above = Layer.mergeAll(
      Layer.succeed(SystemChaincodes, {
        version: SYSTEM_VERSION,
        isSystem: (name) => ["lscc", "cscc", "qscc", "escc", "vscc"].includes(name),
        isCallableByChaincode: (name) => !["cscc", "escc", "vscc"].includes(name),
        get: (name) => system.find((one) => one.name === name),
        registered: system
      }),
      Layer.succeed(AclProvider, {
        check: (resource, channelId) =>
          denied.has(channelId) || !channels.has(channelId)
            ? Effect.fail({ message: `access denied for [${resource}][${channelId}]` })
            : Effect.void
      }),
      Layer.succeed(ApplicationConfigs, { of: application }),
      Layer.succeed(LedgerGetter, { of: (id) => channels.get(id) }),
      Layer.effect(ChaincodeDefinitions, Effect.map(PackageStore, makeDefinitions)).pipe(Layer.provideMerge(store)),
      options.runtime ??
        processRuntime.layer({
          folder: path.join(folder, "chaincode-runtime"),
          environment: { PATH: process.env.PATH ?? "", HOME: os.homedir() },
          networkId: "dev",
          peerId: "peer0",
          ...options.process
        })
    )
    const server = Layer.unwrapEffect(
      Effect.map(PackageStore, (packages) =>
        chaincodeServer.layer({
          chaincodeAddress: "",
          listenAddress: "127.0.0.1:0",
          peerHost: "127.0.0.1",
          devMode: settings.devMode,
          tlsEnabled: settings.tlsEnabled,
          connectionTimeout: 0,
          external: packages.isInstalled,
          ...(settings.acceptExternal ? { externalCredentials: path.join(folder, "external") } : {})
        })
      )
    )
    const logging =
      options.log === undefined
        ? Layer.empty
        : Layer.orDie(Log.layer({ spec: "debug", format: "%{level} %{module} %{message}", write: options.log }))
    const live = chaincodeService.layer.pipe(
      Layer.provideMerge(chaincodeSupport.layer(settings)),
      Layer.provideMerge(server),
      Layer.provideMerge(above),
      Layer.provideMerge(Metrics.layer({ provider: "prometheus" })),
      Layer.provideMerge(logging)
    )
    const scope = await Effect.runPromise(Scope.make())
    const context = await Effect.runPromise(Layer.buildWithScope(live, scope))
    return new TestPeer(folder, channels, context, scope)
  }

  async stop({ keep = false } = {}): Promise<void> {
    await Effect.runPromise(Scope.close(this.scope, Exit.void))
    if (!keep) fs.rmSync(this.folder, { recursive: true, force: true })
  }

  get support() {
    return Context.get(this.context, ChaincodeSupport)
  }
  get server() {
    return Context.get(this.context, ChaincodeServer)
  }
  get packages() {
    return Context.get(this.context, PackageStore)
  }
  get runtime() {
    return Context.get(this.context, ContainerRuntime)
  }
  get metrics() {
    return Context.get(this.context, Metrics.Metrics)
  }
  /** Runs an effect as part of this peer: its log is the peer's. */
  run<A, E>(effect: Effect.Effect<A, E>): Promise<A> {
    return run(Effect.provide(effect, this.context))
  }
  channel(id = "mychannel"): MemoryChannel {
    const channel = this.channels.get(id)
    if (channel === undefined) throw new Error(`no channel ${id}`)
    return channel
  }

  /** Packages a folder and puts it into the install store. */
  async install(folder: string, name: string, version = "1.0"): Promise<ChaincodePackage> {
    const codePackage = await Effect.runPromise(nodePayload(folder))
    const bytes = protos.ChaincodeDeploymentSpec.encode({
      chaincodeSpec: { type: protos.ChaincodeSpec_Type.NODE, chaincodeId: { name, version, path: folder } },
      codePackage
    })
    const found = Either.getOrThrow(recognisePackage(bytes, sha256))
    await Effect.runPromise(this.packages.put(found))
    return found
  }

  /** Writes the records of an installed chaincode to a channel, as a committed deploy does. */
  instantiate(found: ChaincodePackage, channelId = "mychannel", collections?: common.CollectionConfigPackage): void {
    const channel = this.channel(channelId)
    const record = { ...chaincodeDataOf(found), escc: "escc", vscc: "vscc", policy: utf8("policy") }
    channel.put("lscc", found.name, ccprovider.ChaincodeData.encode(record))
    if (collections !== undefined) {
      channel.put("lscc", `${found.name}~collection`, common.CollectionConfigPackage.encode(collections))
    }
  }

  params(chaincode: string, simulator: TxSimulator | undefined, options: RunOptions = {}): TxParams {
    const channelId = options.channel ?? "mychannel"
    const txId = options.txId ?? `tx${++transactions}`
    const { proposal, signed } = signedProposal(channelId, txId, chaincode, options.transient)
    return {
      txId,
      channelId,
      signedProposal: signed,
      proposal,
      simulator,
      history: this.channels.get(channelId)?.history,
      decorations: new Map()
    }
  }

  /** Runs one transaction and, unless told otherwise, commits what it wrote. Rejects with the execution's failure. */
  async invoke(
    chaincode: string,
    args: ReadonlyArray<string>,
    options: RunOptions = {},
    version = "1.0"
  ): Promise<Ran> {
    const channel = this.channel(options.channel)
    const txId = options.txId ?? `tx${++transactions}`
    const simulator = channel.simulator(txId)
    const params = this.params(chaincode, simulator, { ...options, txId })
    const input = protos.ChaincodeInput.create({ args: args.map(utf8) })
    try {
      const { event, response } = await run(this.support.execute(params, { name: chaincode, version }, input))
      const results = simulator.getTxSimulationResults()
      simulator.done()
      if (options.commit !== false && response.status < 400) channel.commit(txId, results)
      const payload = Buffer.from(response.payload).toString("utf8")
      return { status: response.status, message: response.message, payload, event, results }
    } finally {
      simulator.done()
    }
  }

  /** Runs Init as a deploy does. */
  async init(found: ChaincodePackage, args: ReadonlyArray<string>, options: RunOptions = {}): Promise<Ran> {
    const channel = this.channel(options.channel)
    const txId = options.txId ?? `tx${++transactions}`
    const simulator = channel.simulator(txId)
    const params = this.params("lscc", simulator, { ...options, txId })
    const { chaincodeSpec } = found.spec
    const spec = protos.ChaincodeDeploymentSpec.create({
      chaincodeSpec: { ...chaincodeSpec, input: { args: args.map(utf8) } }
    })
    try {
      const { name, version } = found
      const { event, response } = await run(this.support.executeLegacyInit(params, { name, version }, spec))
      const results = simulator.getTxSimulationResults()
      const payload = Buffer.from(response.payload).toString("utf8")
      return { status: response.status, message: response.message, payload, event, results }
    } finally {
      simulator.done()
    }
  }
}

/** Runs an effect; its failure, not Effect's wrapping, is what a test sees. */
export const run = async <A, E>(effect: Effect.Effect<A, E>): Promise<A> => {
  const result = await Effect.runPromise(Effect.either(effect))
  if (Either.isLeft(result)) throw result.left
  return result.right
}
