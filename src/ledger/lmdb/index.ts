/** The only home of the lmdb package. May be imported by src/ledger alone. */
export * from "./Environment.js"
export * from "./errors.js"
export { lockFolder } from "./FolderLock.js"
export { after } from "./keys.js"
