/**
 * Whether proposals and transactions are well formed, before anybody asks who endorsed them: pure, signatures apart.
 * Source: peer-endorse-validate.md 3.3 and 3.9 rules 1-4; core/common/validation/msgvalidation.go.
 */
import * as Either from "effect/Either"
import { textOf } from "../runtime/Stage.js"
import { common, msp, protos } from "../wire/index.js"
import { computeTxId, equalBytes, headerTypeName, proposalHashOfTx } from "../wire/protoutil.js"
import * as raw from "../wire/raw.js"
import { MessageInvalid } from "./errors.js"

const Code = protos.TxValidationCode

const invalid = (reason: string) => Either.left(new MessageInvalid({ reason }))
const unreadable = (what: string, error: unknown) => invalid(`error unmarshaling ${what}: ${textOf(error)}`)

// ---- Headers -----------------------------------------------------------------------------------------------------

const knownTypes: ReadonlySet<number> = new Set([
  common.HeaderType.ENDORSER_TRANSACTION,
  common.HeaderType.CONFIG_UPDATE,
  common.HeaderType.CONFIG,
  common.HeaderType.TOKEN_TRANSACTION
])

const channelHeaderFault = ({ epoch, type }: common.ChannelHeader): string | undefined =>
  knownTypes.has(type)
    ? epoch === 0n
      ? undefined
      : `invalid Epoch in ChannelHeader. Expected 0, got [${epoch}]`
    : `invalid header type ${headerTypeName(type)}`

const signatureHeaderFault = (header: common.SignatureHeader): string | undefined =>
  header.nonce.length === 0
    ? "invalid nonce specified in the header"
    : header.creator.length === 0
      ? "invalid creator specified in the header"
      : undefined

export interface CommonHeaders {
  readonly channelHeader: common.ChannelHeader
  readonly signatureHeader: common.SignatureHeader
}

const commonHeaders = (header: common.Header): Either.Either<CommonHeaders, MessageInvalid> => {
  let what = "ChannelHeader"
  try {
    const channelHeader = common.ChannelHeader.decode(header.channelHeader)
    what = "SignatureHeader"
    const signatureHeader = common.SignatureHeader.decode(header.signatureHeader)
    const fault = channelHeaderFault(channelHeader) ?? signatureHeaderFault(signatureHeader)
    return fault === undefined ? Either.right({ channelHeader, signatureHeader }) : invalid(fault)
  } catch (error) {
    return unreadable(what, error)
  }
}

/** Who must have signed what: checked by the caller against the channel's MSPs. */
export interface CreatorSignature {
  readonly creator: Uint8Array
  readonly signature: Uint8Array
  readonly data: Uint8Array
}

// ---- Proposals ---------------------------------------------------------------------------------------------------

export interface CheckedProposal extends CommonHeaders {
  readonly signed: protos.SignedProposal
  readonly proposal: protos.Proposal
  readonly header: common.Header
  readonly extension: protos.ChaincodeHeaderExtension
  readonly chaincodeId: protos.ChaincodeID
}

export interface OpenedProposal extends CommonHeaders {
  readonly signed: protos.SignedProposal
  readonly proposal: protos.Proposal
  readonly header: common.Header
  readonly creator: CreatorSignature
}

/**
 * Rules 1 and 2: everything that is looked at before the creator's signature. In: `protos.SignedProposal` in its bytes,
 * or decoded already.
 */
export const openProposal = (
  given: Uint8Array | protos.SignedProposal
): Either.Either<OpenedProposal, MessageInvalid> => {
  let what = "SignedProposal"
  try {
    const signed = given instanceof Uint8Array ? protos.SignedProposal.decode(given) : given
    what = "Proposal"
    const proposal = protos.Proposal.decode(signed.proposalBytes)
    what = "Header"
    const header = common.Header.decode(proposal.header)
    const headers = commonHeaders(header)
    if (Either.isLeft(headers)) return Either.left(headers.left)
    const { channelHeader, signatureHeader } = headers.right
    const creator = { creator: signatureHeader.creator, signature: signed.signature, data: signed.proposalBytes }
    return Either.right({ channelHeader, signatureHeader, signed, proposal, header, creator })
  } catch (error) {
    return unreadable(what, error)
  }
}

/** The one text that a client sees of any failure of its signature or identity (rule 3). */
export const accessDenied = (channelId: string, creator: Uint8Array): MessageInvalid => {
  const mspId = Either.try(() => msp.SerializedIdentity.decode(creator).mspid)
  return new MessageInvalid({
    reason: `access denied: channel [${channelId}] creator org [${Either.getOrElse(mspId, () => "")}]`
  })
}

