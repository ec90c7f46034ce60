/**
 * The ledgers of a peer under one root: `<root>/channels/<id>` and the list of ids in `<root>/provider`. An id enters the
 * list only when its first block is in, so that a start after a crash finds a channel whole or not at all.
 * Source: ledger-privatedata.md rule 68; kvledger/kv_ledger_provider.go.
 */

import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Log from "../../runtime/Log.js"
import { common, WireError } from "../../wire/index.js"
import { compareUtf8 } from "../../wire/protoutil.js"
import { isFolderName } from "../blockstore/index.js"
import { claimFolder, refuseGoFolder } from "../format.js"
import { Batch, type Environment, limitMappedPages, lockFolder, openEnvironment, type Table } from "../lmdb/index.js"
import { ConstructionBroken, GenesisInvalid, LedgerExists, LedgerFailed, LedgerOpen, LedgerUnknown } from "./errors.js"
import { type LedgerOptions, openLedger } from "./openLedger.js"
import {
  LedgerProvider,
  type LedgerProviderError,
  type LedgerProviderShape,
  type PeerLedgerShape
} from "./PeerLedger.js"
import { channelIdOf } from "./Storage.js"

const log = Log.module("kvledger")

export interface LedgerProviderOptions extends LedgerOptions {
  /** `<peer.fileSystemPath>/ledgersData`. */
  readonly root: string
  /** Bytes of LMDB's maps that may stay in this process's memory (lmdb/mappedPages.ts); 0: all. Default 48 MiB. */
  readonly mappedMemoryLimit?: number
}

const constructionKey = Buffer.from("construction")

/** Where the list lies, and what is in it. */
export const idsFolder = (root: string): string => path.join(root, "provider")
export const channelFolder = (root: string, id: string): string => path.join(root, "channels", id)
export const idTables: ReadonlyArray<string> = ["ids", "meta"]

/** The list of ids and the flag, in an environment of their own. */
export class IdStore {
  private readonly ids: Table
  private readonly meta: Table

  constructor(private readonly environment: Environment) {
    this.ids = environment.table("ids")
    this.meta = environment.table("meta")
  }
  has(id: string): boolean {
    return this.environment.get(this.ids, Buffer.from(id)) !== undefined
  }
  list(): Array<string> {
    const snapshot = this.environment.snapshot()
    try {
      const ids: Array<string> = []
      const cursor = snapshot.range(this.ids)
      for (let entry = cursor.next(); entry !== undefined; entry = cursor.next())
        ids.push(Buffer.from(entry.key).toString())
      return ids.sort(compareUtf8)
    } finally {
      snapshot.close()
    }
  }
  underConstruction(): string | undefined {
    const bytes = this.environment.get(this.meta, constructionKey)
    return bytes === undefined ? undefined : Buffer.from(bytes).toString()
  }
  begin(id: string): void {
    const batch = new Batch()
    batch.put(this.meta, constructionKey, Buffer.from(id))
    this.environment.commit(batch)
  }
  abandon(): void {
    const batch = new Batch()
    batch.delete(this.meta, constructionKey)
    this.environment.commit(batch)
  }
  finish(id: string, genesisBlock: Uint8Array): void {
    const batch = new Batch()
    batch.put(this.ids, Buffer.from(id), genesisBlock)
    batch.delete(this.meta, constructionKey)
    this.environment.commit(batch)
  }
}

