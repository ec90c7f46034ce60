/** CouchDB as the state database; the only home of nano. */
export { CouchInstance, type CouchSettings } from "./CouchInstance.js"
export { couchQueries } from "./CouchQueries.js"
export { CouchState } from "./CouchState.js"
export { keyValueFault } from "./documents.js"
export { CouchFailed } from "./errors.js"
