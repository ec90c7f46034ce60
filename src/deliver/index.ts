/**
 * Streams of blocks by seek request, shared by the orderer's AtomicBroadcast and the peer's Deliver services: the
 * handler, seek resolution, access checks, filtered blocks. Imports wire, crypto, runtime, transport and policy; the
 * ledger, the channel's config and the service registration come from its callers (orderer, peer).
 */
export * from "./DeliverHandler.js"
export * from "./errors.js"
export * from "./filtered.js"
export * from "./metrics.js"
export * from "./response.js"
export * from "./seek.js"
