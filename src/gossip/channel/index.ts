/**
 * One channel's gossip: its members' StateInfo, its blocks in memory, its leadership messages. Plain classes over ports;
 * imported by `core` alone (and tests).
 */
export { Channel, type ChannelPorts } from "./Channel.js"
export { channelMac } from "./mac.js"
export { viewChange } from "./tracker.js"
