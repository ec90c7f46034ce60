/** The only home of the lmdb package, and of koffi, which gives back the pages of its maps. May be imported by src/ledger alone. */
export * from "./Environment.js"
export * from "./errors.js"
export { lockFolder } from "./FolderLock.js"
export { after } from "./keys.js"
export { limitMappedPages } from "./mappedPages.js"
