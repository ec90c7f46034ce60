/**
 * Work on ledgers whose node does not run: stores opened as they are, a replay beside them, comparison, rebuilding.
 * For the tools; a running node imports none of it.
 */

export type { Storage } from "../peer/Storage.js"
export { type Difference, differences, privateStateFaults } from "./compareStores.js"
export { indexFaults, privateDataFaults } from "./faults.js"
export { openOrdererStore, openStores } from "./openStores.js"
export { openReplay, type Replay, type Replayed } from "./Replay.js"
export {
  checkFiles,
  cutFiles,
  dropDerived,
  type FileEnd,
  indexedHeight,
  listChannel,
  setAsideDatabase
} from "./rebuild.js"
