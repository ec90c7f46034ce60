/** Why a message is not ordered. */
import * as Data from "effect/Data"
import { common } from "../../wire/index.js"

/** What decides over the status; everything without a name of its own is a bad request. */
export type RefusalReason = "channelNotFound" | "permissionDenied" | "maintenance" | "bad"

/** A message that a processor refuses; `detail` is the reference's text, which the client gets as info. */
export class MessageRefused extends Data.TaggedError("MessageRefused")<{
  readonly reason: RefusalReason
  readonly detail: string
}> {
  override get message() {
    return this.detail
  }
}

export const refusal = (detail: string, reason: RefusalReason = "bad"): MessageRefused =>
  new MessageRefused({ reason, detail })

/** The same refusal with the reference's prefix. */
export const prefixed =
  (prefix: string) =>
  ({ detail, reason }: MessageRefused): MessageRefused =>
    refusal(`${prefix}: ${detail}`, reason)

/** Source: orderer.md 3.5 rule 6. */
export const statusOf = ({ reason }: MessageRefused): number => {
  switch (reason) {
    case "channelNotFound":
      return common.Status.NOT_FOUND
    case "permissionDenied":
      return common.Status.FORBIDDEN
    case "maintenance":
      return common.Status.SERVICE_UNAVAILABLE
    case "bad":
      return common.Status.BAD_REQUEST
  }
}
