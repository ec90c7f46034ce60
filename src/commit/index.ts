/**
 * The commit line of a channel (rank 6): blocks verified, validated and committed in order; config transactions put in
 * force; private data gathered. Imports validation's tags, channelconfig, ledger and below; the peer and gossip import
 * it.
 */
export * from "./applyConfig.js"
export * from "./CommitPipeline.js"
export * from "./errors.js"
export * from "./privdata/CollectionPolicy.js"
export * from "./privdata/PrivateDataCoordinator.js"
export { type WantedSet, wantedOf } from "./privdata/wanted.js"
export * from "./stages.js"
export * from "./validationState.js"
