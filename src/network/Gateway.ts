/**
 * The network's client: connections to its nodes, and the steps that a person would take with Fabric's command line.
 * Connections are made when first used and closed with the scope.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import {
  broadcast,
  configUpdateEnvelope,
  type Endorsed,
  endorse,
  fetchBlock,
  filteredBlocks,
  moment,
  type ProposalParts,
  query,
  system
} from "../client/index.js"
import { loadLocalMsp, type Signer } from "../msp/index.js"
import { parsePolicy } from "../policy/index.js"
import { type Channel, connect } from "../transport/index.js"
import { common, protos } from "../wire/index.js"
import { toText } from "../wire/protoutil.js"
import { StepFailed } from "./errors.js"
import type { NetworkPorts } from "./layout.js"
import * as layout from "./layout.js"
import type { CollectionOptions, NetworkSpec, OrgSpec } from "./spec.js"

/** What happened to a submitted transaction. */
export interface SubmitResult {
  readonly txId: string
  readonly payload: string
  readonly block: string
  /** Name of the validation code: `VALID`, `MVCC_READ_CONFLICT`, … */
  readonly code: string
}

export interface DeployedChaincode {
  readonly name: string
  readonly version: string
  readonly initArgs: ReadonlyArray<string>
  readonly policy?: string
  readonly collections?: ReadonlyArray<CollectionOptions>
}

const failing =
  (step: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, StepFailed, R> =>
    Effect.mapError(effect, (cause) => {
      if (cause instanceof StepFailed) return cause
      return new StepFailed({ step, reason: cause instanceof Error ? cause.message : String(cause), cause })
    })

/** Time that a chaincode may take to be built and started. */
const LONG = "5 minutes"

/** How often and how long a new channel is asked for. */
const channelSchedule = Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(200))

export interface Gateway {
  readonly createChannel: Effect.Effect<"created" | "exists", StepFailed>
  readonly join: Effect.Effect<ReadonlyArray<string>, StepFailed>
  readonly install: (chaincode: DeployedChaincode, packageBytes: Uint8Array) => Effect.Effect<void, StepFailed>
  /** Instantiates, or upgrades when another version is there; nothing when this one is. */
  readonly instantiate: (
    chaincode: DeployedChaincode,
    specBytes: Uint8Array
  ) => Effect.Effect<"instantiated" | "upgraded" | "exists", StepFailed>
  readonly submit: (chaincode: string, args: ReadonlyArray<string>) => Effect.Effect<SubmitResult, StepFailed>
  readonly evaluate: (chaincode: string, args: ReadonlyArray<string>) => Effect.Effect<string, StepFailed>
  /** Shows blocks as the first peer commits them, from the next one on; ends with the scope. */
  readonly blocks: (show: (block: protos.FilteredBlock) => Effect.Effect<void>) => Effect.Effect<never, StepFailed>
}

const signerOf = (dir: string, org: OrgSpec, user: string): Effect.Effect<Signer, StepFailed> =>
  loadLocalMsp({ dir: join(layout.userMaterial(dir, org, user), "msp"), mspId: org.mspId }).pipe(
    Effect.map(({ signer }) => signer),
    failing(`identity of ${user}@${org.domain}`)
  )

const collectionPackage = (collections: ReadonlyArray<CollectionOptions>): Either.Either<Uint8Array, Error> =>
  Either.gen(function* () {
    const config = []
    for (const {
      blockToLive = 0,
      maxPeerCount,
      memberOnlyRead = false,
      name,
      policy,
      requiredPeerCount
    } of collections)
      config.push({
        staticCollectionConfig: {
          name,
          memberOrgsPolicy: { signaturePolicy: yield* parsePolicy(policy) },
          requiredPeerCount,
          maximumPeerCount: maxPeerCount,
          blockToLive: BigInt(blockToLive),
          memberOnlyRead
        }
      })
    return common.CollectionConfigPackage.encode({ config })
  })

