/**
 * Service discovery: which peers there are, what a channel's configuration says to clients, which peers can endorse
 * together. Rank 8: imports gossip and below; `src/peer` binds it to its service.
 */
export { AuthCache, type AuthCacheSettings } from "./authCache.js"
export { type DiscoveryServiceShape, makeDiscoveryService } from "./DiscoveryService.js"
export * from "./errors.js"
export * from "./support.js"
