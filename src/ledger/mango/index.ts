/** Mango queries over the built-in state; the only home of pouchdb-selector-core. */
export { loadEmbeddedQueries } from "./EmbeddedQueries.js"
export { parseQuery } from "./query.js"
