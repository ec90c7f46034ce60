/** The history of keys. */
export { HistoryDb, type HistoryIterator, type HistoryQueryExecutor, historyTables } from "./HistoryDb.js"
