/**
 * What an endorser signs: the ProposalResponsePayload, byte for byte as the reference makes it. Pure.
 * Source: peer-endorse-validate.md section 4, trap 5; protos/utils/proputils.go of the reference.
 */
import { type common, protos } from "../../wire/index.js"
import { proposalHash } from "../../wire/protoutil.js"

export interface ResponsePayloadParts {
  readonly header: common.Header
  /** `protos.ChaincodeProposalPayload` as the client sent it; its transient map is left out of the hash. */
  readonly payload: Uint8Array
  readonly response: protos.Response
  /** `rwset.TxReadWriteSet`; absent without a simulation. */
  readonly results: Uint8Array | undefined
  /** `protos.ChaincodeEvent`; absent when the chaincode set none. */
  readonly event: protos.ChaincodeEvent | undefined
  readonly chaincodeId: protos.ChaincodeID
}

/** The payload's bytes. Throws WireError when the proposal's payload does not decode. */
export const responsePayload = (parts: ResponsePayloadParts): Uint8Array => {
  const { chaincodeId, event, header, payload, response, results } = parts
  const extension = protos.ChaincodeAction.encode({
    response,
    chaincodeId,
    ...(results === undefined ? {} : { results }),
    ...(event === undefined ? {} : { events: protos.ChaincodeEvent.encode(event) })
  })
  return protos.ProposalResponsePayload.encode({ proposalHash: proposalHash(header, payload), extension })
}
