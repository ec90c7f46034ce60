/**
 * The commit line of a channel (rank 6): blocks verified, validated and committed in order; config transactions put in
 * force; private data gathered. The validator comes in as an interface: validation has the same rank. Imports channelconfig,
 * ledger and below; the peer and gossip import it.
 */
export * from "./applyConfig.js"
export * from "./CommitPipeline.js"
export * from "./errors.js"
export * from "./privdata/CollectionPolicy.js"
export * from "./privdata/PrivateDataCoordinator.js"
export { type WantedSet, wantedOf } from "./privdata/wanted.js"
export * from "./stages.js"