/** In: a network that is up. */
export const makeGateway = (spec: NetworkSpec, ports: NetworkPorts): Effect.Effect<Gateway, StepFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const admins = new Map<string, Signer>()
    for (const org of spec.orgs) admins.set(org.name, yield* signerOf(spec.dir, org, "Admin"))
    const [firstOrg] = spec.orgs
    const admin = firstOrg === undefined ? undefined : admins.get(firstOrg.name)
    if (admin === undefined)
      return yield* new StepFailed({ step: "network", reason: "no organisation", cause: undefined })
    const peers = layout.peersOf(spec)

    // ---- Connections ----

    const open = (host: string, port: number, caFile: string) =>
      Effect.gen(function* () {
        const tls = spec.tls ? { tls: { rootCerts: [readFileSync(caFile)], serverNameOverride: host } } : {}
        return yield* connect(`127.0.0.1:${port}`, { ...tls, connectTimeout: "10 seconds", patient: true })
      }).pipe(Scope.extend(scope), failing(`connect to ${host}`))
    const orderer = yield* Effect.cached(open(layout.ORDERER_HOST, ports.orderer, layout.ordererTlsCa(spec.dir)))
    const channels = new Map<string, Effect.Effect<Channel, StepFailed>>()
    for (const { host, org } of peers) {
      const opened = open(host, ports.peers[host]?.peer ?? 0, layout.orgTlsCa(spec.dir, org))
      channels.set(host, yield* Effect.cached(opened))
    }
    const channelOf = (host: string): Effect.Effect<Channel, StepFailed> =>
      channels.get(host) ?? new StepFailed({ step: "connect", reason: `no peer ${host}`, cause: undefined })
    const firstPeer = channelOf(peers[0]?.host ?? "")
    /** One peer of every organisation: enough for any policy over organisations. */
    const endorsers = Effect.forEach(spec.orgs, (org) =>
      channelOf(peers.find((p) => p.org.name === org.name)?.host ?? "")
    )

    const call = (host: string, signer: Signer, channelId: string, request: system.SystemCall) =>
      Effect.flatMap(channelOf(host), (peer) => query(peer, { channelId, signer, ...request }, { deadline: LONG }))

    // ---- Channel ----

    const firstBlock = Effect.flatMap(orderer, (node) =>
      fetchBlock(node, {
        channelId: spec.channel,
        signer: admin,
        seek: { start: 0n, stop: 0n, failIfNotReady: true }
      })
    )

    const createChannel: Gateway["createChannel"] = Effect.gen(function* () {
      const known = yield* Effect.either(firstBlock)
      if (Either.isRight(known)) return "exists" as const
      const template = common.Envelope.decode(readFileSync(layout.channelFile(spec.dir, spec.channel)))
      const update = common.ConfigUpdateEnvelope.decode(common.Payload.decode(template.payload).data).configUpdate
      const moments = [yield* moment, yield* moment, ...(yield* Effect.forEach(spec.orgs, () => moment))]
      let used = 0
      const envelope = configUpdateEnvelope(spec.channel, update, [...admins.values()], admin, () => {
        const next = moments[used++]
        if (next === undefined) throw new Error("out of nonces")
        return next
      })
      yield* broadcast(yield* orderer, envelope)
      // the channel is there once its first block can be read
      yield* Effect.retry(firstBlock, {
        schedule: channelSchedule,
        while: (error) => error._tag === "DeliverEnded"
      })
      return "created" as const
    }).pipe(failing("create channel"))

    const join: Gateway["join"] = Effect.gen(function* () {
      const block = yield* firstBlock
      const joined: Array<string> = []
      for (const { host, org } of peers) {
        const signer = admins.get(org.name) ?? admin
        const known = protos.ChannelQueryResponse.decode((yield* call(host, signer, "", system.getChannels)).payload)
        if (known.channels.some(({ channelId }) => channelId === spec.channel)) continue
        yield* call(host, signer, "", system.joinChannel(block))
        joined.push(host)
      }
      return joined
    }).pipe(failing("join channel"))

    // ---- Transactions ----

    const submitParts = (
      parts: Omit<ProposalParts, "now" | "nonce">,
      nodes: ReadonlyArray<Channel>
    ): Effect.Effect<{ readonly endorsed: Endorsed; readonly block: bigint; readonly code: number }, StepFailed> =>
      Effect.scoped(
        Effect.gen(function* () {
          const peer = yield* firstPeer
          const events = yield* filteredBlocks(peer, {
            channelId: spec.channel,
            signer: admin,
            seek: { start: "newest", stop: 2n ** 64n - 1n }
          })
          const endorsed = yield* endorse(nodes, parts, { deadline: LONG })
          yield* broadcast(yield* orderer, endorsed.envelope)
          for (;;) {
            const block = yield* events.next
            const found = block?.filteredTransactions.find(({ txid }) => txid === endorsed.txId)
            if (block !== undefined && found !== undefined)
              return { endorsed, block: block.number, code: found.txValidationCode }
          }
        })
      ).pipe(
        Effect.timeoutFail({
          duration: LONG,
          onTimeout: () => new Error(`the transaction was not committed within ${LONG}`)
        }),
        failing("transaction")
      )

    const codeName = (code: number): string => protos.TxValidationCodeInfo.nameOf(code) ?? String(code)

    // ---- Chaincode ----

    const install: Gateway["install"] = (chaincode, packageBytes) =>
      Effect.gen(function* () {
        for (const { host, org } of peers) {
          const signer = admins.get(org.name) ?? admin
          const known = protos.ChaincodeQueryResponse.decode(
            (yield* call(host, signer, "", system.getInstalledChaincodes)).payload
          )
          if (system.lists(known, chaincode.name, chaincode.version)) continue
          yield* call(host, signer, "", system.install(packageBytes))
        }
      }).pipe(failing(`install ${chaincode.name}`))

    const instantiate: Gateway["instantiate"] = (chaincode, specBytes) =>
      Effect.gen(function* () {
        const known = protos.ChaincodeQueryResponse.decode(
          (yield* call(peers[0]?.host ?? "", admin, spec.channel, system.getChaincodes)).payload
        )
        if (system.lists(known, chaincode.name, chaincode.version)) return "exists" as const
        const action = known.chaincodes.some(({ name }) => name === chaincode.name) ? "upgrade" : "deploy"
        const policy =
          chaincode.policy === undefined
            ? {}
            : { endorsementPolicy: common.SignaturePolicyEnvelope.encode(yield* parsePolicy(chaincode.policy)) }
        const collections =
          chaincode.collections === undefined ? {} : { collections: yield* collectionPackage(chaincode.collections) }
        const request = system.deploy(action, { channelId: spec.channel, spec: specBytes, ...policy, ...collections })
        const { code } = yield* submitParts({ channelId: spec.channel, signer: admin, ...request }, [yield* firstPeer])
        if (code !== protos.TxValidationCode.VALID)
          return yield* new StepFailed({ step: action, reason: codeName(code), cause: code })
        return action === "deploy" ? ("instantiated" as const) : ("upgraded" as const)
      }).pipe(failing(`instantiate ${chaincode.name}`))

    return {
      createChannel,
      join,
      install,
      instantiate,
      submit: (chaincode, args) =>
        Effect.gen(function* () {
          const nodes = yield* endorsers
          const { block, code, endorsed } = yield* submitParts(
            { channelId: spec.channel, chaincode, args, signer: admin },
            nodes
          )
          return {
            txId: endorsed.txId,
            payload: toText(endorsed.response.payload),
            block: String(block),
            code: codeName(code)
          }
        }),
      evaluate: (chaincode, args) =>
        Effect.flatMap(firstPeer, (peer) =>
          query(peer, { channelId: spec.channel, chaincode, args, signer: admin }, { deadline: LONG })
        ).pipe(
          Effect.map(({ payload }) => toText(payload)),
          failing(`query ${chaincode}`)
        ),
      blocks: (show) =>
        Effect.scoped(
          Effect.gen(function* () {
            const events = yield* filteredBlocks(yield* firstPeer, {
              channelId: spec.channel,
              signer: admin,
              seek: { start: "newest", stop: 2n ** 64n - 1n }
            })
            yield* events.next // the newest is known already
            for (;;) {
              const block = yield* events.next
              if (block !== undefined) yield* show(block)
            }
          })
        ).pipe(failing("follow blocks"))
    }
  })
