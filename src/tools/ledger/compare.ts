/**
 * `ledger compare A B`: two peers' chains block by block, from their Deliver services (ours or Go's) or from folders:
 * header, validation flags, commit hash. The first block that is not the same ends it. Two peers that agree on a commit
 * hash agree on every state change up to there (ledger-privatedata.md 4.3).
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type BlockSource, type ClientSigner, DeliverEnded, forever, peerBlocks } from "../../client/index.js"
import { type ParsedBlock, parseBlock } from "../../ledger/index.js"
import { loadLocalMsp } from "../../msp/index.js"
import { type Channel, type ClientTls, connect } from "../../transport/index.js"
import { common, protos } from "../../wire/index.js"
import { equalBytes, toHex } from "../../wire/protoutil.js"
import type { ToolIo } from "../ToolIo.js"
import { openWhere } from "./chains.js"
import { LedgerToolFailed, textOf } from "./errors.js"
import { type Progress, progressBar } from "./progress.js"
import { codesIn, commitHashIn } from "./readable.js"

export interface CompareOptions {
  /** Address `host:port` of a peer, or a folder. */
  readonly a: string
  readonly b: string
  readonly channel?: string | undefined
  readonly from?: bigint | undefined
  /** Stop behind this block; undefined with `once`: at the lower of the two heights; undefined otherwise: never. */
  readonly to?: bigint | undefined
  readonly once?: boolean | undefined
  /** Who asks: a folder and id of an MSP with a signing identity that may read the channel. */
  readonly mspDir?: string | undefined
  readonly mspId?: string | undefined
  /** PEM files; given: TLS to both. */
  readonly tlsCa?: ReadonlyArray<string> | undefined
  readonly tlsCert?: string | undefined
  readonly tlsKey?: string | undefined
  /** The name in both servers' certificates, where it is not the address's host. */
  readonly tlsName?: string | undefined
}

export interface Compared {
  /** Blocks that are the same. */
  readonly blocks: bigint
  /** The first block that is not. */
  readonly difference: { readonly block: bigint; readonly what: ReadonlyArray<string> } | undefined
}

// ---- Two blocks --------------------------------------------------------------------------------------------------

const hexOr = (bytes: Uint8Array | undefined): string => (bytes === undefined ? "none" : toHex(bytes))
const codeName = (code: number | undefined): string =>
  code === undefined ? "none" : (protos.TxValidationCodeInfo.nameOf(code) ?? String(code))

/** What is not the same in two blocks of one number. Pure. */
export const blockDifferences = (a: ParsedBlock, b: ParsedBlock): ReadonlyArray<string> => {
  const what: Array<string> = []
  const differ = (name: string, x: Uint8Array | undefined, y: Uint8Array | undefined) => {
    if (hexOr(x) !== hexOr(y)) what.push(`${name}: A has ${hexOr(x)}, B has ${hexOr(y)}`)
  }
  if (a.number !== b.number) what.push(`number: A has ${a.number}, B has ${b.number}`)
  differ("previous hash", a.previousHash, b.previousHash)
  differ("data hash", a.dataHash, b.dataHash)
  const same =
    a.envelopes.length === b.envelopes.length &&
    a.envelopes.every((e, i) => equalBytes(e, b.envelopes[i] ?? e.subarray(1)))
  if (!same) what.push("data: the transactions are not the same bytes")
  const [codesA, codesB] = [codesIn(a), codesIn(b)]
  for (let tx = 0; tx < Math.max(a.envelopes.length, b.envelopes.length); tx++)
    if (codesA?.[tx] !== codesB?.[tx])
      what.push(`flag of transaction [${tx}]: A has ${codeName(codesA?.[tx])}, B has ${codeName(codesB?.[tx])}`)
  differ("commit hash", commitHashIn(a), commitHashIn(b))
  return what
}

// ---- Sources -----------------------------------------------------------------------------------------------------

/** One side. */
interface Side {
  /** Blocks there are now. */
  readonly height: Effect.Effect<bigint, LedgerToolFailed>
  /** The next block, waiting for it; undefined where none can come any more (folders). */
  readonly next: Effect.Effect<ParsedBlock | undefined, LedgerToolFailed>
}

