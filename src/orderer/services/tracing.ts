/**
 * Debug.BroadcastTraceDir and DeliverTraceDir: every envelope in a file of its own, written in the background; what
 * cannot be written is said at debug level only.
 * Source: orderer.md 2.3 (Debug.*); orderer/common/server/server.go.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Log from "../../runtime/Log.js"
import { readEnvelope } from "../msgprocessor/envelope.js"

const log = Log.module("orderer.common.server")

/** Told of a message as it came; what is no envelope is not traced. */
export type Tracer = (message: Uint8Array) => void

/** A tracer for one folder, or undefined when the folder is not set. */
export const makeTracer = (folder: string, method: "Broadcast" | "Deliver"): Effect.Effect<Tracer | undefined> =>
  Effect.gen(function* () {
    if (folder === "") return undefined
    const sync = yield* log.sync
    let count = 0
    return (message) => {
      const envelope = readEnvelope(message)
      if (Either.isLeft(envelope)) return
      // the reference puts the message's address behind the time; here it is a count, it must only be different
      const nanos = BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n)
      const file = path.join(folder, `${nanos}_0x${(++count).toString(16)}.${method}`)
      sync.debug(`Writing ${method} request trace to ${file}`)
      fs.writeFile(file, envelope.right.canonical, { mode: 0o660 }).catch((error) =>
        sync.debug(`Error writing trace msg for ${file}: ${String(error)}`)
      )
    }
  })
