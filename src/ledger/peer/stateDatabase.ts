/** Which database a channel's state is for, and CouchDB's part of opening a ledger. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Log from "../../runtime/Log.js"
import { CouchFailed, type CouchInstance, CouchState, couchQueries } from "../couchdb/index.js"
import { LedgerFailed, type LedgerOpenError, StateAhead } from "./errors.js"
import { dropDerived } from "./reset.js"
import type { Storage } from "./Storage.js"

const log = Log.module("kvledger")

/** State that was built by another database's rules is built again from the blocks: values and flags are others. */
export const useDatabase = (
  channelId: string,
  storage: Storage,
  couchDB: CouchInstance | undefined
): Effect.Effect<void, LedgerFailed> =>
  Effect.gen(function* () {
    const { state } = storage
    const database = couchDB === undefined ? "goleveldb" : "CouchDB"
    if (state.database === database) return
    const attempt = (run: () => void) =>
      Effect.try({ try: run, catch: (cause) => new LedgerFailed({ channel: channelId, op: "state database", cause }) })
    if (state.savepoint() !== undefined) {
      yield* log.warning(
        `[${channelId}] the state was built for ${state.database} and is built again from the blocks for ${database}`
      )
      yield* attempt(() => dropDerived(storage))
    }
    yield* attempt(() => state.use(database))
  })

/** CouchDB with the channel's state in it. One that is ahead of the blocks is refused, as in the reference (rule 67). */
export const openCouch = (
  channelId: string,
  storage: Storage,
  instance: CouchInstance
): Effect.Effect<CouchState, LedgerOpenError, Scope.Scope> =>
  Effect.gen(function* () {
    const { engine, state } = storage
    const savepoint = yield* CouchState.savepointOf(instance, channelId)
    if (savepoint !== undefined && savepoint >= engine.height)
      return yield* new StateAhead({ database: "state", height: savepoint + 1n, blockHeight: engine.height })
    const couch = yield* CouchState.open(instance, channelId, state)
    state.answerRichQueries((snapshot) => couchQueries(couch, snapshot))
    return couch
  }).pipe(
    Effect.mapError((cause) =>
      cause instanceof CouchFailed ? new LedgerFailed({ channel: channelId, op: "CouchDB", cause }) : cause
    )
  )
