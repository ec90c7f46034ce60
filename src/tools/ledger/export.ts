/**
 * `ledger export`: an orderer's blocks as Go's block files: the way back from this program's orderer to Go's, blocks
 * included that were ordered in between. A Go orderer makes its index from the files when it finds none. (A Go peer needs
 * no export: it takes what it missed from the orderers.)
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type { ParsedBlock } from "../../ledger/index.js"
import { breathe } from "../../runtime/breathe.js"
import type { ToolIo } from "../ToolIo.js"
import { ChainCheck } from "./ChainCheck.js"
import { type ChainReader, holdFolder, openChain, rootOf } from "./chains.js"
import { LedgerToolFailed, textOf } from "./errors.js"
import { goRecord } from "./goBlocks.js"
import { type Progress, progressBar } from "./progress.js"

export interface ExportOptions {
  readonly ledger: string
  /** Becomes the Go orderer's `FileLedger.Location`; empty or absent. */
  readonly to: string
}

export interface ExportedChannel {
  readonly channel: string
  readonly blocks: bigint
}

/** Where Go begins a new file. */
const fileSize = 64 * 1024 * 1024

const refuse = (reason: string, remedy = "") => new LedgerToolFailed({ reason, remedy })
const failed = (cause: unknown) => (cause instanceof LedgerToolFailed ? cause : refuse(textOf(cause)))

/** Appends records to Go's files; `close` puts them on disk. Plain and synchronous. */
class GoFiles {
  private file = -1
  private fd = -1
  private size = 0

  constructor(private readonly folder: string) {
    fs.mkdirSync(folder, { recursive: true })
  }
  append(record: Uint8Array): void {
    if (this.fd < 0 || this.size + record.length > fileSize) this.next()
    for (let written = 0; written < record.length; ) written += fs.writeSync(this.fd, record, written)
    this.size += record.length
  }
  close(): void {
    if (this.fd < 0) return
    fs.fsyncSync(this.fd)
    fs.closeSync(this.fd)
    this.fd = -1
  }
  private next(): void {
    this.close()
    this.file += 1
    this.size = 0
    this.fd = fs.openSync(path.join(this.folder, `blockfile_${String(this.file).padStart(6, "0")}`), "wx")
  }
}

const exportChain = (chain: ChainReader, folder: string, progress: Progress): Effect.Effect<void, LedgerToolFailed> =>
  Effect.acquireUseRelease(
    Effect.try({ try: () => new GoFiles(folder), catch: failed }),
    (files) =>
      Effect.gen(function* () {
        const check = new ChainCheck(chain.channelId, "orderer")
        const blocks = chain.read(0n)
        const one = (): ParsedBlock | undefined => {
          const step = blocks.next()
          if (step.done === true) return undefined
          const [fault] = check.block(step.value)
          if (fault !== undefined)
            throw refuse(`channel ${chain.channelId}: block [${step.value.number}]: ${fault}`, "see `ledger verify`")
          files.append(goRecord(step.value))
          return step.value
        }
        let breathed = performance.now()
        for (;;) {
          const block = yield* Effect.try({ try: one, catch: failed })
          if (block === undefined) return
          progress.at(block.number + 1n, chain.height)
          if (performance.now() - breathed > 10) {
            yield* breathe
            breathed = performance.now()
          }
        }
      }),
    (files) => Effect.sync(() => files.close())
  )

/** All channels of an orderer of ours. On failure nothing new is there. */
export const exportLedger = (
  io: ToolIo,
  options: ExportOptions
): Effect.Effect<ReadonlyArray<ExportedChannel>, LedgerToolFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const root = yield* rootOf(io, options.ledger)
      if (root.owner === "peer" || root.format === "go")
        return yield* refuse(
          `${root.root} is no folder of an orderer of this program`,
          "a Go peer needs no export: started on its old folder it takes the blocks that it missed from the orderers"
        )
      yield* holdFolder(root)
      const to = path.resolve(io.cwd, options.to)
      if (fs.existsSync(to) && fs.readdirSync(to).length > 0)
        return yield* refuse(`${to} is not empty`, "name an empty folder")
      const exported = Effect.forEach(root.channels, (place) =>
        Effect.scoped(
          Effect.gen(function* () {
            const chain = yield* openChain(root, place)
            const progress = yield* progressBar(io, `export ${place.id}`)
            yield* exportChain(chain, path.join(to, "chains", place.id), progress)
            return { channel: place.id, blocks: chain.height }
          })
        )
      )
      return yield* Effect.onError(exported, () =>
        Effect.sync(() => fs.rmSync(path.join(to, "chains"), { recursive: true, force: true }))
      )
    })
  )
