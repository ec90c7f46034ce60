/**
 * `explain TXID`: why a proposal or a transaction was refused. Peers that run are asked on their operations service;
 * where none does, the cause is found again from a peer's ledger.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { askCauses, type CausesTold, type CausesUnasked, causeLines, causesForgotten } from "../../client/index.js"
import { ledgerTool } from "../../tools/ledger/index.js"
import type { ToolIo } from "../../tools/ToolIo.js"
import { NetworkRefused } from "../errors.js"
import * as layout from "../layout.js"
import { folderOf, type Place, requireState, specOf } from "./commands.js"
import { type Output, say } from "./output.js"

interface Told extends CausesTold {
  readonly host: string
}

/** Nothing where the peer knows nothing; fails where it cannot be asked. */
const ask = (host: string, port: number, txId: string): Effect.Effect<ReadonlyArray<Told>, CausesUnasked> =>
  Effect.map(askCauses({ address: `127.0.0.1:${port}`, txId }), (told) =>
    told === undefined ? [] : [{ host, ...told }]
  )

const linesOf = (told: Told): ReadonlyArray<string> => [`${told.host}:`, ...causeLines(told).map((line) => `  ${line}`)]

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
      first !== undefined && told.every(causesForgotten)
        ? [`the causes are gone with a restart; with the network down: ledger explain ${txId} --ledger ${first.ledger}`]
        : []
    for (const one of told)
      yield* say(output, linesOf(one).join("\n"), { event: "explain", peer: one.host, answer: one.body })
    for (const line of advice) yield* say(output, line, { event: "advice", text: line })
    return 0
  })
