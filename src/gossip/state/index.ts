/** State transfer: a channel's blocks in order before the commit line, and served to other peers. Rank 7. */
export * from "./errors.js"
export * from "./metrics.js"
export * from "./PayloadBuffer.js"
export { rangeFault } from "./requests.js"
export * from "./StateProvider.js"
