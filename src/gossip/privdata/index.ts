/**
 * Private data between peers: given away at endorsement, asked for at commit and afterwards, served to those who may
 * have it. Imports commit, ledger and gossip's interfaces.
 */
export * from "./collections.js"
export * from "./Distributor.js"
export * from "./metrics.js"
export * from "./Puller.js"
export * from "./plan.js"
export * from "./Reconciler.js"
export * from "./retriever.js"
