/** The peer's configuration: decoded once, read by the stages, who pass narrow slices on. */
import * as Context from "effect/Context"
import type { CoreConfig } from "../config/index.js"

export class PeerConfig extends Context.Tag("peer/PeerConfig")<PeerConfig, CoreConfig>() {}