export const makeLedgerProvider = (
  options: LedgerProviderOptions
): Effect.Effect<LedgerProviderShape, LedgerProviderError, Scope.Scope> =>
  Effect.gen(function* () {
    yield* refuseGoFolder(options.root)
    yield* lockFolder(options.root)
    yield* claimFolder(options.root, "ledgers")
    const limit = options.mappedMemoryLimit ?? 48 * 2 ** 20
    if (limit > 0) yield* limitMappedPages({ folder: options.root, limit })
    const environment = yield* openEnvironment({
      path: idsFolder(options.root),
      tables: idTables,
      maxReaders: 128
    })
    const ids = new IdStore(environment)
    const inUse = new Set<string>()
    const turn = yield* Effect.makeSemaphore(1)
    const attempt = <A>(id: string, op: string, run: () => A) =>
      Effect.try({ try: run, catch: (cause) => new LedgerFailed({ channel: id, op, cause }) })

    /** Opens a ledger that nobody else has open; the handle is free again when the scope ends. */
    const openOnce = (id: string) =>
      Effect.zipRight(
        Effect.acquireRelease(
          Effect.suspend(() => {
            if (inUse.has(id)) return Effect.fail(new LedgerOpen({ id }))
            inUse.add(id)
            return Effect.void
          }),
          () => Effect.sync(() => inUse.delete(id))
        ),
        openLedger(id, channelFolder(options.root, id), options)
      )

    const provider: LedgerProviderShape = {
      list: attempt("", "list of ledgers", () => ids.list()),
      exists: (id) => attempt(id, "list of ledgers", () => ids.has(id)),
      open: (id) =>
        turn.withPermits(1)(
          Effect.gen(function* () {
            if (!(yield* attempt(id, "list of ledgers", () => ids.has(id)))) return yield* new LedgerUnknown({ id })
            return yield* openOnce(id)
          })
        ),
      create: (genesisBlock) =>
        turn.withPermits(1)(
          Effect.gen(function* () {
            const { codes, id } = yield* readGenesis(genesisBlock)
            if (yield* attempt(id, "list of ledgers", () => ids.has(id))) return yield* new LedgerExists({ id })
            yield* attempt(id, "creation", () => ids.begin(id))
            const ledger = yield* openOnce(id)
            if (ledger.height() === 0n) yield* ledger.commit({ block: genesisBlock, codes })
            yield* attempt(id, "creation", () => ids.finish(id, genesisBlock))
            return ledger
          })
        )
    }
    yield* finishConstruction(ids, openOnce)
    return provider
  })

/** A creation that a crash cut: without a block it never was; with its first block it is completed. */
const finishConstruction = <E>(
  ids: IdStore,
  open: (id: string) => Effect.Effect<PeerLedgerShape, E, Scope.Scope>
): Effect.Effect<void, E | LedgerFailed | ConstructionBroken> =>
  Effect.gen(function* () {
    const id = ids.underConstruction()
    if (id === undefined) return
    const ledger = yield* open(id)
    const height = ledger.height()
    if (height > 1n) return yield* new ConstructionBroken({ id, height })
    if (height === 0n) {
      yield* log.info(`ledger [${id}] was under construction without a block: dropped`)
      ids.abandon()
      return
    }
    const genesis = yield* Effect.mapError(
      ledger.get(0n),
      (cause) => new LedgerFailed({ channel: id, op: "creation", cause })
    )
    yield* log.info(`ledger [${id}] was under construction with its first block: completed`)
    ids.finish(id, genesis)
  }).pipe(Effect.scoped)

/** The channel of a genesis block, and flags that call all of its transactions valid. */
const readGenesis = (
  bytes: Uint8Array
): Effect.Effect<{ readonly id: string; readonly codes: Uint8Array }, GenesisInvalid> =>
  Effect.suspend(() => {
    try {
      const block = common.Block.decode(bytes)
      const id = channelIdOf(block)
      if (id === undefined || !isFolderName(id))
        return Effect.fail(new GenesisInvalid({ reason: "it names no channel" }))
      return Effect.succeed({ id, codes: new Uint8Array(block.data?.data.length ?? 0) })
    } catch (cause) {
      if (cause instanceof WireError) return Effect.fail(new GenesisInvalid({ reason: cause.message }))
      throw cause
    }
  })

/** Fails when the folder is in use, newer than this program, or a Go node's. */
export const layer = (options: LedgerProviderOptions): Layer.Layer<LedgerProvider, LedgerProviderError> =>
  Layer.scoped(LedgerProvider, makeLedgerProvider(options))
