/** Committed state over LMDB. */
export type { StateKey } from "./RedoLog.js"
export { type RichQueryMaker, type StateDatabase, StateDb, stateTables, type Trails } from "./StateDb.js"
export * from "./trail.js"
