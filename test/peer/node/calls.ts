/** What a client does with a peer, in the recorded network's names. */
import * as Effect from "effect/Effect"
import { sendProposal, system } from "../../../src/client/index.js"
import type { Signer } from "../../../src/msp/index.js"
import type { Channel } from "../../../src/transport/index.js"
import { common, type protos } from "../../../src/wire/index.js"
import { proposal } from "../support.js"

export interface Call {
  readonly channelId?: string
  readonly chaincode: string
  readonly args: ReadonlyArray<string | Uint8Array>
  readonly type?: number
  readonly transient?: ReadonlyMap<string, Uint8Array>
}

/** Sends a proposal and gives the whole answer. */
export const propose = (peer: Channel, signer: Signer, call: Call) =>
  Effect.map(sendProposal(peer, proposal({ channelId: "", signer, ...call })), ({ response }) => response)

/** Status and message of an answer. */
export const statusOf = (answer: protos.ProposalResponse): string =>
  `${answer.response?.status} ${answer.response?.message}`.trim()

export const join = (peer: Channel, signer: Signer, block: Uint8Array) =>
  propose(peer, signer, system.joinChannel(block))

export const chainInfo = (peer: Channel, signer: Signer, channelId = "mychannel") =>
  Effect.map(propose(peer, signer, { ...system.getChainInfo(channelId), channelId }), (answer) =>
    common.BlockchainInfo.decode(answer.response?.payload ?? new Uint8Array())
  )
