/** Identities of other peers by PKI-ID. Used by the connections, the core and its layer. */
export * from "./Identities.js"
export * from "./IdentityMapper.js"
