/**
 * Networks of gossip cores in one process, on a clock that moves when told, with delay, loss and partition by seed. The
 * cores are the peer's own; connections and signatures are not. For tests and benchmarks: nothing in `src` imports it.
 */
export { SimClock, SimTimers } from "./SimClock.js"
export { SimNetwork, type SimNetworkOptions, SimPeer } from "./SimNetwork.js"
export { blockMessage, type SimNode, type SimOptions, Simulation } from "./Simulation.js"
export { referenceSettings } from "./settings.js"
export { SimAuthority, simBlock, simIdentity, simPkiId, simSecurity, simSign } from "./simSecurity.js"
