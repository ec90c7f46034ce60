/** Blocks of a channel: raw bytes in append-only files with an LMDB index, or in memory. See BlockStore.ts. */

export { BlockEngine } from "./BlockEngine.js"
export { BlockFiles, defaultMaxFileSize } from "./BlockFiles.js"
export { BlockIndex, indexTables } from "./BlockIndex.js"
export * from "./BlockStore.js"
export * from "./errors.js"
export { type FileBlockStoreOptions, isFolderName, layerFile, openFileBlockStore } from "./FileBlockStore.js"
export { layerMemory, layerRam, makeMemory } from "./memory.js"
export { type ParsedBlock, parseBlock, txIdOf } from "./parse.js"
export { Waiters } from "./Waiters.js"
