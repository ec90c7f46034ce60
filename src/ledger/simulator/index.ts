/** Simulation and queries on a snapshot of state: pure calls over `StateSnapshot`; the medium is statedb's. */
export * from "./errors.js"
export { metadataOf, QueryExecutor } from "./QueryExecutor.js"
export type { PagedIterator, StateIterator } from "./StateIterator.js"
export * from "./StateSnapshot.js"
export { TxSimulator } from "./TxSimulator.js"
