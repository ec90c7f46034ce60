import * as Effect from "effect/Effect"
import { beforeAll, beforeEach, describe, expect, test } from "vitest"
import type { BlockReader } from "../../../src/ledger/blockstore/BlockStore.js"
import { makeMemory } from "../../../src/ledger/blockstore/memory.js"
import type { Signer } from "../../../src/msp/index.js"
import { AclChecker } from "../../../src/peer/acl/AclChecker.js"
import { PolicyChecker } from "../../../src/peer/acl/PolicyChecker.js"
import { makeCscc } from "../../../src/peer/scc/cscc/Cscc.js"
import { readJoinBlock } from "../../../src/peer/scc/cscc/configBlock.js"
import { makeQscc } from "../../../src/peer/scc/qscc/Qscc.js"
import type { SystemChaincodeCode } from "../../../src/peer/scc/stub.js"
import { common, protos } from "../../../src/wire/index.js"
import { blockHeaderHash } from "../../../src/wire/protoutil.js"
import { blockName, bytesOf, firstBundle, genesisBlock, mspOf, nodeFolder, person } from "../support.js"
import { call, textOf } from "./support.js"

const bundle = firstBundle()
const bundleOf = (channel: string) => (channel === "mychannel" ? bundle : undefined)
const joined: Array<string> = []
let cscc: SystemChaincodeCode
let qscc: SystemChaincodeCode
let blocks: BlockReader
let admin: Signer
let user: Signer
let stranger: Signer

beforeAll(async () => {
  const { msp } = await mspOf("Org1MSP", `${nodeFolder("Org1MSP", "peer0")}/msp`)
  admin = await person("Org1MSP", "Admin")
  user = await person("Org1MSP", "User1")
  stranger = await person("OrdererMSP", "Admin")
  const acl = new AclChecker(bundleOf, new PolicyChecker(bundleOf, msp))
  cscc = makeCscc({
    acl,
    bundleOf,
    configBlock: (channel) => Effect.succeed(channel === "mychannel" ? genesisBlock() : undefined),
    channels: () => ["mychannel", "second"],
    join: ({ channelId }) =>
      joined.includes(channelId)
        ? Effect.fail({ message: "cannot create ledger from genesis block: LedgerID already exists" })
        : Effect.sync(() => void joined.push(channelId))
  })
  const memory = makeMemory("mychannel", { indexed: true })
  for (let i = 0; i < 6; i++) await Effect.runPromise(memory.append(bytesOf(`blocks/${blockName(i)}`)))
  blocks = memory
  qscc = makeQscc({ acl, blocksOf: (channel) => (channel === "mychannel" ? blocks : undefined) })
})
beforeEach(() => void joined.splice(0))

