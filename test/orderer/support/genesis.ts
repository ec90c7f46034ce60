/** Genesis blocks made of a recorded one. Not a test. */
import * as fs from "node:fs"
import * as path from "node:path"
import { common } from "../../../src/wire/index.js"
import { newBlock } from "../../../src/wire/protoutil.js"
import { chainA } from "./node.js"
import { build, type Draft, draftOf } from "./updates.js"

/** A recorded genesis block with another configuration, and another name of its channel if so. */
export const genesisWith = (change: (root: Draft) => void, channelId?: string, file = "genesis.block"): Uint8Array => {
  const block = common.Block.decode(fs.readFileSync(path.join(chainA, file)))
  const envelope = common.Envelope.decode(block.data?.data[0] ?? new Uint8Array())
  const payload = common.Payload.decode(envelope.payload)
  const header = common.ChannelHeader.decode(payload.header?.channelHeader ?? new Uint8Array())
  const { config } = common.ConfigEnvelope.decode(payload.data)
  const draft = draftOf(config?.channelGroup ?? common.ConfigGroup.create())
  change(draft)
  const channelHeader = common.ChannelHeader.encode({ ...header, channelId: channelId ?? header.channelId })
  const made = common.Envelope.encode({
    ...envelope,
    payload: common.Payload.encode({
      header: { channelHeader, signatureHeader: payload.header?.signatureHeader ?? new Uint8Array() },
      data: common.ConfigEnvelope.encode({ config: { sequence: 0n, channelGroup: build(draft) } })
    })
  })
  const first = newBlock(0n, new Uint8Array(), [made])
  return common.Block.encode({ ...first, metadata: block.metadata })
}
