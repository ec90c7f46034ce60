/**
 * The gossip core: intake and routing, pushing, channels, connecting. Plain classes over Comm, Security, Timers and dice;
 * `layer.ts` makes them a node's `Gossip`. Imported by `src/gossip/index.ts` and the simulation.
 */
export { type CoreOptions, GossipCore, type GossipLogs } from "./GossipCore.js"
export { type GossipLayerOptions, gossipLayer, makeGossip } from "./layer.js"
