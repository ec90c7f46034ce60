/** Committed state over LMDB. */
export { StateDb, stateTables } from "./StateDb.js"
