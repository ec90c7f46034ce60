/**
 * Pulling of identities and blocks: one engine, two uses. Plain classes over ports; imported by `core` and `channel`.
 */
export { blockPull, numberOfDigest } from "./blockPull.js"
export { IdentityPull, type IdentityPullPorts } from "./identityPull.js"
export { PullEngine, type PullPorts } from "./PullEngine.js"
