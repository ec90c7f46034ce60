/**
 * Proposals and the transactions made of their answers: pure.
 * Source: peer-endorse-validate.md section 4; protos/utils/proputils.go, txutils.go of the reference.
 */
import * as Either from "effect/Either"
import { common, protos } from "../wire/index.js"
import { computeTxId, equalBytes, proposalPayloadForTx, timestampOf, utf8 } from "../wire/protoutil.js"
import type { ClientSigner, Moment } from "./envelope.js"
import { AnswerMalformed, EndorsementsDiffer, ProposalRefused } from "./errors.js"

export interface ProposalParts extends Moment {
  /** Empty for calls that concern the peer, not a channel. */
  readonly channelId: string
  readonly chaincode: string
  readonly args: ReadonlyArray<Uint8Array | string>
  readonly signer: ClientSigner
  /** Never leaves the endorsers. */
  readonly transient?: ReadonlyMap<string, Uint8Array>
  /** ENDORSER_TRANSACTION unless said otherwise (`cscc` joins use CONFIG). */
  readonly type?: number
  readonly tlsCertHash?: Uint8Array
}

export interface Proposal {
  readonly txId: string
  /** `protos.SignedProposal`, to be sent as it is. */
  readonly signed: Uint8Array
  readonly header: common.Header
  /** `protos.ChaincodeProposalPayload` with the transient map. */
  readonly payload: Uint8Array
}

/** Makes and signs a proposal. */
export const makeProposal = (parts: ProposalParts): Proposal => {
  const creator = parts.signer.serialized
  const txId = computeTxId(parts.nonce, creator)
  const chaincodeId = { name: parts.chaincode }
  const header = common.Header.create({
    channelHeader: common.ChannelHeader.encode({
      type: parts.type ?? common.HeaderType.ENDORSER_TRANSACTION,
      channelId: parts.channelId,
      txId,
      timestamp: timestampOf(parts.now),
      extension: protos.ChaincodeHeaderExtension.encode({ chaincodeId }),
      tlsCertHash: parts.tlsCertHash
    }),
    signatureHeader: common.SignatureHeader.encode({ creator, nonce: parts.nonce })
  })
  const args = parts.args.map((arg) => (typeof arg === "string" ? utf8(arg) : arg))
  const input = protos.ChaincodeInvocationSpec.encode({
    chaincodeSpec: { type: protos.ChaincodeSpec_Type.GOLANG, chaincodeId, input: { args } }
  })
  const payload = protos.ChaincodeProposalPayload.encode({ input, transientMap: parts.transient })
  const proposalBytes = protos.Proposal.encode({ header: common.Header.encode(header), payload })
  const signed = protos.SignedProposal.encode({ proposalBytes, signature: parts.signer.sign(proposalBytes) })
  return { txId, signed, header, payload }
}

/** A peer's answer with the peer that gave it. */
export interface Answer {
  readonly address: string
  readonly response: protos.ProposalResponse
}

/** Refuses an answer that endorses nothing: a status outside 200..399, no response, no endorsement. */
export const endorsementOf = (answer: Answer): Either.Either<protos.Endorsement, ProposalRefused | AnswerMalformed> => {
  const { address, response } = answer
  if (response.response === undefined)
    return Either.left(new AnswerMalformed({ address, reason: "the proposal response has no response" }))
  const { message, status } = response.response
  if (status < 200 || status >= 400) return Either.left(new ProposalRefused({ address, status, text: message }))
  if (response.endorsement === undefined)
    return Either.left(new AnswerMalformed({ address, reason: "the proposal response has no endorsement" }))
  return Either.right(response.endorsement)
}

/** The envelope of a transaction: the proposal with its endorsements, signed by the one who proposed. */
export const makeTransaction = (
  proposal: Proposal,
  answers: ReadonlyArray<Answer>,
  signer: ClientSigner
): Either.Either<Uint8Array, ProposalRefused | AnswerMalformed | EndorsementsDiffer> =>
  Either.gen(function* () {
    const endorsements: Array<protos.Endorsement> = []
    for (const answer of answers) endorsements.push(yield* endorsementOf(answer))
    const proposalResponsePayload = answers[0]?.response.payload ?? new Uint8Array()
    if (!answers.every(({ response }) => equalBytes(response.payload, proposalResponsePayload)))
      return yield* Either.left(new EndorsementsDiffer({ addresses: answers.map(({ address }) => address) }))
    const payload = common.Payload.encode({
      header: proposal.header,
      data: protos.Transaction.encode({
        actions: [
          {
            header: proposal.header.signatureHeader,
            payload: protos.ChaincodeActionPayload.encode({
              chaincodeProposalPayload: proposalPayloadForTx(proposal.payload),
              action: { proposalResponsePayload, endorsements }
            })
          }
        ]
      })
    })
    return common.Envelope.encode({ payload, signature: signer.sign(payload) })
  })
