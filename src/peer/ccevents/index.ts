/** What this peer does when chaincode is installed or instantiated, beside its caches. May be imported by src/peer/stages. */
export { ensureIndexes, indexListener } from "./StateIndexes.js"
