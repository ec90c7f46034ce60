/**
 * `ledger verify`: everything that a ledger says about itself, from its first block: the chain and its signatures, the
 * flags and commit hashes by a replay from scratch, state and history against that replay, indexes, private data against
 * its hashes. Works on our folders and, as far as block files go, on a Go node's.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ParsedBlock } from "../../ledger/index.js"
import {
  differences,
  indexFaults,
  openReplay,
  privateDataFaults,
  privateStateFaults,
  type Replay
} from "../../ledger/maintenance/index.js"
import { breathe } from "../../runtime/breathe.js"
import { protos } from "../../wire/index.js"
import { equalBytes, toHex } from "../../wire/protoutil.js"
import type { ToolIo } from "../ToolIo.js"
import { ChainCheck } from "./ChainCheck.js"
import { type ChainReader, holdFolder, openChain, rootOf } from "./chains.js"
import { LedgerToolFailed, textOf } from "./errors.js"
import type { LedgerRoot, Owner } from "./folders.js"
import { type Progress, progressBar } from "./progress.js"
import { codesIn, commitHashIn } from "./readable.js"
import { makeRevalidate } from "./revalidate.js"
import { printable } from "./values.js"

const { MVCC_READ_CONFLICT, PHANTOM_READ_CONFLICT, VALID } = protos.TxValidationCode

/** Final flags with those that the rules of state set taken back: what validation handed to the commit. */
export const decidedBefore = (codes: Uint8Array): Uint8Array =>
  codes.map((code) => (code === MVCC_READ_CONFLICT || code === PHANTOM_READ_CONFLICT ? VALID : code))

/** How the outcome of a replay differs from what a block says; empty when it does not. */
export const replayFaults = (
  block: ParsedBlock,
  replayed: { readonly codes: Uint8Array; readonly commitHash: Uint8Array },
  hashRequired: boolean
): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const codes = codesIn(block) ?? new Uint8Array(0)
  replayed.codes.forEach((code, tx) => {
    const stored = codes[tx] ?? 0
    if (stored === code) return
    const name = (of: number) => protos.TxValidationCodeInfo.nameOf(of) ?? String(of)
    faults.push(`transaction [${tx}] is flagged ${name(stored)}; by the rules it is ${name(code)}`)
  })
  if (block.number === 0n) return faults
  const stored = commitHashIn(block)
  const expected = toHex(replayed.commitHash)
  if (stored === undefined && hashRequired) faults.push(`it has no commit hash; from scratch it is [${expected}]`)
  if (stored !== undefined && !equalBytes(stored, replayed.commitHash))
    faults.push(`its commit hash is [${toHex(stored)}]; from scratch it is [${expected}]`)
  return faults
}

/** Scratch space that is gone with the scope. */
export const scratchFolder = (below: string): Effect.Effect<string, LedgerToolFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => fs.mkdtempSync(path.join(below, "ledger-replay-")),
      catch: (cause) =>
        new LedgerToolFailed({
          reason: `cannot make scratch space: ${textOf(cause)}`,
          remedy: "name a folder with --scratch"
        })
    }),
    (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
  )

/** What was found; lines are said as they come, up to a limit. */
class Findings {
  count = 0
  constructor(
    private readonly say: (line: string) => void,
    private readonly limit: number
  ) {}
  add(lines: Iterable<string>, where: string): void {
    for (const line of lines) {
      this.count += 1
      if (this.count <= this.limit) this.say(printable(`${where}: ${line}`))
      else if (this.count === this.limit + 1) this.say("more findings are counted, not shown")
    }
  }
}

/** Runs a generator of lines to its end and lets others run in between. */
const each = (lines: Generator<string | undefined, void>, take: (line: string) => void) =>
  Effect.gen(function* () {
    let breathed = performance.now()
    for (;;) {
      const step = yield* Effect.try({
        try: () => lines.next(),
        catch: (cause) => new LedgerToolFailed({ reason: textOf(cause), remedy: "" })
      })
      if (step.done === true) return
      if (step.value !== undefined) take(step.value)
      if (performance.now() - breathed > 10) {
        yield* breathe
        breathed = performance.now()
      }
    }
  })

/** For the moment at which the replay has come as far as the stored state. */
function* stateFindings(chain: ChainReader, replay: Replay): Generator<string | undefined, void> {
  const { storage } = chain
  if (storage === undefined) return
  const history = storage.history.savepoint() === storage.state.savepoint()
  for (const found of differences(storage, replay.storage, history))
    yield found === undefined
      ? undefined
      : `${found.what} ${found.key}: stored is ${found.stored}; from scratch it is ${found.replayed}`
  yield* privateStateFaults(storage)
}

export interface VerifyOptions {
  readonly ledger: string
  readonly channel?: string | undefined
  readonly scratch?: string | undefined
  /** Give the verdict on every transaction anew: endorsements and policies too. */
  readonly transactions?: boolean | undefined
}

export interface VerifyResult {
  readonly channel: string
  readonly blocks: number
  readonly transactions: number
  readonly findings: number
  /** What was held against what. */
  readonly checked: ReadonlyArray<string>
}

/** The verdicts of validation: those that the block carries, or given anew. */
type Verdicts = (block: ParsedBlock) => Effect.Effect<Uint8Array, LedgerToolFailed>
const carried: Verdicts = (block) => Effect.succeed(decidedBefore(codesIn(block) ?? new Uint8Array(0)))

