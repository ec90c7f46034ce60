/** Stages 3 and 6: the table of channels, still empty, and access checks over it. */
import * as Layer from "effect/Layer"
import { stage } from "../../runtime/Stage.js"
import { Acl } from "../acl/Acl.js"
import { ChannelTable } from "../channels/ChannelTable.js"

export const layer = Acl.layer.pipe(
  Layer.provideMerge(ChannelTable.layer),
  stage("access control", { remedy: "nothing here can fail; report this" })
)
