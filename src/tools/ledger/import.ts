/**
 * `ledger import`: the blocks of a Go peer or orderer into a folder of this program. Every block is verified (chain,
 * signatures under the configuration in force, flags and commit hash by the rules of state); a peer's state and history
 * are made from them. Private data is not in the blocks: it is noted as missing, and the peer asks other members for it.
 * The Go node's folder is only read. The new folder appears when everything is in it.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { wantedOf } from "../../commit/index.js"
import {
  BlockStoreProvider,
  collectionsKey,
  kindOfFolder,
  layerFile,
  type MissingPvtData,
  makeLedgerProvider,
  type ParsedBlock,
  type PeerLedgerShape,
  staticConfigs
} from "../../ledger/index.js"
import { breathe } from "../../runtime/breathe.js"
import { common } from "../../wire/index.js"
import type { ToolIo } from "../ToolIo.js"
import { ChainCheck } from "./ChainCheck.js"
import { type ChainReader, holdFolder, openChain, rootOf } from "./chains.js"
import { LedgerToolFailed, textOf } from "./errors.js"
import type { LedgerRoot } from "./folders.js"
import { membershipOf } from "./membership.js"
import { type Progress, progressBar } from "./progress.js"
import { codesIn, commitHashIn } from "./readable.js"
import { decidedBefore, replayFaults } from "./verify.js"

export interface ImportOptions {
  /** The Go node's folder. */
  readonly from: string
  /** The value that the node will have: `peer.fileSystemPath`, or the orderer's `FileLedger.Location`. */
  readonly to: string
  /** The peer's `localMspId`: decides which private data it is a member for. */
  readonly mspId?: string | undefined
  /** Keep a history index (default: yes). */
  readonly history?: boolean | undefined
}

export interface ImportedChannel {
  readonly channel: string
  readonly blocks: bigint
  readonly transactions: number
  readonly commitHash: Uint8Array | undefined
  /** Private data that this peer is a member for and does not have, newest block first. */
  readonly missing: ReadonlyArray<{
    readonly block: bigint
    readonly namespace: string
    readonly collection: string
    readonly transactions: ReadonlyArray<number>
  }>
  readonly warnings: ReadonlyArray<string>
}

export interface ImportResult {
  readonly owner: LedgerRoot["owner"]
  readonly target: string
  readonly channels: ReadonlyArray<ImportedChannel>
  /** Packages of installed chaincode that came along. */
  readonly chaincodes: number
}

const refuse = (reason: string, remedy = "") => new LedgerToolFailed({ reason, remedy })
const failed = (cause: unknown): LedgerToolFailed => (cause instanceof LedgerToolFailed ? cause : refuse(textOf(cause)))

/** Missing private data is listed up to this many blocks. */
const listed = 1000

// ---- Target ------------------------------------------------------------------------------------------------------

/** Where the ledgers go: below `fileSystemPath` for a peer, unless that folder itself is named. */
const targetOf = (owner: LedgerRoot["owner"], to: string): string =>
  owner === "peer" && path.basename(to) !== "ledgersData" ? path.join(to, "ledgersData") : to

const stagingOf = (target: string): string => `${target}.importing`

const isEmpty = (dir: string): boolean => !fs.existsSync(dir) || fs.readdirSync(dir).length === 0

interface Staging {
  readonly folder: string
  /** The outermost folder that had to be made for it. */
  readonly made: string | undefined
}

/** Nothing stays of an import that failed. */
const discard = ({ folder, made }: Staging): void => {
  fs.rmSync(folder, { recursive: true, force: true })
  if (made === undefined) return
  for (let dir = path.dirname(folder); dir.startsWith(made) && isEmpty(dir); dir = path.dirname(dir))
    fs.rmSync(dir, { recursive: true, force: true })
}

/** A folder to work in, beside the target and on the same disk; what an earlier import left half done goes. */
const prepareTarget = (target: string): Effect.Effect<Staging, LedgerToolFailed> =>
  Effect.try({
    try: () => {
      if (!isEmpty(target))
        throw refuse(`${target} is not empty`, "name an empty folder; move what is there away first")
      const staging = stagingOf(target)
      if (!isEmpty(staging)) {
        if (kindOfFolder(staging) === undefined)
          throw refuse(`${staging} is in the way and was not made by an import`, "move it away")
        fs.rmSync(staging, { recursive: true })
      }
      return { folder: staging, made: fs.mkdirSync(path.dirname(target), { recursive: true }) }
    },
    catch: failed
  })

/** Makes the finished folder appear under its name, durably. */
const finish = (staging: string, target: string): Effect.Effect<void, LedgerToolFailed> =>
  Effect.try({
    try: () => {
      if (fs.existsSync(target)) fs.rmdirSync(target)
      fs.renameSync(staging, target)
      const parent = fs.openSync(path.dirname(target), "r")
      try {
        fs.fsyncSync(parent)
      } finally {
        fs.closeSync(parent)
      }
    },
    catch: failed
  })

