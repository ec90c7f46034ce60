/** Handing an envelope to the orderer. Source: operations-cli.md 4.3; peer/common/broadcastclient.go. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { broadcast, statusName } from "../../client/index.js"
import type { Channel } from "../../transport/index.js"
import { connectTo, ordererAt } from "./connections.js"
import { type CommandFailed, failed, failing } from "./errors.js"
import type { Session } from "./Session.js"

/** Connects to an orderer for broadcast; `failure` stands before the cause. */
export const broadcaster = (
  session: Session,
  address: string,
  failure = "error getting broadcast client: "
): Effect.Effect<Channel, CommandFailed, Scope.Scope> =>
  ordererAt(session, address).pipe(
    Effect.flatMap((target) => connectTo(target, "orderer")),
    failing(failure)
  )

/** Sends one envelope; done when the orderer has taken it in. */
export const send = (orderer: Channel, envelope: Uint8Array): Effect.Effect<void, CommandFailed> =>
  Effect.mapError(broadcast(orderer, envelope), (error) => {
    if (error._tag === "BroadcastRefused")
      return failed(`got unexpected status: ${statusName(error.status)} -- ${error.info}`)
    return failed(error._tag === "AnswerMalformed" ? "EOF" : error.message)
  })
