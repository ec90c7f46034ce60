/** The connections of the chaincode commands. Source: peer/chaincode/common.go (InitCmdFactory). */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Bundle } from "../../../channelconfig/index.js"
import type { AnswerMalformed } from "../../../client/index.js"
import { makeProposal, moment, type Proposal, sendProposal, system } from "../../../client/index.js"
import * as Log from "../../../runtime/Log.js"
import type { Channel, GrpcFailure } from "../../../transport/index.js"
import { common, type protos } from "../../../wire/index.js"
import { readBytes } from "../CliIo.js"
import { configuredPeer, connectTo, peerAt } from "../connections.js"
import { type CommandFailed, failed, failing } from "../errors.js"
import { broadcaster } from "../orderer.js"
import type { Session } from "../Session.js"
import { endorsingPeers } from "./connectionProfile.js"

export const log = Log.module("chaincodeCmd")

export interface ChaincodePeer {
  /** As given by `--peerAddresses`; empty for the configured peer. */
  readonly address: string
  readonly channel: Channel
}

export interface Clients {
  readonly peers: readonly [ChaincodePeer, ...Array<ChaincodePeer>]
  /** Of the TLS certificate that this client shows, if any. */
  readonly tlsCertHash: Uint8Array | undefined
}

interface Places {
  readonly addresses: ReadonlyArray<string>
  readonly rootFiles: ReadonlyArray<string>
}

/** Not given means: one, and that from the configuration. */
const given = (values: ReadonlyArray<string>): ReadonlyArray<string> => (values.length === 0 ? [""] : values)

const places = (session: Session, channelId: string): Effect.Effect<Places, CommandFailed> =>
  Effect.gen(function* () {
    const { flags, io } = session
    const profile = flags.text("connectionProfile")
    const fromFlags = {
      addresses: given(flags.list("peerAddresses")),
      rootFiles: given(flags.list("tlsRootCertFiles"))
    }
    if (profile === "") return fromFlags
    const text = yield* readBytes(io, profile).pipe(failing("error reading connection profile: "))
    const peers = yield* Effect.mapError(endorsingPeers(Buffer.from(text).toString(), channelId), failed)
    if (peers === undefined) return fromFlags
    return { addresses: peers.map(({ address }) => address), rootFiles: peers.map(({ rootFile }) => rootFile) }
  })

const checkedPlaces = (session: Session, command: string, channelId: string): Effect.Effect<Places, CommandFailed> =>
  Effect.gen(function* () {
    const { addresses, rootFiles } = yield* places(session, channelId)
    if (command !== "invoke" && addresses.length > 1)
      return yield* failed(`'${command}' command can only be executed against one peer. received ${addresses.length}`)
    if (rootFiles.length > addresses.length) {
      const counts = `(${rootFiles.length}) than peer addresses (${addresses.length})`
      yield* log.at("validatePeerConnectionParameters").warning(`received more TLS root cert files ${counts}`)
    }
    if (session.config.peer.tls.enabled && rootFiles.length !== addresses.length)
      return yield* failed(
        `number of peer addresses (${addresses.length}) does not match the number of TLS root cert files (${rootFiles.length})`
      )
    return { addresses, rootFiles }
  }).pipe(failing("error validating peer connection parameters: "))

/** Connects to the peers that flags, profile or configuration name. */
export const connectPeers = (
  session: Session,
  command: string,
  channelId: string
): Effect.Effect<Clients, CommandFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { addresses, rootFiles } = yield* checkedPlaces(session, command, channelId)
    const connected = yield* Effect.forEach(addresses, (address, i) =>
      peerAt(session, address, rootFiles[i]).pipe(
        Effect.flatMap((target) => connectTo(target, "endorser")),
        failing(`error getting endorser client for ${command}: `),
        Effect.map((channel): ChaincodePeer => ({ address, channel }))
      )
    )
    const [first, ...others] = connected
    if (first === undefined) return yield* failed("no endorser clients retrieved - this might indicate a bug")
    const own = yield* configuredPeer(session).pipe(failing("error getting client cerificate: "))
    return { peers: [first, ...others] as const, tlsCertHash: own.tlsCertHash }
  })

/** One proposal to one peer; the answer may carry any status. */
export const propose = (
  session: Session,
  peer: ChaincodePeer,
  call: system.SystemCall,
  channelId: string
): Effect.Effect<
  { readonly proposal: Proposal; readonly answer: protos.ProposalResponse },
  GrpcFailure | AnswerMalformed
> =>
  Effect.gen(function* () {
    const proposal = makeProposal({ ...call, ...(yield* moment), channelId, signer: session.signer })
    return { proposal, answer: (yield* sendProposal(peer.channel, proposal)).response }
  })

/** The channel's last config block, asked of a peer. */
export const configBlock = (
  session: Session,
  peer: ChaincodePeer,
  channelId: string
): Effect.Effect<common.Block, CommandFailed> =>
  Effect.gen(function* () {
    const call = { ...system.getConfigBlock(channelId), type: common.HeaderType.CONFIG }
    const { answer } = yield* propose(session, peer, call, "").pipe(failing("error endorsing GetConfigBlock: "))
    const { message = "", payload = new Uint8Array(), status = 0 } = answer.response ?? {}
    if (status !== 0 && status !== 200) return yield* failed(`error bad proposal response ${status}: ${message}`)
    return yield* Effect.try({
      try: () => common.Block.decode(payload),
      catch: (error) => failed(`error unmarshaling config block: ${String(error)}`)
    })
  })

/** The orderer addresses in the channel's configuration. */
const ordererEndpoints = (
  session: Session,
  peer: ChaincodePeer,
  channelId: string
): Effect.Effect<ReadonlyArray<string>, CommandFailed> =>
  Effect.gen(function* () {
    const block = yield* configBlock(session, peer, channelId)
    const bundle = yield* Effect.mapError(Bundle.fromBlock(block), (error) =>
      failed(`error loading config block: ${error.message}`)
    )
    return bundle.channel.ordererAddresses
  })

/** The orderer of `-o`, or the first one in the channel's configuration. */
export const connectOrderer = (
  session: Session,
  { peers: [peer] }: Clients,
  channelId: string
): Effect.Effect<Channel, CommandFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const named = session.flags.text("orderer")
    if (named !== "") return yield* broadcaster(session, named)
    const [found] = yield* ordererEndpoints(session, peer, channelId).pipe(
      failing(`error getting channel (${channelId}) orderer endpoint: `)
    )
    if (found === undefined) return yield* failed(`no orderer endpoints retrieved for channel ${channelId}`)
    yield* log.at("InitCmdFactory").info(`Retrieved channel (${channelId}) orderer endpoint: ${found}`)
    return yield* broadcaster(session, found)
  })