// ---- One block after the other -----------------------------------------------------------------------------------

/** Blocks of a chain in order, each through `take`; other work runs in between. */
const eachBlock = <E, R>(
  chain: ChainReader,
  progress: Progress,
  take: (block: ParsedBlock) => Effect.Effect<void, E, R>
): Effect.Effect<void, E | LedgerToolFailed, R> =>
  Effect.gen(function* () {
    const blocks = chain.read(0n)
    let breathed = performance.now()
    for (;;) {
      const step = yield* Effect.try({ try: () => blocks.next(), catch: failed })
      if (step.done === true) return
      yield* take(step.value)
      progress.at(step.value.number + 1n, chain.height)
      if (performance.now() - breathed > 10) {
        yield* breathe
        breathed = performance.now()
      }
    }
  })

/** The chain's own checks; the first fault ends the import. */
const checked = (channel: string, check: ChainCheck, block: ParsedBlock): Effect.Effect<void, LedgerToolFailed> =>
  Effect.suspend(() => {
    const [fault] = check.block(block)
    return fault === undefined ? Effect.void : Effect.fail(atBlock(channel, block, fault))
  })

const atBlock = (channel: string, { number }: ParsedBlock, fault: string): LedgerToolFailed =>
  refuse(
    `channel ${channel}: block [${number}]: ${fault}`,
    "nothing was imported; `ledger verify --ledger <Go folder>` lists everything that is wrong"
  )

const importPeerChannel = (
  chain: ChainReader,
  create: (genesis: Uint8Array) => Effect.Effect<PeerLedgerShape, LedgerToolFailed, Scope.Scope>,
  mspId: string,
  progress: Progress
): Effect.Effect<ImportedChannel, LedgerToolFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const { channelId } = chain
    const check = new ChainCheck(channelId, "peer")
    const isMember = membershipOf(mspId)
    let ledger: PeerLedgerShape | undefined
    let transactions = 0
    /** Chains that began before 1.4 carry no commit hashes. */
    let hashed = false
    let commitHash: Uint8Array | undefined

    const missingOf = (held: PeerLedgerShape, block: ParsedBlock, codes: Uint8Array) =>
      Effect.acquireUseRelease(
        held.newQueryExecutor,
        (executor) =>
          Effect.try(() => {
            const { ineligible, wanted } = wantedOf(
              { block: common.Block.create({ data: { data: block.envelopes } }), codes },
              {
                collectionOf: (namespace, collection) =>
                  staticConfigs(executor.getState("lscc", collectionsKey(namespace))).get(collection),
                eligible: ({ memberOrgsPolicy }) => memberOrgsPolicy !== undefined && isMember(memberOrgsPolicy),
                // nobody is asked for what is missing
                memberOrgs: () => [],
                invalidToo: check.current?.application?.capabilities.storePvtDataOfInvalidTx === true
              }
            )
            const noted: ReadonlyArray<MissingPvtData> = [
              ...ineligible,
              ...wanted.map(({ collection, namespace, transaction: tx }) => ({
                tx,
                namespace,
                collection,
                isEligible: true
              }))
            ]
            return noted
          }),
        (executor) => Effect.sync(() => executor.done())
      ).pipe(Effect.mapError(failed))

    yield* eachBlock(chain, progress, (block) =>
      Effect.gen(function* () {
        yield* checked(channelId, check, block)
        transactions += block.envelopes.length
        if (ledger === undefined) {
          ledger = yield* create(block.bytes)
          return
        }
        const codes = decidedBefore(codesIn(block) ?? new Uint8Array(0))
        const missing = yield* missingOf(ledger, block, codes)
        const committed = yield* Effect.mapError(ledger.commit({ block: block.bytes, codes, missing }), failed)
        if (commitHashIn(block) !== undefined) hashed = true
        commitHash = committed.commitHash
        const outcome = { codes: committed.codes, commitHash: committed.commitHash ?? new Uint8Array(0) }
        const [fault] = replayFaults(block, outcome, hashed)
        if (fault !== undefined) return yield* atBlock(channelId, block, fault)
      })
    )
    const missing = ledger === undefined ? [] : yield* Effect.mapError(ledger.missingPvtData(listed), failed)
    return {
      channel: channelId,
      blocks: chain.height,
      transactions,
      commitHash,
      missing: missing.map(({ block, collection, namespace, txs }) => ({
        block,
        namespace,
        collection,
        transactions: txs
      })),
      warnings: [
        ...chain.notes,
        ...(new Set(missing.map(({ block }) => block)).size < listed
          ? []
          : [`private data is missing in more than ${listed} blocks: the newest are listed`]),
        ...(hashed || commitHash === undefined
          ? []
          : ["the Go peer's blocks carry no commit hashes; this peer's do, from block 1 on"])
      ]
    }
  })