const refuse = (reason: string, remedy = "") => new LedgerToolFailed({ reason, remedy })
const failed = (cause: unknown) => (cause instanceof LedgerToolFailed ? cause : refuse(textOf(cause)))

const folderSide = (io: ToolIo, folder: string, channel: string | undefined, from: bigint) =>
  Effect.gen(function* () {
    const chain = yield* openWhere(io, { ledger: folder, channel })
    if (chain.root.owner === "orderer")
      return yield* refuse(`${folder} is an orderer's`, "flags and commit hashes are what peers add: compare peers")
    const blocks = chain.read(from)
    const side: Side = {
      height: Effect.succeed(chain.height),
      next: Effect.try({ try: () => blocks.next().value ?? undefined, catch: failed })
    }
    return side
  })

interface Asking {
  readonly channelId: string
  readonly signer: ClientSigner
  readonly tls: ClientTls | undefined
}

const withHost = (address: string, cause: unknown) => refuse(`${address}: ${textOf(cause)}`)

/** A peer that goes away is waited for: following outlives restarts. The first connection must stand. */
const peerSide = (
  io: ToolIo,
  address: string,
  { channelId, signer, tls }: Asking,
  from: bigint
): Effect.Effect<Side, LedgerToolFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const outer = yield* Effect.scope
    const dial = connect(address, tls === undefined ? {} : { tls })
    const newest = (peer: Channel) =>
      Effect.scoped(
        Effect.gen(function* () {
          const { next } = yield* peerBlocks(peer, { channelId, signer, seek: { start: "newest", stop: "newest" } })
          const bytes = yield* next
          return bytes === undefined ? 0n : parseBlock(bytes).number + 1n
        })
      )
    const first = yield* Effect.scoped(Effect.flatMap(dial, newest)).pipe(
      Effect.mapError((cause) => withHost(address, cause))
    )
    let stream: { readonly scope: Scope.CloseableScope; readonly blocks: BlockSource<Uint8Array> } | undefined
    let number = from
    let told = false
    const open = Effect.gen(function* () {
      const scope = yield* Scope.fork(outer, ExecutionStrategy.sequential)
      return yield* Effect.flatMap(dial, (peer) =>
        peerBlocks(peer, { channelId, signer, seek: { start: number, stop: forever } })
      ).pipe(
        Scope.extend(scope),
        Effect.map((blocks) => ({ scope, blocks })),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
    })
    const once = Effect.gen(function* () {
      stream ??= yield* open
      const bytes = yield* stream.blocks.next
      if (bytes === undefined) return yield* refuse("the stream has ended")
      const block = parseBlock(bytes)
      if (block.number !== number) return yield* refuse(`block [${block.number}] came, not [${number}]`)
      number += 1n
      told = false
      return block
    })
    const next: Side["next"] = Effect.catchAllCause(once, (cause) =>
      Effect.gen(function* () {
        if (Cause.isInterruptedOnly(cause)) return yield* Effect.interrupt
        const broken = stream
        stream = undefined
        if (broken !== undefined) yield* Scope.close(broken.scope, Exit.void)
        const reason = Cause.squash(cause)
        // forbidden stays forbidden, and a wrong order is the peer's fault
        if (reason instanceof LedgerToolFailed || isFinal(reason, number > from))
          return yield* withHost(address, reason)
        if (!told) io.stderr(`${address}: ${textOf(reason)}; trying again\n`)
        told = true
        yield* Effect.sleep("1 second")
        return yield* next
      })
    )
    return { height: Effect.succeed(first), next }
  })

/** A peer that has answered before may not have opened its channels again yet. */
const isFinal = (reason: unknown, answered: boolean): boolean =>
  reason instanceof DeliverEnded &&
  (reason.status === common.Status.FORBIDDEN ||
    reason.status === common.Status.BAD_REQUEST ||
    (reason.status === common.Status.NOT_FOUND && !answered))

// ---- Who asks ----------------------------------------------------------------------------------------------------

