/**
 * The ledger: blocks, state, history and private data of a channel; read-write sets and their validation. May be
 * imported by ranks above 3. `lmdb/` is the only home of the lmdb package, `couchdb/` (CouchDB as state database) of
 * nano, `mango/` (rich queries over the built-in state) of pouchdb-selector-core; `rwset/` and `mvcc/` are pure;
 * `blockstore/` serves the orderer alone as well; `peer/` puts everything together.
 */
export * from "./blockstore/index.js"
export * from "./confighistory/index.js"
export { CouchFailed, CouchInstance, type CouchSettings } from "./couchdb/index.js"
export * from "./format.js"
export * from "./history/index.js"
export { FolderLocked, LmdbCommitFailed, LmdbOpenFailed, lockFolder } from "./lmdb/index.js"
export { loadEmbeddedQueries } from "./mango/index.js"
export * from "./mvcc/index.js"
export * from "./peer/index.js"
export * from "./pvtdata/index.js"
export * from "./rwset/index.js"
export * from "./simulator/index.js"
export * from "./transient/index.js"
