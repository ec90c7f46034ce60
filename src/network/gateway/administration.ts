/** The steps that an administrator would take with Fabric's command line: channel, joins, chaincode. */
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import { Bundle, makeAnchorPeersUpdate } from "../../channelconfig/index.js"
import { configUpdateEnvelope, fetchBlock, moment, query, system } from "../../client/index.js"
import type { Signer } from "../../msp/index.js"
import { parsePolicy } from "../../policy/index.js"
import { common, protos } from "../../wire/index.js"
import { lastConfigIndex } from "../../wire/protoutil.js"
import { StepFailed } from "../errors.js"
import * as layout from "../layout.js"
import { channelProfile } from "../profiles.js"
import type { ChaincodeSpec, CollectionOptions } from "../spec.js"
import { isUnavailable, patience } from "./connections.js"
import { failing, LONG } from "./failing.js"
import { codeName, commitThrough, type GatewayPlace } from "./transactions.js"

export interface Administration {
  /** Creates the channel and waits until the orderer delivers it. */
  readonly createChannel: Effect.Effect<"created" | "exists", StepFailed>
  /** Has all peers join; gives the hosts that had not yet. */
  readonly join: Effect.Effect<ReadonlyArray<string>, StepFailed>
  /** Tells the channel of each organisation's anchor peer where it has none; gives the organisations that were new. */
  readonly setAnchors: Effect.Effect<ReadonlyArray<string>, StepFailed>
  /** Installs on all peers that do not have it. In: a package as `lscc` takes it. */
  readonly install: (chaincode: ChaincodeSpec, packageBytes: Uint8Array) => Effect.Effect<void, StepFailed>
  /** Instantiates, or upgrades when another version is there; nothing when this one is. */
  readonly instantiate: (
    chaincode: ChaincodeSpec,
    specBytes: Uint8Array
  ) => Effect.Effect<"instantiated" | "upgraded" | "exists", StepFailed>
}

/** How often and how long a new channel is asked for. */
const channelSchedule = Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(3000))

