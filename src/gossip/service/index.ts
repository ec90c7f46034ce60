/** Gossip as the peer's channels use it. Imports everything else of gossip; `src/peer` imports it. */
export * from "./eventer.js"
export * from "./GossipService.js"
export * from "./leadership.js"
