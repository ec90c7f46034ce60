/**
 * The client's side of Fabric: proposals, transactions, broadcast, deliver, system chaincode calls. Used by the `peer`
 * command line and the developer's network, and by tests. Rank 5: imports wire, msp, transport, policy and below.
 */
export * from "./broadcast.js"
export * from "./causes.js"
export * from "./deliver.js"
export * from "./discover.js"
export * from "./endorse.js"
export * from "./envelope.js"
export * from "./errors.js"
export { moment } from "./moment.js"
export * from "./proposal.js"
export * from "./seek.js"
export * as system from "./system.js"
