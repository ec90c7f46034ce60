/** The connections of the channel commands, and one proposal to the configured peer. Source: peer/channel/channel.go. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { makeProposal, moment, ordererBlocks, peerBlocks, sendProposal, type system } from "../../../client/index.js"
import * as Log from "../../../runtime/Log.js"
import type { Channel } from "../../../transport/index.js"
import type { protos } from "../../../wire/index.js"
import { configuredPeer, connectTo, ordererAt, type Target } from "../connections.js"
import { type CommandFailed, failed, failing } from "../errors.js"
import type { Session } from "../Session.js"

export const log = Log.module("channelCmd")

const ready = log.at("InitCmdFactory").info("Endorser and orderer connections initialized")

/** The configured peer, for proposals. */
export const endorser = (session: Session): Effect.Effect<Channel, CommandFailed, Scope.Scope> =>
  configuredPeer(session).pipe(
    Effect.flatMap((target) => connectTo(target, "endorser")),
    failing("error getting endorser client for channel: "),
    Effect.zipLeft(ready)
  )

/** Whether `-o` names an endpoint. */
export const hasOrderer = ({ flags }: Session): boolean => flags.text("orderer").split(":").length === 2

/** Where blocks come from. */
export interface BlockNode {
  readonly channel: Channel
  readonly target: Target
  readonly from: typeof ordererBlocks
  /** Stands before a stream's failure. */
  readonly receiving: string
}

const deliver = (target: Effect.Effect<Target, CommandFailed>, as: string) =>
  Effect.gen(function* () {
    const found = yield* target
    return { target: found, channel: yield* connectTo(found, as) }
  }).pipe(failing("failed to create deliver client: "))

/** The orderer of `-o`, for its blocks. */
export const ordererDeliver = (session: Session): Effect.Effect<BlockNode, CommandFailed, Scope.Scope> => {
  const address = session.flags.text("orderer")
  if (!hasOrderer(session)) return failed(`ordering service endpoint ${address} is not valid or missing`)
  return deliver(ordererAt(session, address), "orderer").pipe(
    Effect.zipLeft(ready),
    Effect.map((node) => ({ ...node, from: ordererBlocks, receiving: "error receiving: " }))
  )
}

/** The configured peer, for its blocks. */
export const peerDeliver = (session: Session): Effect.Effect<BlockNode, CommandFailed, Scope.Scope> =>
  deliver(configuredPeer(session), "deliver").pipe(
    failing("error getting deliver client for channel: "),
    Effect.zipLeft(ready),
    Effect.map((node) => ({
      ...node,
      from: peerBlocks,
      receiving: "error receiving: error receiving from peer deliver service: "
    }))
  )

/** Calls a system chaincode of the peer, without a channel. `failure` turns a failed call into its text. */
export const callPeer = (
  session: Session,
  peer: Channel,
  call: system.SystemCall,
  failure: (cause: string) => string
): Effect.Effect<protos.ProposalResponse, CommandFailed> =>
  Effect.gen(function* () {
    const proposal = makeProposal({ ...call, ...(yield* moment), channelId: "", signer: session.signer })
    return (yield* sendProposal(peer, proposal)).response
  }).pipe(Effect.mapError(({ message }) => failed(failure(message))))
