/**
 * Gossip between peers: connections, membership, dissemination, state transfer, election, private data. Rank 7: imports
 * lower ranks; `src/peer` and `src/network` import it.
 */
export * from "./bounds.js"
export * from "./Comm.js"
export * from "./core/index.js"
export * from "./errors.js"
export * from "./Gossip.js"
export * from "./kinds.js"
export * from "./messages.js"
export * from "./Security.js"
export * from "./settings.js"
export * from "./signing.js"
export * from "./systemTimers.js"
export type { Timers } from "./Timers.js"