/** One channel. The folder is held by the caller. */
const verifyChain = (
  chain: ChainReader,
  owner: Owner,
  options: { readonly scratch: string; readonly transactions: boolean },
  progress: Progress,
  findings: Findings
): Effect.Effect<VerifyResult, LedgerToolFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { channelId, height, storage } = chain
    const before = findings.count
    const check = new ChainCheck(channelId, owner)
    const folder = yield* scratchFolder(options.scratch)
    let replay: Replay | undefined =
      owner === "peer"
        ? yield* Effect.mapError(
            openReplay(channelId, folder, storage?.state.database),
            ({ message: reason }) => new LedgerToolFailed({ reason, remedy: "" })
          )
        : undefined
    let verdicts = carried
    let transactions = 0
    let compared: bigint | undefined
    /** Go peers began to write commit hashes with 1.4: a chain without any is as it should be. */
    let hashed = storage !== undefined

    const replayed = (held: Replay, block: ParsedBlock): Effect.Effect<ReadonlyArray<string>> =>
      Effect.gen(function* () {
        // block 0 counts as valid as a whole
        const codes = block.number === 0n ? new Uint8Array(block.envelopes.length) : yield* verdicts(block)
        return yield* Effect.try(() => replayFaults(block, held.apply(block, codes), hashed))
      }).pipe(Effect.catchAll((cause) => Effect.succeed([textOf("error" in cause ? cause.error : cause)])))

    const one = (block: ParsedBlock): Effect.Effect<void, LedgerToolFailed, Scope.Scope> =>
      Effect.gen(function* () {
        const where = `${channelId} block [${block.number}]`
        transactions += block.envelopes.length
        findings.add(check.block(block), where)
        if (storage !== undefined) {
          findings.add(indexFaults(storage, block), where)
          findings.add(privateDataFaults(storage, block), where)
        }
        if (commitHashIn(block) !== undefined) hashed = true
        if (replay === undefined) return
        const faults = yield* replayed(replay, block)
        findings.add(faults, where)
        if (faults.length > 0) {
          findings.add(
            ["state from here on differs: commit hashes, state and history are not looked at further"],
            where
          )
          replay = undefined
          return
        }
        // a node that was killed in mid-commit has state that ends before its blocks do
        if (block.number === storage?.state.savepoint()) {
          yield* each(stateFindings(chain, replay), (line) => findings.add([line], channelId))
          compared = block.number
        }
        if (block.number === 0n && options.transactions && check.current !== undefined)
          verdicts = yield* makeRevalidate(channelId, check.current, replay)
      })

    const blocks = chain.read(0n)
    let breathed = performance.now()
    let damage: string | undefined
    let done = 0n
    while (damage === undefined) {
      const step = yield* Effect.try({ try: () => blocks.next(), catch: textOf }).pipe(
        Effect.catchAll((text) => {
          damage = text
          return Effect.succeed({ done: true as const, value: undefined })
        })
      )
      if (step.done === true) break
      yield* one(step.value)
      done += 1n
      progress.at(done, height)
      if (performance.now() - breathed > 10) {
        yield* breathe
        breathed = performance.now()
      }
    }
    if (damage !== undefined) findings.add([damage, "the blocks from here on cannot be looked at"], channelId)
    return {
      channel: channelId,
      blocks: Number(done),
      transactions,
      findings: findings.count - before,
      checked: [
        "hash chain, data hashes, signatures",
        ...(owner === "peer" ? ["flags, commit hashes from scratch"] : []),
        ...(owner === "peer" && options.transactions ? ["verdicts on all transactions"] : []),
        ...(storage !== undefined ? ["indexes, private data"] : []),
        ...(compared === undefined
          ? []
          : [`state and history${compared === height - 1n ? "" : ` of block [${compared}]`} against a replay`])
      ]
    }
  })

/** All channels of a folder, or one of them. `say` gets each finding. */
export const verify = (
  io: ToolIo,
  options: VerifyOptions,
  say: (line: string) => void
): Effect.Effect<ReadonlyArray<VerifyResult>, LedgerToolFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const root = yield* rootOf(io, options.ledger)
      yield* holdFolder(root)
      const results: Array<VerifyResult> = []
      for (const place of yield* placesOf(root, options.channel)) {
        const result = yield* Effect.scoped(
          Effect.gen(function* () {
            const progress = yield* progressBar(io, `verify ${place.id}`)
            const print = (line: string) => {
              progress.clear()
              say(line)
            }
            const chain = yield* openChain(root, place)
            for (const note of chain.notes) print(`${place.id}: ${note}`)
            const scratch = options.scratch === undefined ? os.tmpdir() : path.resolve(io.cwd, options.scratch)
            const how = { scratch, transactions: options.transactions === true }
            return yield* verifyChain(chain, root.owner, how, progress, new Findings(print, 50))
          })
        )
        results.push(result)
      }
      return results
    })
  )

const placesOf = (root: LedgerRoot, channel: string | undefined) => {
  const chosen = channel === undefined ? root.channels : root.channels.filter(({ id }) => id === channel)
  return chosen.length > 0
    ? Effect.succeed(chosen)
    : Effect.fail(
        new LedgerToolFailed({
          reason:
            channel === undefined ? `${root.root} holds no channel yet` : `${root.root} has no channel ${channel}`,
          remedy: root.channels.length === 0 ? "" : `it has ${root.channels.map(({ id }) => id).join(", ")}`
        })
      )
}