const collectionPackage = (collections: ReadonlyArray<CollectionOptions>): Either.Either<Uint8Array, Error> =>
  Either.gen(function* () {
    const config = []
    for (const {
      name,
      policy,
      requiredPeerCount,
      maxPeerCount,
      blockToLive = 0,
      memberOnlyRead = false
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

export const makeAdministration = ({ channelId, commits, connections, shape }: GatewayPlace): Administration => {
  const { admin, orderer } = connections
  const peersNow = () => layout.peersOf(shape().spec)
  const commit = commitThrough(connections, commits)

  const call = (host: string, signer: Signer, channelId: string, request: system.SystemCall) =>
    Effect.flatMap(connections.peer(host), (peer) => query(peer, { channelId, signer, ...request }, { deadline: LONG }))

  // ---- Channel ----

  const firstBlock = Effect.gen(function* () {
    const seek = { start: 0n, stop: 0n, failIfNotReady: true }
    return yield* fetchBlock(yield* orderer, { channelId, signer: yield* admin(), seek })
  }).pipe(Effect.retry({ schedule: patience, while: isUnavailable }))

  const createChannel: Administration["createChannel"] = Effect.gen(function* () {
    const known = yield* Effect.either(firstBlock)
    if (Either.isRight(known)) return "exists" as const
    if (known.left._tag !== "DeliverEnded") return yield* known.left
    const template = common.Envelope.decode(readFileSync(layout.channelFile(shape().spec.dir, channelId)))
    const update = common.ConfigUpdateEnvelope.decode(common.Payload.decode(template.payload).data).configUpdate
    const signers = yield* Effect.forEach(shape().spec.orgs, (org) => admin(org))
    // one nonce for the envelope and one for each signature, drawn here: the maker is pure
    const moments = yield* Effect.forEach([undefined, ...signers], () => moment)
    const first = yield* moment
    const envelope = configUpdateEnvelope(channelId, update, signers, yield* admin(), () => moments.pop() ?? first)
    yield* connections.order(envelope)
    // the channel is there once its first block can be read
    yield* Effect.retry(firstBlock, { schedule: channelSchedule, while: ({ _tag }) => _tag === "DeliverEnded" })
    return "created" as const
  }).pipe(failing("create channel"))

  const joinOne = (block: Uint8Array) => (place: layout.PeerPlace) =>
    Effect.gen(function* () {
      const signer = yield* admin(place.org)
      const known = protos.ChannelQueryResponse.decode(
        (yield* call(place.host, signer, "", system.getChannels)).payload
      )
      if (known.channels.some((one) => one.channelId === channelId)) return []
      yield* call(place.host, signer, "", system.joinChannel(block))
      return [place.host]
    })

  const join: Administration["join"] = Effect.gen(function* () {
    const block = yield* firstBlock
    return (yield* Effect.forEach(peersNow(), joinOne(block), { concurrency: 4 })).flat()
  }).pipe(failing("join channel"))

  /** The configuration in force, as the orderer has it. */
  const configuration = Effect.gen(function* () {
    const signer = yield* admin()
    const request = { channelId, signer }
    const newest = yield* fetchBlock(yield* orderer, { ...request, seek: { start: "newest", stop: "newest" } }).pipe(
      Effect.retry({ schedule: patience, while: isUnavailable })
    )
    const start = lastConfigIndex(common.Block.decode(newest))
    const block = yield* fetchBlock(yield* orderer, { ...request, seek: { start, stop: start } })
    return yield* Bundle.fromBlock(common.Block.decode(block))
  })

  const setAnchors: Administration["setAnchors"] = Effect.gen(function* () {
    const { application } = yield* configuration
    const set: Array<string> = []
    const { ports, spec } = shape()
    for (const org of spec.orgs) {
      if ((application?.orgs.get(org.configName ?? org.mspId)?.anchorPeers.length ?? 0) > 0) continue
      const name = org.configName ?? org.mspId
      const template = yield* makeAnchorPeersUpdate(channelId, yield* channelProfile(spec, ports), name)
      const update = common.ConfigUpdateEnvelope.decode(common.Payload.decode(template.payload).data).configUpdate
      const signer = yield* admin(org)
      const moments = [yield* moment, yield* moment]
      const first = yield* moment
      const envelope = configUpdateEnvelope(channelId, update, [signer], signer, () => moments.pop() ?? first)
      yield* connections.order(envelope)
      set.push(org.mspId)
    }
    return set
  }).pipe(failing("set anchor peers"))

  // ---- Chaincode ----

  const install: Administration["install"] = ({ name, version }, packageBytes) =>
    Effect.forEach(
      peersNow(),
      ({ host, org }) =>
        Effect.gen(function* () {
          const signer = yield* admin(org)
          const { payload } = yield* call(host, signer, "", system.getInstalledChaincodes)
          if (system.lists(protos.ChaincodeQueryResponse.decode(payload), name, version)) return
          yield* call(host, signer, "", system.install(packageBytes))
        }),
      { concurrency: 4, discard: true }
    ).pipe(failing(`install ${name}`))

  const instantiate: Administration["instantiate"] = ({ collections, name, policy, version }, specBytes) =>
    Effect.gen(function* () {
      const signer = yield* admin()
      const [first] = peersNow()
      const { payload } = yield* call(first?.host ?? "", signer, channelId, system.getChaincodes)
      const known = protos.ChaincodeQueryResponse.decode(payload)
      if (system.lists(known, name, version)) return "exists" as const
      const action = known.chaincodes.some((other) => other.name === name) ? "upgrade" : "deploy"
      const request = system.deploy(action, {
        channelId,
        spec: specBytes,
        ...(policy === undefined
          ? {}
          : { endorsementPolicy: common.SignaturePolicyEnvelope.encode(yield* parsePolicy(policy)) }),
        ...(collections === undefined ? {} : { collections: yield* collectionPackage(collections) })
      })
      const parts = { channelId, signer, ...request }
      const { code } = yield* commit(
        parts,
        Effect.map(connections.firstPeer(), (peer) => [peer])
      )
      if (code !== protos.TxValidationCode.VALID)
        return yield* new StepFailed({ step: `${action} ${name}`, reason: codeName(code), cause: code })
      return action === "deploy" ? ("instantiated" as const) : ("upgraded" as const)
    }).pipe(failing(`instantiate ${name}`))

  return { createChannel, join, setAnchors, install, instantiate }
}