describe("cscc JoinChain", () => {
  const join = (block: Uint8Array, signer: Signer = admin) =>
    call(cscc, ["JoinChain", block], { signer, channelId: "" })
  test("joins once", async () => {
    expect(await join(genesisBlock())).toEqual({ payload: new Uint8Array(), events: [] })
    expect(joined).toEqual(["mychannel"])
    expect((await join(genesisBlock())).refused).toBe(
      "cannot create ledger from genesis block: LedgerID already exists"
    )
  })
  test("fills the filter of an orderer's block, and leaves a peer's block alone", () => {
    const plain = readJoinBlock(bytesOf(`orderer/blocks/${blockName(0)}`))
    if (plain._tag === "Left") return expect.fail(plain.left)
    expect(plain.right.channelId).toBe("mychannel")
    expect([...(plain.right.block.metadata?.metadata[2] ?? [])]).toEqual([0])
    expect(common.Block.decode(plain.right.bytes).metadata?.metadata[2]).toHaveLength(1)
    const known = readJoinBlock(genesisBlock())
    if (known._tag === "Left") return expect.fail(known.left)
    expect(Buffer.from(known.right.bytes).equals(genesisBlock())).toBe(true)
  })
  test("is for admins of the peer's organization, after the block was looked at", async () => {
    expect((await join(genesisBlock(), user)).refused).toMatch(
      /^access denied for \[JoinChain\]\[mychannel\]: \[Failed verifying that proposal's creator satisfies/
    )
    expect((await join(Uint8Array.of(0xff), user)).refused).toMatch(/^Failed to reconstruct the genesis block, error/)
  })
  test.each([
    ["garbage", Uint8Array.of(0xff), /^Failed to reconstruct the genesis block, error unmarshaling block: /],
    [
      "an empty block",
      new Uint8Array(),
      /^"JoinChain" request failed to extract channel id from the block due to \[failed to retrieve channel id - block is empty\]$/
    ],
    [
      "a system channel's block",
      bytesOf("genesis.block"),
      /^"JoinChain" for chainID = sys failed because of validation of configuration block, because of Invalid configuration block, missing Application configuration group$/
    ],
    [
      "a block of transactions",
      bytesOf(`blocks/${blockName(5)}`),
      /^"JoinChain" for chainID = mychannel failed because of validation of configuration block, because of Bad configuration envelope: invalid type ENDORSER_TRANSACTION, expected CONFIG$/
    ]
  ])("%s", async (_, block, refused) => {
    expect((await join(block)).refused).toMatch(refused)
    expect(joined).toEqual([])
  })
  test("a block without metadata", () => {
    const { metadata: _, ...rest } = common.Block.decode(genesisBlock())
    const read = readJoinBlock(common.Block.encode(rest))
    expect(read._tag === "Left" ? read.left : "").toMatch(/the block has no header or no metadata$/)
  })
})

describe("cscc", () => {
  const ask = (args: ReadonlyArray<string | Uint8Array>, signer: Signer = user) =>
    call(cscc, args, { signer, channelId: "" })
  test.each([
    [[], "Incorrect number of arguments, 0"],
    [["JoinChain"], "Incorrect number of arguments, 1"],
    [["Nonsense"], "Incorrect number of arguments, 1"],
    [["Nonsense", "mychannel"], "Requested function Nonsense not found."]
  ])("%j", async (args, refused) => {
    expect((await ask(args)).refused).toBe(refused)
  })
  test("channels, for members", async () => {
    const { channels } = protos.ChannelQueryResponse.decode((await ask(["GetChannels"])).payload ?? new Uint8Array())
    expect(channels.map(({ channelId }) => channelId)).toEqual(["mychannel", "second"])
    expect((await ask(["GetChannels"], stranger)).refused).toMatch(/^access denied for \[GetChannels\]: Failed deser/)
  })
  test("configuration, for readers of the channel", async () => {
    expect(Buffer.from((await ask(["GetConfigBlock", "mychannel"])).payload ?? []).equals(genesisBlock())).toBe(true)
    const tree = protos.ConfigTree.decode((await ask(["GetConfigTree", "mychannel"])).payload ?? new Uint8Array())
    expect(tree.channelConfig?.sequence).toBe(bundle.sequence)
    expect((await ask(["GetConfigBlock", "mychannel"], stranger)).refused).toMatch(
      /^access denied for \[GetConfigBlock\]\[mychannel\]: Failed evaluating policy/
    )
    expect((await ask(["GetConfigBlock", "other"])).refused).toBe(
      "access denied for [GetConfigBlock][other]: Failed to get policy manager for channel [other]"
    )
  })
  test("simulated updates", async () => {
    expect((await ask(["SimulateConfigTreeUpdate", "mychannel"])).refused).toBe("Config delta bytes must not be nil")
    const [entry] = common.Block.decode(genesisBlock()).data?.data ?? []
    expect((await ask(["SimulateConfigTreeUpdate", "mychannel", entry ?? ""])).refused).toBe(
      "invalid payload header type: 1"
    )
    const update = bytesOf("anchors1.tx")
    expect((await ask(["SimulateConfigTreeUpdate", "mychannel", update])).refused).toMatch(
      /^error authorizing update: /
    )
  })
})

describe("qscc", () => {
  const ask = (args: ReadonlyArray<string | Uint8Array>, signer: Signer = user) => call(qscc, args, { signer })
  const block = (number: number) => bytesOf(`blocks/${blockName(number)}`)
  const headerOf = (number: number) => common.Block.decode(block(number)).header ?? expect.fail("no header")
  test.each([
    [["GetChainInfo"], "Incorrect number of arguments, 1"],
    [["GetBlockByNumber", "mychannel"], "missing 3rd argument for GetBlockByNumber"],
    [["GetChainInfo", "other"], "Invalid chain ID, other"],
    [["Nonsense", "mychannel", "x"], "access denied for [Nonsense][mychannel]: [Unmapped policy for qscc/Nonsense]"],
    [
      ["GetBlockByNumber", "mychannel", "x"],
      'Failed to parse block number with error strconv.ParseUint: parsing "x": invalid syntax'
    ],
    [
      ["GetBlockByNumber", "mychannel", "18446744073709551616"],
      'Failed to parse block number with error strconv.ParseUint: parsing "18446744073709551616": value out of range'
    ],
    [
      ["GetBlockByNumber", "mychannel", Uint8Array.of(0x61, 0xff)],
      'Failed to parse block number with error strconv.ParseUint: parsing "a\\xff": invalid syntax'
    ],
    [["GetBlockByNumber", "mychannel", "77"], "Failed to get block number 77, error Entry not found in index"],
    [["GetBlockByHash", "mychannel", "abc"], "Failed to get block hash abc, error Entry not found in index"],
    [
      ["GetTransactionByID", "mychannel", "abc"],
      "Failed to get transaction with id abc, error Entry not found in index"
    ],
    [["GetBlockByTxID", "mychannel", "abc"], "Failed to get block for txID abc, error Entry not found in index"]
  ])("%j", async (args, refused) => {
    expect((await ask(args)).refused).toBe(refused)
  })
  test("is for readers", async () => {
    expect((await ask(["GetChainInfo", "mychannel"], stranger)).refused).toMatch(
      /^access denied for \[GetChainInfo\]\[mychannel\]: \[Failed evaluating policy on signed data/
    )
  })
  test("chain info", async () => {
    const info = common.BlockchainInfo.decode((await ask(["GetChainInfo", "mychannel"])).payload ?? new Uint8Array())
    expect(info.height).toBe(6n)
    expect(Buffer.from(info.currentBlockHash)).toEqual(Buffer.from(blockHeaderHash(headerOf(5))))
    expect(Buffer.from(info.previousBlockHash)).toEqual(Buffer.from(blockHeaderHash(headerOf(4))))
  })
  test("blocks by number, hash and transaction, as stored", async () => {
    const same = async (args: ReadonlyArray<string | Uint8Array>, number: number) =>
      expect(Buffer.from((await ask(args)).payload ?? []).equals(block(number))).toBe(true)
    await same(["GetBlockByNumber", "mychannel", "3"], 3)
    await same(["GetBlockByNumber", "mychannel", "18446744073709551615"], 5)
    await same(["GetBlockByHash", "mychannel", blockHeaderHash(headerOf(2))], 2)
    const envelope = common.Envelope.decode(common.Block.decode(block(5)).data?.data[0] ?? new Uint8Array())
    const { header } = common.Payload.decode(envelope.payload)
    const { txId } = common.ChannelHeader.decode(header?.channelHeader ?? new Uint8Array())
    await same(["GetBlockByTxID", "mychannel", txId], 5)
    const { payload } = await ask(["GetTransactionByID", "mychannel", txId])
    const found = protos.ProcessedTransaction.decode(payload ?? new Uint8Array())
    expect(textOf(found.transactionEnvelope?.payload)).toBe(textOf(envelope.payload))
    expect(found.validationCode).toBe(0)
  })
})