const importPeer = (
  io: ToolIo,
  root: LedgerRoot,
  staging: string,
  options: ImportOptions
): Effect.Effect<ReadonlyArray<ImportedChannel>, LedgerToolFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { mspId } = options
      if (mspId === undefined)
        return yield* refuse(
          "a peer's import needs --msp-id",
          "give the peer's localMspId: it decides which private data the peer asks others for"
        )
      const provider = yield* Effect.mapError(
        makeLedgerProvider({
          root: staging,
          historyEnabled: options.history ?? true,
          isMember: () => membershipOf(mspId),
          sync: "close"
        }),
        failed
      )
      return yield* Effect.forEach(root.channels, (place) =>
        Effect.scoped(
          Effect.gen(function* () {
            const chain = yield* openChain(root, place)
            const progress = yield* progressBar(io, `import ${place.id}`)
            const create = (genesis: Uint8Array) => Effect.mapError(provider.create(genesis), failed)
            return yield* importPeerChannel(chain, create, mspId, progress)
          })
        )
      )
    })
  )

const consensusWarning = (check: ChainCheck): ReadonlyArray<string> => {
  const type = check.current?.orderer?.consensusType
  return type === undefined || type === "solo" || type === "kafka"
    ? []
    : [
        `its consensus type is ${type}, which this program's orderer does not run: the blocks can be read and served by no node yet`
      ]
}

const importOrderer = (
  io: ToolIo,
  root: LedgerRoot,
  staging: string
): Effect.Effect<ReadonlyArray<ImportedChannel>, LedgerToolFailed> =>
  Effect.gen(function* () {
    const provider = yield* BlockStoreProvider
    return yield* Effect.forEach(root.channels, (place) =>
      Effect.scoped(
        Effect.gen(function* () {
          const chain = yield* openChain(root, place)
          const progress = yield* progressBar(io, `import ${place.id}`)
          const store = yield* Effect.mapError(provider.getOrCreate(place.id), failed)
          const check = new ChainCheck(place.id, "orderer")
          let transactions = 0
          yield* eachBlock(chain, progress, (block) =>
            Effect.gen(function* () {
              yield* checked(place.id, check, block)
              transactions += block.envelopes.length
              yield* Effect.mapError(store.append(block.bytes), failed)
            })
          )
          return {
            channel: place.id,
            blocks: chain.height,
            transactions,
            commitHash: undefined,
            missing: [],
            warnings: [...chain.notes, ...consensusWarning(check)]
          }
        })
      )
    )
  }).pipe(Effect.provide(layerFile({ root: staging })), Effect.mapError(failed))

// ---- Chaincode packages ------------------------------------------------------------------------------------------

/** A peer's installed packages are the same files on both sides: copied where the new folder has none. */
const copyPackages = (root: LedgerRoot, target: string): Effect.Effect<number, LedgerToolFailed> =>
  Effect.try({
    try: () => {
      const from = path.join(path.dirname(root.root), "chaincodes")
      const to = path.join(path.dirname(target), "chaincodes")
      if (root.owner !== "peer" || path.basename(root.root) !== "ledgersData" || !fs.existsSync(from)) return 0
      const names = fs.readdirSync(from, { withFileTypes: true }).flatMap((e) => (e.isFile() ? [e.name] : []))
      fs.mkdirSync(to, { recursive: true })
      let copied = 0
      for (const name of names) {
        if (fs.existsSync(path.join(to, name))) continue
        fs.copyFileSync(path.join(from, name), path.join(to, name), fs.constants.COPYFILE_EXCL)
        copied += 1
      }
      return copied
    },
    catch: failed
  })

/** In: the Go node's folder, stopped. Out: what the new folder holds; on failure nothing new is there. */
export const importLedger = (io: ToolIo, options: ImportOptions): Effect.Effect<ImportResult, LedgerToolFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const root = yield* rootOf(io, options.from)
      if (root.format !== "go")
        return yield* refuse(`${root.root} is a folder of this program already`, "start the node on it")
      if (root.channels.length === 0) return yield* refuse(`${root.root} holds no channel`)
      yield* holdFolder(root)
      const target = targetOf(root.owner, path.resolve(io.cwd, options.to))
      const staging = yield* prepareTarget(target)
      const imported =
        root.owner === "peer" ? importPeer(io, root, staging.folder, options) : importOrderer(io, root, staging.folder)
      const channels = yield* Effect.onError(imported, () => Effect.sync(() => discard(staging)))
      yield* finish(staging.folder, target)
      const chaincodes = yield* copyPackages(root, target)
      return { owner: root.owner, target, channels, chaincodes }
    })
  )
