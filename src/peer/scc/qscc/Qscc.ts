/**
 * qscc: what a channel's ledger holds.
 * Source: chaincode.md R91, R92; core/scc/qscc/query.go.
 */
import * as Effect from "effect/Effect"
import type { BlockReader } from "../../../ledger/blockstore/BlockStore.js"
import { common, protos } from "../../../wire/index.js"
import { goQuoted, looseText } from "../../../wire/looseText.js"
import type { AclChecker } from "../../acl/AclChecker.js"
import { checkAcl } from "../access.js"
import { fail, type SystemCallFailed, type SystemChaincodeCode } from "../stub.js"

export interface QsccSupport {
  readonly acl: AclChecker
  readonly blocksOf: (channelId: string) => BlockReader | undefined
}

type Call = Effect.Effect<Uint8Array, SystemCallFailed>
type Query = (blocks: BlockReader, value: Uint8Array) => Call

const maxUint64 = 0xffff_ffff_ffff_ffffn

/** A block number as Go reads one, with Go's texts. */
const parseNumber = (text: string): bigint | string => {
  const refused = (why: string) =>
    `Failed to parse block number with error strconv.ParseUint: parsing ${goQuoted(text)}: ${why}`
  if (!/^[0-9]+$/.test(text)) return refused("invalid syntax")
  const number = BigInt(text)
  return number > maxUint64 ? refused("value out of range") : number
}

const byNumber: Query = (blocks, value) => {
  const number = parseNumber(looseText(value))
  if (typeof number === "string") return fail(number)
  return Effect.mapError(blocks.get(number), (error) =>
    fail(`Failed to get block number ${number}, error ${error.message}`)
  )
}

const byHash: Query = (blocks, value) =>
  Effect.mapError(blocks.getByHash(value), (error) =>
    fail(`Failed to get block hash ${looseText(value)}, error ${error.message}`)
  )

const byTxId: Query = (blocks, value) => {
  const txId = looseText(value)
  return Effect.mapError(blocks.getByTxId(txId), (error) =>
    fail(`Failed to get block for txID ${txId}, error ${error.message}`)
  )
}

const transaction: Query = (blocks, value) => {
  const txId = looseText(value)
  return blocks.txById(txId).pipe(
    Effect.mapError((error) => fail(`Failed to get transaction with id ${txId}, error ${error.message}`)),
    Effect.map(({ envelope, validationCode }) =>
      protos.ProcessedTransaction.encode({ transactionEnvelope: common.Envelope.decode(envelope), validationCode })
    )
  )
}

const chainInfo: Query = (blocks) =>
  Effect.sync(() => {
    const { currentBlockHash, height, previousBlockHash } = blocks.info()
    return common.BlockchainInfo.encode({
      height,
      ...(currentBlockHash === undefined ? {} : { currentBlockHash }),
      ...(previousBlockHash === undefined ? {} : { previousBlockHash })
    })
  })

const queries: ReadonlyMap<string, Query> = new Map([
  ["GetChainInfo", chainInfo],
  ["GetBlockByNumber", byNumber],
  ["GetBlockByHash", byHash],
  ["GetTransactionByID", transaction],
  ["GetBlockByTxID", byTxId]
])

export const makeQscc = (support: QsccSupport): SystemChaincodeCode => ({
  name: "qscc",
  invokableExternal: true,
  invokableCC2CC: true,
  invoke: (stub) =>
    Effect.gen(function* () {
      const [first, second, third] = stub.args
      if (first === undefined || second === undefined)
        return yield* fail(`Incorrect number of arguments, ${stub.args.length}`)
      const name = looseText(first)
      const channel = looseText(second)
      if (name !== "GetChainInfo" && third === undefined) return yield* fail(`missing 3rd argument for ${name}`)
      const blocks = support.blocksOf(channel)
      if (blocks === undefined) return yield* fail(`Invalid chain ID, ${channel}`)
      yield* checkAcl(
        support.acl,
        `qscc/${name}`,
        channel,
        stub,
        (reason) => `access denied for [${name}][${channel}]: [${reason}]`
      )
      const query = queries.get(name)
      // no resource is mapped for other names, so the check above has refused them
      if (query === undefined) return yield* fail(`Requested function ${name} not found.`)
      return yield* query(blocks, third ?? new Uint8Array())
    })
})
