/**
 * The rules of state for a block: read conflicts, merged writes, the commit hash. Pure; the commit in the folder above
 * feeds it transaction by transaction: `mvccCode`, then for valid ones `applyWrites` and `applyPrivateWrites`, at the
 * end `followHashVersions` and `commitHash`.
 */
export * from "./apply.js"
export * from "./commitHash.js"
export * from "./UpdateBatch.js"
export * from "./validate.js"