const askingOf = (io: ToolIo, options: CompareOptions): Effect.Effect<Asking, LedgerToolFailed> =>
  Effect.gen(function* () {
    const { channel } = options
    if (channel === undefined) return yield* refuse("--channel is needed to ask a peer")
    const dir = options.mspDir ?? io.env.CORE_PEER_MSPCONFIGPATH
    const mspId = options.mspId ?? io.env.CORE_PEER_LOCALMSPID
    if (dir === undefined || dir === "" || mspId === undefined || mspId === "")
      return yield* refuse(
        "peers answer members of the channel only",
        "give --msp (a folder with a signing identity) and --msp-id, or set CORE_PEER_MSPCONFIGPATH and CORE_PEER_LOCALMSPID"
      )
    const { signer } = yield* Effect.mapError(loadLocalMsp({ dir: path.resolve(io.cwd, dir), mspId }), failed)
    const file = (name: string) =>
      Effect.try({
        try: () => fs.readFileSync(path.resolve(io.cwd, name)),
        catch: (cause) => refuse(`${name}: ${textOf(cause)}`)
      })
    const { tlsCa, tlsCert, tlsKey, tlsName } = options
    if (tlsCa === undefined || tlsCa.length === 0) return { channelId: channel, signer, tls: undefined }
    if ((tlsCert === undefined) !== (tlsKey === undefined)) return yield* refuse("--tls-cert and --tls-key go together")
    const rootCerts = yield* Effect.forEach(tlsCa, file)
    return {
      channelId: channel,
      signer,
      tls: {
        rootCerts,
        ...(tlsCert === undefined ? {} : { clientCert: yield* file(tlsCert) }),
        ...(tlsKey === undefined ? {} : { clientKey: yield* file(tlsKey) }),
        ...(tlsName === undefined ? {} : { serverNameOverride: tlsName })
      }
    }
  })

const isFolder = (io: ToolIo, name: string): boolean =>
  fs.statSync(path.resolve(io.cwd, name), { throwIfNoEntry: false })?.isDirectory() === true

// ---- The comparison ----------------------------------------------------------------------------------------------

/** Ends with the first difference, at `to`, or where a folder ends; follows until interrupted otherwise. */
export const compare = (io: ToolIo, options: CompareOptions): Effect.Effect<Compared, LedgerToolFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const from = options.from ?? 0n
      const folders = [options.a, options.b].map((name) => isFolder(io, name))
      const asking = folders.every((folder) => folder) ? undefined : yield* askingOf(io, options)
      const side = (name: string): Effect.Effect<Side, LedgerToolFailed, Scope.Scope> =>
        asking === undefined || isFolder(io, name)
          ? folderSide(io, name, options.channel, from)
          : peerSide(io, name, asking, from)
      const a = yield* side(options.a)
      const b = yield* side(options.b)
      const heights = [yield* a.height, yield* b.height] as const
      let lower = heights[0]
      if (heights[1] < lower) lower = heights[1]
      const bounded = options.once === true || folders.some((folder) => folder)
      const to = options.to ?? (bounded ? lower - 1n : undefined)
      if (bounded && heights[0] !== heights[1])
        io.stderr(`A has ${heights[0]} block(s), B has ${heights[1]}: the first ${lower} are compared\n`)
      const progress: Progress = yield* progressBar(io, "compare")
      let blocks = 0n
      const follow = Effect.gen(function* () {
        for (let number = from; to === undefined || number <= to; number++) {
          const [x, y] = yield* Effect.all([a.next, b.next], { concurrency: 2 })
          if (x === undefined || y === undefined) break
          const what = blockDifferences(x, y)
          if (what.length > 0) return { blocks, difference: { block: number, what } }
          blocks += 1n
          progress.at(number + 1n, to === undefined ? (lower > number ? lower : number + 1n) : to + 1n)
        }
        return { blocks, difference: undefined }
      })
      return yield* Effect.onInterrupt(follow, () =>
        Effect.sync(() => {
          progress.clear()
          io.stderr(`${blocks} blocks were the same so far\n`)
        })
      )
    })
  )
