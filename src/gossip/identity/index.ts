/** Identities of other peers by PKI-ID. Used by the connections, the core and its layer. */
export * from "./IdentityMapper.js"