/** Rules 4 and 5: what is looked at once the signature is known to be good. */
export const checkProposal = (opened: OpenedProposal): Either.Either<CheckedProposal, MessageInvalid> => {
  const { channelHeader, signatureHeader } = opened
  const txId = computeTxId(signatureHeader.nonce, signatureHeader.creator)
  if (channelHeader.txId !== txId) return invalid(`invalid txid. got [${channelHeader.txId}], expected [${txId}]`)
  if (channelHeader.type !== common.HeaderType.CONFIG && channelHeader.type !== common.HeaderType.ENDORSER_TRANSACTION)
    return invalid(`unsupported proposal type ${channelHeader.type}`)
  const extension = extensionOf(channelHeader)
  if (extension === undefined) return invalid("invalid header extension for type CHAINCODE")
  const { chaincodeId } = extension
  if (chaincodeId === undefined) return invalid("ChaincodeHeaderExtension.ChaincodeId is nil")
  // present but empty is refused too (trap 6)
  if (raw.has(channelHeader.extension, 1)) return invalid("invalid payload visibility field")
  return Either.right({ ...opened, extension, chaincodeId })
}

const extensionOf = (header: common.ChannelHeader): protos.ChaincodeHeaderExtension | undefined => {
  try {
    return protos.ChaincodeHeaderExtension.decode(header.extension)
  } catch {
    return undefined
  }
}

// ---- Transactions ------------------------------------------------------------------------------------------------

/** A transaction whose form is good; its creator's signature has still to be verified. */
export interface OpenedTransaction extends CommonHeaders {
  readonly envelope: common.Envelope
  readonly payload: common.Payload
  readonly header: common.Header
  readonly creator: CreatorSignature
}

/** Rules 1 and 2 up to the creator's signature: an opened transaction, or its code. */
export const openTransaction = (bytes: Uint8Array): Either.Either<OpenedTransaction, number> => {
  let code: number = Code.INVALID_OTHER_REASON
  try {
    const envelope = common.Envelope.decode(bytes)
    code = Code.BAD_PAYLOAD
    const payload = common.Payload.decode(envelope.payload)
    const { header } = payload
    if (header === undefined) return Either.left(Code.BAD_COMMON_HEADER)
    const headers = commonHeaders(header)
    if (Either.isLeft(headers)) return Either.left(Code.BAD_COMMON_HEADER)
    const { channelHeader, signatureHeader } = headers.right
    const creator = { creator: signatureHeader.creator, signature: envelope.signature, data: envelope.payload }
    return Either.right({ channelHeader, signatureHeader, envelope, payload, header, creator })
  } catch {
    return Either.left(code)
  }
}

/** An endorser transaction taken apart, as much of it as could be. */
export interface EndorserTransaction {
  readonly action: protos.TransactionAction
  readonly actionPayload: protos.ChaincodeActionPayload
  readonly endorsedAction: protos.ChaincodeEndorsedAction
  readonly responsePayload: protos.ProposalResponsePayload
}

const endorserTransaction = (opened: OpenedTransaction): EndorserTransaction | undefined => {
  try {
    const { actions } = protos.Transaction.decode(opened.payload.data)
    const action = actions[0]
    if (actions.length !== 1 || action === undefined) return undefined
    if (signatureHeaderFault(common.SignatureHeader.decode(action.header)) !== undefined) return undefined
    const actionPayload = protos.ChaincodeActionPayload.decode(action.payload)
    const endorsedAction = actionPayload.action
    // the reference would dereference an absent action; trap 10 asks for a code instead
    if (endorsedAction === undefined) return undefined
    const responsePayload = protos.ProposalResponsePayload.decode(endorsedAction.proposalResponsePayload)
    const hash = proposalHashOfTx(opened.header.channelHeader, action.header, actionPayload.chaincodeProposalPayload)
    if (!equalBytes(hash, responsePayload.proposalHash)) return undefined
    return { action, actionPayload, endorsedAction, responsePayload }
  } catch {
    return undefined
  }
}

/** What a transaction is, once its creator's signature is known to be good. */
export type Transaction =
  | { readonly _tag: "Endorser"; readonly parts: EndorserTransaction }
  | { readonly _tag: "Config" }
  | { readonly _tag: "Other" }

/** Rules 3 and 4: the kind of transaction, or its code. */
export const checkTransaction = (opened: OpenedTransaction): Either.Either<Transaction, number> => {
  const { channelHeader, signatureHeader } = opened
  const txIdHolds = () => channelHeader.txId === computeTxId(signatureHeader.nonce, signatureHeader.creator)
  switch (channelHeader.type) {
    case common.HeaderType.ENDORSER_TRANSACTION: {
      if (!txIdHolds()) return Either.left(Code.BAD_PROPOSAL_TXID)
      const parts = endorserTransaction(opened)
      return parts === undefined
        ? Either.left(Code.INVALID_ENDORSER_TRANSACTION)
        : Either.right({ _tag: "Endorser", parts })
    }
    case common.HeaderType.CONFIG:
      return raw.has(opened.envelope.payload, 2)
        ? Either.right({ _tag: "Config" })
        : Either.left(Code.INVALID_CONFIG_TRANSACTION)
    case common.HeaderType.TOKEN_TRANSACTION:
      return txIdHolds() ? Either.right({ _tag: "Other" }) : Either.left(Code.BAD_PROPOSAL_TXID)
    default:
      return Either.left(Code.UNSUPPORTED_TX_PAYLOAD)
  }
}
