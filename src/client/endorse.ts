/** Sending proposals to peers. */
import * as Effect from "effect/Effect"
import { textOf } from "../runtime/Stage.js"
import type { CallOptions, Channel, GrpcFailure } from "../transport/index.js"
import { protos } from "../wire/index.js"
import { Endorser } from "../wire/services.js"
import type { ClientSigner } from "./envelope.js"
import { AnswerMalformed, type EndorsementsDiffer, ProposalRefused } from "./errors.js"
import { moment } from "./moment.js"
import type { Answer, Proposal, ProposalParts } from "./proposal.js"
import { makeProposal, makeTransaction } from "./proposal.js"

/** Sends one signed proposal; the answer may carry any status. */
export const sendProposal = (
  peer: Channel,
  proposal: Proposal,
  options?: CallOptions
): Effect.Effect<Answer, GrpcFailure | AnswerMalformed> =>
  Effect.flatMap(peer.unary(Endorser.methods.ProcessProposal, proposal.signed, options), (bytes) =>
    Effect.try({
      try: () => ({ address: peer.address, response: protos.ProposalResponse.decode(bytes) }),
      catch: (error) => new AnswerMalformed({ address: peer.address, reason: textOf(error) })
    })
  )

/** The chaincode's response where its status is below 400; ProposalRefused otherwise. */
const accepted = (answer: Answer): Effect.Effect<protos.Response, ProposalRefused | AnswerMalformed> => {
  const { address, response } = answer
  if (response.response === undefined)
    return new AnswerMalformed({ address, reason: "the proposal response has no response" })
  const { message, status } = response.response
  return status >= 400 ? new ProposalRefused({ address, status, text: message }) : Effect.succeed(response.response)
}

/** Asks one peer and orders nothing. */
export const query = (
  peer: Channel,
  parts: Omit<ProposalParts, "now" | "nonce">,
  options?: CallOptions
): Effect.Effect<protos.Response, GrpcFailure | AnswerMalformed | ProposalRefused> =>
  Effect.gen(function* () {
    const proposal = makeProposal({ ...parts, ...(yield* moment) })
    return yield* accepted(yield* sendProposal(peer, proposal, options))
  })

export interface Endorsed {
  readonly txId: string
  /** The chaincode's response, the same from every endorser. */
  readonly response: protos.Response
  /** The signed transaction, ready for the orderer. */
  readonly envelope: Uint8Array
}

/** Has a proposal endorsed by all `peers` at once and makes the transaction. */
export const endorse = (
  peers: ReadonlyArray<Channel>,
  parts: Omit<ProposalParts, "now" | "nonce"> & { readonly signer: ClientSigner },
  options?: CallOptions
): Effect.Effect<Endorsed, GrpcFailure | AnswerMalformed | ProposalRefused | EndorsementsDiffer> =>
  Effect.gen(function* () {
    const proposal = makeProposal({ ...parts, ...(yield* moment) })
    const answers = yield* Effect.forEach(peers, (peer) => sendProposal(peer, proposal, options), {
      concurrency: "unbounded"
    })
    const envelope = yield* makeTransaction(proposal, answers, parts.signer)
    const response = answers[0]?.response.response
    if (response === undefined) return yield* new AnswerMalformed({ address: "", reason: "no peer was asked" })
    return { txId: proposal.txId, response, envelope }
  })
