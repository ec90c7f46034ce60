/**
 * Membership of the network: who is alive, what of it may be told to whom, connecting to bootstrap and anchor peers.
 * Plain classes over ports; imported by `core` alone (and tests).
 */
export { type AliveView, aliveView, detachedView } from "./alive.js"
export { Connector, type Identified, type Identify } from "./connect.js"
export { type Disclosure, disclosureTo } from "./disclosure.js"
export { Membership, type MembershipPorts, type OwnEndpoints } from "./Membership.js"
export { type Applied, type Member, MemberTable } from "./MemberTable.js"
