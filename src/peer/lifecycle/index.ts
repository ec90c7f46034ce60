/**
 * Which chaincode this peer can vouch for on its channels: what is installed here and instantiated there, and who is told
 * when that changes. `ChaincodeEvents` brings installs and commits together, `Lifecycle` keeps what gossip publishes and
 * discovery answers from. Imports chaincode, ledger and below; the peer's stages, discovery and gossip's glue import it.
 */
export * from "./ChaincodeEvents.js"
export * from "./definitions.js"
export * from "./errors.js"
export * from "./Lifecycle.js"
