/** How commands speak: lines for people, or one JSON object a line for scripts. */
import * as Effect from "effect/Effect"
import type { protos } from "../../wire/index.js"
import { protos as messages } from "../../wire/index.js"
import type { Reporter } from "../Network.js"

export interface Output {
  readonly json: boolean
  readonly write: (line: string) => void
}

/** A result: `text` for people, `data` for scripts. */
export const say = (output: Output, text: string, data: Readonly<Record<string, unknown>>): Effect.Effect<void> =>
  Effect.sync(() => output.write(output.json ? `${JSON.stringify(data)}\n` : `${text}\n`))

/** Steps with the time that each took. */
export const reporterOf = (output: Output): Reporter => ({
  step: (what, milliseconds) =>
    say(output, `${String(milliseconds).padStart(6)} ms  ${what}`, { event: "step", step: what, milliseconds })
})

const codeName = (code: number): string => messages.TxValidationCodeInfo.nameOf(code) ?? String(code)

/** A block as it comes: number, and each transaction with its code and events. */
export const showBlock =
  (output: Output) =>
  (block: protos.FilteredBlock): Effect.Effect<void> => {
    const transactions = block.filteredTransactions.map((tx) => ({
      txId: tx.txid,
      code: codeName(tx.txValidationCode),
      events: (tx.transactionActions?.chaincodeActions ?? []).flatMap(({ chaincodeEvent: e }) =>
        e === undefined ? [] : [`${e.chaincodeId}/${e.eventName}`]
      )
    }))
    const text = transactions
      .map(
        ({ code, events, txId }) =>
          `           ${txId.slice(0, 12) || "(config)"} ${code}${events.map((e) => ` ${e}`).join("")}`
      )
      .join("\n")
    return say(output, `block ${block.number}  ${transactions.length} transaction(s)\n${text}`, {
      event: "block",
      channel: block.channelId,
      number: String(block.number),
      transactions
    })
  }
