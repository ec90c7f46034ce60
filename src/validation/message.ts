/**
 * Whether proposals and transactions are well formed, before anybody asks who endorsed them: pure, signatures apart.
 * Source: peer-endorse-validate.md 3.3 and 3.9 rules 1-4; core/common/validation/msgvalidation.go.
 */
import * as Either from "effect/Either"
import { common, msp, protos } from "../wire/index.js"
import { computeTxId, equalBytes, headerTypeName, proposalHashOfTx } from "../wire/protoutil.js"
import * as raw from "../wire/raw.js"
import { MessageInvalid } from "./errors.js"

const Code = protos.TxValidationCode

const invalid = (reason: string) => Either.left(new MessageInvalid({ reason }))
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
const decode = <A>(what: string, read: () => A): Either.Either<A, MessageInvalid> =>
  Either.try({
    try: read,
    catch: (error) => new MessageInvalid({ reason: `error unmarshaling ${what}: ${textOf(error)}` })
  })

// ---- Headers -----------------------------------------------------------------------------------------------------

const knownTypes: ReadonlySet<number> = new Set([
  common.HeaderType.ENDORSER_TRANSACTION,
  common.HeaderType.CONFIG_UPDATE,
  common.HeaderType.CONFIG,
  common.HeaderType.TOKEN_TRANSACTION
])

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

const commonHeaders = (header: common.Header): Either.Either<CommonHeaders, MessageInvalid> =>
  Either.gen(function* () {
    const channelHeader = yield* decode("ChannelHeader", () => common.ChannelHeader.decode(header.channelHeader))
    const signatureHeader = yield* decode("SignatureHeader", () =>
      common.SignatureHeader.decode(header.signatureHeader)
    )
    if (!knownTypes.has(channelHeader.type))
      return yield* invalid(`invalid header type ${headerTypeName(channelHeader.type)}`)
    if (channelHeader.epoch !== 0n)
      return yield* invalid(`invalid Epoch in ChannelHeader. Expected 0, got [${channelHeader.epoch}]`)
    const fault = signatureHeaderFault(signatureHeader)
    return fault === undefined ? { channelHeader, signatureHeader } : yield* invalid(fault)
  })

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

/** Rules 1 and 2: everything that is looked at before the creator's signature. */
export const openProposal = (bytes: Uint8Array): Either.Either<OpenedProposal, MessageInvalid> =>
  Either.gen(function* () {
    const signed = yield* decode("SignedProposal", () => protos.SignedProposal.decode(bytes))
    const proposal = yield* decode("Proposal", () => protos.Proposal.decode(signed.proposalBytes))
    const header = yield* decode("Header", () => common.Header.decode(proposal.header))
    const headers = yield* commonHeaders(header)
    const { creator } = headers.signatureHeader
    return {
      ...headers,
      signed,
      proposal,
      header,
      creator: { creator, signature: signed.signature, data: signed.proposalBytes }
    }
  })

/** The one text that a client sees of any failure of its signature or identity (rule 3). */
export const accessDenied = (channelId: string, creator: Uint8Array): MessageInvalid => {
  const mspId = Either.try(() => msp.SerializedIdentity.decode(creator).mspid)
  return new MessageInvalid({
    reason: `access denied: channel [${channelId}] creator org [${Either.getOrElse(mspId, () => "")}]`
  })
}

/** Rules 4 and 5: what is looked at once the signature is known to be good. */
export const checkProposal = (opened: OpenedProposal): Either.Either<CheckedProposal, MessageInvalid> =>
  Either.gen(function* () {
    const { channelHeader, signatureHeader } = opened
    const txId = computeTxId(signatureHeader.nonce, signatureHeader.creator)
    if (channelHeader.txId !== txId)
      return yield* invalid(`invalid txid. got [${channelHeader.txId}], expected [${txId}]`)
    if (
      channelHeader.type !== common.HeaderType.CONFIG &&
      channelHeader.type !== common.HeaderType.ENDORSER_TRANSACTION
    )
      return yield* invalid(`unsupported proposal type ${channelHeader.type}`)
    const extension = yield* Either.mapLeft(
      decode("ChaincodeHeaderExtension", () => protos.ChaincodeHeaderExtension.decode(channelHeader.extension)),
      () => new MessageInvalid({ reason: "invalid header extension for type CHAINCODE" })
    )
    const { chaincodeId } = extension
    if (chaincodeId === undefined) return yield* invalid("ChaincodeHeaderExtension.ChaincodeId is nil")
    // present but empty is refused too (trap 6)
    if (raw.has(channelHeader.extension, 1)) return yield* invalid("invalid payload visibility field")
    return { ...opened, extension, chaincodeId }
  })

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
  const envelope = Either.try(() => common.Envelope.decode(bytes))
  if (Either.isLeft(envelope)) return Either.left(Code.INVALID_OTHER_REASON)
  const payload = Either.try(() => common.Payload.decode(envelope.right.payload))
  if (Either.isLeft(payload)) return Either.left(Code.BAD_PAYLOAD)
  const { header } = payload.right
  if (header === undefined) return Either.left(Code.BAD_COMMON_HEADER)
  const headers = commonHeaders(header)
  if (Either.isLeft(headers)) return Either.left(Code.BAD_COMMON_HEADER)
  const { creator } = headers.right.signatureHeader
  return Either.right({
    ...headers.right,
    envelope: envelope.right,
    payload: payload.right,
    header,
    creator: { creator, signature: envelope.right.signature, data: envelope.right.payload }
  })
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
