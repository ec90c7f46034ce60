/** One block from a deliver service, with the log lines and texts of the reference. Source: peer/common/deliverclient.go. */
import * as Effect from "effect/Effect"
import { fetchBlock, type Position, statusName } from "../../../client/index.js"
import * as Log from "../../../runtime/Log.js"
import { common } from "../../../wire/index.js"
import { type CommandFailed, failed } from "../errors.js"
import type { Session } from "../Session.js"
import type { BlockNode } from "./factory.js"

const log = Log.module("cli.common", "readBlock")

export interface FetchedBlock {
  readonly bytes: Uint8Array
  readonly block: common.Block
}

/** The block at a position; waits for the next block of a chain, as the reference does. */
export const readBlock = (
  session: Session,
  node: BlockNode,
  channelId: string,
  position: Position,
  bestEffort: boolean
): Effect.Effect<FetchedBlock, CommandFailed> =>
  Effect.gen(function* () {
    const { tlsCertHash } = node.target
    const request = {
      channelId,
      signer: session.signer,
      seek: { start: position, stop: position, bestEffort },
      ...(tlsCertHash === undefined ? {} : { tlsCertHash })
    }
    const bytes = yield* fetchBlock(node.channel, request, node.from).pipe(
      Effect.catchTag("DeliverEnded", ({ status }) => {
        const shown = `&{${statusName(status)}}`
        return Effect.zipRight(log.info(`Got status: ${shown}`), failed(`can't read the block: ${shown}`))
      }),
      Effect.catchTag("AnswerMalformed", () => failed(`${node.receiving}EOF`)),
      Effect.catchTag("GrpcFailure", ({ message }) => failed(`${node.receiving}${message}`))
    )
    const block = yield* Effect.try({
      try: () => common.Block.decode(bytes),
      catch: (error) => failed(`${node.receiving}${String(error)}`)
    })
    yield* log.info(`Received block: ${block.header?.number ?? 0n}`)
    return { bytes, block }
  })
