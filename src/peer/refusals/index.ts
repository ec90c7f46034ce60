/**
 * Why this peer refused proposals and transactions: gathered here, told by the log, by spans and by the operations
 * service's page `/explain`. Imports validation and below; endorser, channels and stages import it.
 */
export { proposalRefusal } from "./proposals.js"
export { makeRefusals, Refusals, type RefusalsShape } from "./Refusals.js"
export { type BlockRefusals, conflictRefusal, makeBlockRefusals } from "./transactions.js"
