/** `ledger channels | blocks | block | transactions | tx`: what a ledger's blocks hold, readable. Reads only. */
import * as Effect from "effect/Effect"
import { type ParsedBlock, txIdOf } from "../../ledger/index.js"
import { common, protos } from "../../wire/index.js"
import { chaincodeActionOf, openEnvelope } from "../../wire/protoutil.js"
import type { ToolIo } from "../ToolIo.js"
import { holdFolder, openChain, openWhere, rootOf, type Where } from "./chains.js"
import { LedgerToolFailed } from "./errors.js"
import { attempt, document, type Out, type Range, row, walk } from "./listing.js"
import { progressBar } from "./progress.js"
import { blockText, codesIn, summaryOf, transactionText } from "./readable.js"
import type { Readable } from "./values.js"

// ---- Channels and blocks -----------------------------------------------------------------------------------------

export const channels = (io: ToolIo, ledger: string, out: Out): Effect.Effect<void, LedgerToolFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const root = yield* rootOf(io, ledger)
      yield* holdFolder(root)
      for (const place of root.channels) {
        const chain = yield* Effect.scoped(openChain(root, place))
        row(out, `${place.id}  ${chain.height} block(s)`, { channel: place.id, height: Number(chain.height) })
        for (const note of chain.notes) io.stderr(`${place.id}: ${note}\n`)
      }
    })
  )

const blockLine = (block: ParsedBlock): { readonly text: string; readonly data: Readable } => {
  const { commitHash, config, hash, invalid, number, time, transactions } = summaryOf(block)
  const bad = invalid === undefined || invalid === 0 ? "" : `, ${invalid} invalid`
  const text = [
    String(number).padStart(7),
    (time ?? "").padEnd(24),
    `${transactions} tx${bad}${config ? ", config" : ""}`.padEnd(22),
    hash.slice(0, 16),
    commitHash === undefined ? "" : `commit ${commitHash.slice(0, 16)}`
  ].join("  ")
  return {
    text: text.trimEnd(),
    data: {
      number: Number(number),
      time: time ?? null,
      transactions,
      invalid: invalid ?? null,
      config,
      hash,
      commitHash: commitHash ?? null
    }
  }
}

export const blocks = (io: ToolIo, where: Where, range: Range, out: Out): Effect.Effect<void, LedgerToolFailed> =>
  Effect.scoped(
    Effect.flatMap(openWhere(io, where), (chain) =>
      walk(chain, range, (block) => {
        const { data, text } = blockLine(block)
        row(out, text, data)
        return true
      })
    )
  )

export const block = (io: ToolIo, where: Where, number: bigint, out: Out): Effect.Effect<void, LedgerToolFailed> =>
  Effect.scoped(
    Effect.flatMap(openWhere(io, where), (chain) =>
      walk(chain, { from: number, to: number }, (found) => {
        document(out, blockText(found))
        return true
      })
    )
  )

// ---- Transactions --------------------------------------------------------------------------------------------------

export interface TransactionFilter extends Range {
  readonly chaincode?: string | undefined
  readonly invalidOnly?: boolean | undefined
}

interface Headline {
  readonly txId: string
  readonly type: string
  readonly chaincode: string
}

const headlineOf = (bytes: Uint8Array): Headline => {
  try {
    const opened = openEnvelope(bytes)
    if (opened === undefined) return { txId: "", type: "malformed", chaincode: "" }
    const type = common.HeaderTypeInfo.nameOf(opened.channelHeader.type) ?? String(opened.channelHeader.type)
    return { txId: txIdOf(bytes), type, chaincode: chaincodeOf(opened.payload.data, opened.channelHeader) }
  } catch {
    return { txId: "", type: "malformed", chaincode: "" }
  }
}

/** The chaincode that was called: the header's extension names it even where the result does not. */
const chaincodeOf = (data: Uint8Array, header: common.ChannelHeader): string => {
  if (header.type !== common.HeaderType.ENDORSER_TRANSACTION) return ""
  try {
    const called = protos.ChaincodeHeaderExtension.decode(header.extension).chaincodeId?.name ?? ""
    const version = chaincodeActionOf(data)?.chaincodeAction.chaincodeId?.version
    return version === undefined || version === "" ? called : `${called}:${version}`
  } catch {
    return ""
  }
}

export const transactions = (
  io: ToolIo,
  where: Where,
  filter: TransactionFilter,
  out: Out
): Effect.Effect<void, LedgerToolFailed> =>
  Effect.scoped(
    Effect.flatMap(openWhere(io, where), (chain) =>
      walk(chain, filter, (found) => {
        const codes = codesIn(found)
        found.envelopes.forEach((bytes, index) => {
          const code = codes?.[index]
          if (filter.invalidOnly === true && (code === undefined || code === 0)) return
          const { chaincode, txId, type } = headlineOf(bytes)
          if (filter.chaincode !== undefined && chaincode.split(":")[0] !== filter.chaincode) return
          if (out.json) {
            row(out, "", transactionText(bytes, { block: found.number, index, code }))
            return
          }
          const name = code === undefined ? "" : (protos.TxValidationCodeInfo.nameOf(code) ?? String(code))
          const place = `${found.number}:${index}`
          row(out, `${place.padStart(9)}  ${txId.padEnd(64)}  ${name}  ${chaincode === "" ? type : chaincode}`, null)
        })
        return true
      })
    )
  )

export const transaction = (io: ToolIo, where: Where, txId: string, out: Out): Effect.Effect<void, LedgerToolFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const chain = yield* openWhere(io, where)
      const engine = chain.storage?.engine
      const unknown = new LedgerToolFailed({
        reason: `channel ${chain.channelId} has no transaction ${txId}`,
        remedy: ""
      })
      if (engine !== undefined) {
        const position = yield* attempt(() => engine.positionOf(txId))
        if (position === undefined) return yield* unknown
        const stored = yield* attempt(() => engine.transactionSync(position.block, position.tx))
        const at = { block: position.block, index: position.tx, code: stored.validationCode }
        return document(out, transactionText(stored.envelope, at))
      }
      // no index by id: the blocks are searched
      const progress = yield* progressBar(io, `search ${chain.channelId}`)
      let found: Readable | undefined
      yield* walk(
        chain,
        {},
        (candidate) => {
          const index = candidate.envelopes.findIndex((bytes) => txIdOf(bytes) === txId)
          const bytes = candidate.envelopes[index]
          if (bytes === undefined) return true
          found = transactionText(bytes, { block: candidate.number, index, code: codesIn(candidate)?.[index] })
          return false
        },
        progress
      )
      progress.clear()
      if (found === undefined) return yield* unknown
      document(out, found)
    })
  )
