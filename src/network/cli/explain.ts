/**
 * `explain TXID`: why a proposal or a transaction was refused. Peers that run are asked on their operations service;
 * where none does, the cause is found again from a peer's ledger.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { ledgerTool } from "../../tools/ledger/index.js"
import type { ToolIo } from "../../tools/ToolIo.js"
import { NetworkRefused } from "../errors.js"
import * as layout from "../layout.js"
import { folderOf, type Place, requireState, specOf } from "./commands.js"
import { type Output, say } from "./output.js"

/** What a peer's page /explain answers, as far as it is read here. */
const Answer = Schema.Struct({
  committed: Schema.Array(
    Schema.Struct({ channel: Schema.String, block: Schema.String, position: Schema.Number, code: Schema.String })
  ),
  refusals: Schema.Array(Schema.Struct({ lines: Schema.Array(Schema.String) }))
})
const readAnswer = Schema.decodeUnknown(Answer)

interface Told {
  readonly host: string
  readonly answer: typeof Answer.Type
  /** The whole answer, for scripts. */
  readonly body: unknown
}

const LIMIT = 5000

/** Nothing where the peer knows nothing; fails where it cannot be asked. */
const ask = (host: string, port: number, txId: string) =>
  Effect.tryPromise(async (signal) => {
    const url = `http://127.0.0.1:${port}/explain?txid=${encodeURIComponent(txId)}`
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT)]) })
    const body: unknown = response.status === 200 ? await response.json() : undefined
    return body
  }).pipe(
    Effect.flatMap((body) =>
      body === undefined
        ? Effect.succeed([])
        : Effect.map(readAnswer(body), (answer): ReadonlyArray<Told> => [{ host, answer, body }])
    )
  )

const linesOf = ({ answer: { committed, refusals }, host }: Told): ReadonlyArray<string> => [
  `${host}:`,
  ...committed.map(
    ({ block, channel, code, position }) =>
      `  in channel ${channel}: ${code}, transaction ${position} of block ${block}`
  ),
  ...refusals.flatMap(({ lines }) => lines.map((line) => `  ${line}`))
]

/** Committed and not valid, and why is not known there any more. */
const forgotten = ({ answer: { committed, refusals } }: Told): boolean =>
  refusals.length === 0 && committed.some(({ code }) => code !== "VALID")

export const explainCommand = (
  place: Place,
  txId: string,
  output: Output,
  io: ToolIo
): Effect.Effect<number, NetworkRefused> =>
  Effect.gen(function* () {
    const dir = folderOf(place)
    const state = yield* requireState(dir)
    const peers = layout.peersOf(specOf(dir, state))
    const asked = yield* Effect.forEach(
      peers,
      ({ host }) => Effect.either(ask(host, state.ports.peers[host]?.operations ?? 0, txId)),
      { concurrency: 4 }
    )
    const answered = asked.filter(Either.isRight)
    const [first] = peers
    if (answered.length === 0 && first !== undefined) {
      const json = output.json ? ["--json"] : []
      return yield* ledgerTool(["explain", txId, "--ledger", first.ledger, "--channel", state.channel, ...json], io)
    }
    const told = answered.flatMap(({ right }) => right)
    if (told.length === 0)
      return yield* new NetworkRefused({
        reason: `no peer knows transaction ${txId}`,
        remedy: "peers keep the causes of the newest refusals only, and lose them at a restart; their logs have all"
      })
    const advice =
      first !== undefined && told.every(forgotten)
        ? [`the causes are gone with a restart; with the network down: ledger explain ${txId} --ledger ${first.ledger}`]
        : []
    for (const one of told)
      yield* say(output, linesOf(one).join("\n"), { event: "explain", peer: one.host, answer: one.body })
    for (const line of advice) yield* say(output, line, { event: "advice", text: line })
    return 0
  })
