/** The recorded channel's first block for channels of other names. Not a test. */
import { common } from "../../../src/wire/index.js"
import { EMPTY, newBlock } from "../../../src/wire/protoutil.js"
import { genesisBlock } from "../support.js"

export const renamedGenesis = (channelId: string): Uint8Array => {
  const block = common.Block.decode(genesisBlock())
  const envelope = common.Envelope.decode(block.data?.data[0] ?? new Uint8Array())
  const payload = common.Payload.decode(envelope.payload)
  const header = common.ChannelHeader.decode(payload.header?.channelHeader ?? new Uint8Array())
  const renamed = common.Envelope.encode({
    ...envelope,
    payload: common.Payload.encode({
      ...payload,
      header: {
        signatureHeader: payload.header?.signatureHeader ?? new Uint8Array(),
        channelHeader: common.ChannelHeader.encode({ ...header, channelId })
      }
    })
  })
  return common.Block.encode(newBlock(0n, EMPTY, [renamed]))
}
