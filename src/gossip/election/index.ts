/** Leader election of a channel among an organisation's peers. Imports gossip's interfaces and below. */
export * from "./adapter.js"
export * from "./LeaderElection.js"
