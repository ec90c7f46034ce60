/** What can go wrong between a client and a node, beyond the transport's own failures. */
import * as Data from "effect/Data"
import { common } from "../wire/index.js"

/** A peer answered a proposal with a status that is no endorsement. */
export class ProposalRefused extends Data.TaggedError("ProposalRefused")<{
  readonly address: string
  readonly status: number
  /** The response's message as the peer sent it. */
  readonly text: string
}> {
  override get message() {
    return this.text === "" ? `${this.address} answered with status ${this.status}` : this.text
  }
}

/** Endorsers answered the same proposal with different payloads: no transaction can be made of them. */
export class EndorsementsDiffer extends Data.TaggedError("EndorsementsDiffer")<{
  readonly addresses: ReadonlyArray<string>
}> {
  override get message() {
    return `ProposalResponsePayloads do not match (${this.addresses.join(", ")})`
  }
}

/** The orderer refused an envelope. */
export class BroadcastRefused extends Data.TaggedError("BroadcastRefused")<{
  readonly status: number
  readonly info: string
}> {
  override get message() {
    return `got unexpected status: ${statusName(this.status)}${this.info === "" ? "" : ` -- ${this.info}`}`
  }
}

/** A deliver request ended with a status other than SUCCESS, or the node closed the stream. */
export class DeliverEnded extends Data.TaggedError("DeliverEnded")<{ readonly status: number }> {
  override get message() {
    return `can't read the block: ${statusName(this.status)}`
  }
}

/** An answer that is no message of the protocol. */
export class AnswerMalformed extends Data.TaggedError("AnswerMalformed")<{
  readonly address: string
  readonly reason: string
}> {
  override get message() {
    return `malformed answer of ${this.address}: ${this.reason}`
  }
}

/** Text of a status as command lines print it. */
export const statusName = (status: number): string => common.StatusInfo.nameOf(status) ?? String(status)
