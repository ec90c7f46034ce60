/** Collection configurations of the past. */
export {
  type CollectionConfigInfo,
  ConfigHistory,
  ConfigNotYetAvailable,
  configHistoryTables
} from "./ConfigHistory.js"
