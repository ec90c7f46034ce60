/** Private data of a channel beside its blocks. */
export { BtlPolicy, neverExpires } from "./Btl.js"
export * from "./errors.js"
export type { NsColl } from "./keys.js"
export { PurgeSchedule, purgeTables } from "./PurgeSchedule.js"
export {
  type CollectionFilter,
  type MissingInBlock,
  type MissingPvtData,
  PvtDataStore,
  pvtDataTables,
  type TxPvtData
} from "./PvtDataStore.js"
