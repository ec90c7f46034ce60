/** `ledger state | history`: what keys hold and held on a peer. Reads only. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isDelete, readWriteSet, txIdOf } from "../../ledger/index.js"
import type { Storage } from "../../ledger/maintenance/index.js"
import { common, kvrwset, protos } from "../../wire/index.js"
import { chaincodeActionOf, openEnvelope, sha256, toHex, utf8 } from "../../wire/protoutil.js"
import type { ToolIo } from "../ToolIo.js"
import { type ChainReader, openWhere, type Where } from "./chains.js"
import { LedgerToolFailed } from "./errors.js"
import { attempt, document, type Out, row, walk } from "./listing.js"
import { progressBar } from "./progress.js"
import { codesIn } from "./readable.js"
import { bytesText, metadataText, type Readable, valueText, versionText } from "./values.js"

// ---- State and history ---------------------------------------------------------------------------------------------

const withState = <A, E>(
  io: ToolIo,
  where: Where,
  use: (chain: ChainReader, storage: Storage) => Effect.Effect<A, E, Scope.Scope>
): Effect.Effect<A, E | LedgerToolFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const chain = yield* openWhere(io, where)
      if (chain.storage === undefined)
        return yield* new LedgerToolFailed(
          chain.root.format === "go"
            ? {
                reason: "the state of a Go node is in LevelDB or CouchDB",
                remedy: "ledger import makes it anew from the blocks"
              }
            : { reason: "an orderer keeps no state", remedy: "name the folder of a peer" }
        )
      for (const note of chain.notes) io.stderr(`${note}\n`)
      return yield* use(chain, chain.storage)
    })
  )

export interface StateQuery {
  readonly namespace: string
  readonly key?: string | undefined
  readonly collection?: string | undefined
  /** For lists: from (inclusive), to (exclusive), how many. */
  readonly start?: string | undefined
  readonly end?: string | undefined
  readonly limit?: number | undefined
}

const storedMetadata = (bytes: Uint8Array | undefined): Readable | undefined =>
  bytes === undefined ? undefined : metadataText(kvrwset.KVMetadataWrite.decode(bytes).entries)

const present = (entries: { readonly [key: string]: Readable | undefined }): Readable =>
  Object.fromEntries(Object.entries(entries).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])))

/** One key, or the keys of a namespace or collection. */
export const state = (io: ToolIo, where: Where, query: StateQuery, out: Out): Effect.Effect<void, LedgerToolFailed> =>
  withState(io, where, (_chain, storage) =>
    Effect.gen(function* () {
      const snapshot = yield* Effect.acquireRelease(
        attempt(() => storage.state.snapshot()),
        (opened) => Effect.sync(() => opened.release())
      )
      const { collection, key, namespace } = query
      if (key === undefined) {
        const { end = "", limit = 100, start = "" } = query
        const entries =
          collection === undefined
            ? snapshot.entries(namespace, start, end)
            : snapshot.privateEntries(namespace, collection, start, end)
        yield* attempt(() => {
          let count = 0
          for (const { held, key: found } of entries) {
            if (count++ === limit) {
              io.stderr(`more than ${limit} keys: go on with --start ${JSON.stringify(found)} or raise --limit\n`)
              break
            }
            const value = held.value ?? new Uint8Array(0)
            const text = valueText(namespace, found, value)
            row(out, `${JSON.stringify(found)}  ${String(versionText(held.version))}  ${JSON.stringify(text)}`, {
              key: found,
              version: versionText(held.version),
              value: text
            })
          }
        })
        return
      }
      const missing = new LedgerToolFailed({
        reason: `state has no key ${JSON.stringify(key)} in ${JSON.stringify(namespace)}${collection === undefined ? "" : `, collection ${collection}`}`,
        remedy: ""
      })
      if (collection === undefined) {
        const held = yield* attempt(() => snapshot.get(namespace, key))
        if (held?.value === undefined) return yield* missing
        const value = valueText(namespace, key, held.value)
        return document(
          out,
          present({
            namespace,
            key,
            version: versionText(held.version),
            value,
            metadata: storedMetadata(held.metadata)
          })
        )
      }
      const keyHash = sha256(utf8(key))
      const hash = yield* attempt(() => snapshot.getHashed(namespace, collection, keyHash))
      const held = yield* attempt(() => snapshot.getPrivate(namespace, collection, key))
      if (hash === undefined && held === undefined) return yield* missing
      document(
        out,
        present({
          namespace,
          collection,
          key,
          keyHash: toHex(keyHash),
          valueHash: hash?.value === undefined ? null : toHex(hash.value),
          hashVersion: versionText(hash?.version),
          value: held?.value === undefined ? null : bytesText(held.value),
          version: versionText(held?.version),
          metadata: storedMetadata(hash?.metadata)
        })
      )
    })
  )

/** What a transaction wrote to a key, as the reference's history finds it. */
const writeIn = (bytes: Uint8Array, namespace: string, key: string) => {
  try {
    const opened = openEnvelope(bytes)
    if (opened?.channelHeader.type !== common.HeaderType.ENDORSER_TRANSACTION) return undefined
    const action = chaincodeActionOf(opened.payload.data)
    if (action === undefined) return undefined
    return readWriteSet(action.chaincodeAction.results)
      .find((set) => set.namespace === namespace)
      ?.public.writes.find((write) => write.key === key)
  } catch {
    return undefined
  }
}

interface Change {
  readonly text: string
  readonly data: Readable
}

const change = (
  block: bigint,
  index: number,
  bytes: Uint8Array,
  namespace: string,
  key: string
): Change | undefined => {
  const write = writeIn(bytes, namespace, key)
  if (write === undefined) return undefined
  const seconds = openEnvelope(bytes)?.channelHeader.timestamp?.seconds
  const time = seconds === undefined ? undefined : new Date(Number(seconds) * 1000).toISOString()
  const deleted = isDelete(write)
  const value = deleted ? undefined : valueText(namespace, key, write.value)
  const version = `${block}:${index}`
  const txId = txIdOf(bytes)
  return {
    text: `${version.padStart(9)}  ${time ?? ""}  ${txId}  ${deleted ? "deleted" : JSON.stringify(value)}`,
    data: present({ version, txId, time, ...(deleted ? { delete: true } : { value }) })
  }
}

/** Every value a key had, oldest first: from the index where the peer keeps one, else from the blocks. */
export const history = (
  io: ToolIo,
  where: Where,
  namespace: string,
  key: string,
  out: Out
): Effect.Effect<void, LedgerToolFailed> =>
  Effect.scoped(
    Effect.gen(function* () {
      const chain = yield* openWhere(io, where)
      if (chain.root.owner === "orderer")
        return yield* new LedgerToolFailed({
          reason: "an orderer does not know which transactions are valid",
          remedy: "name the folder of a peer"
        })
      const { storage } = chain
      let count = 0
      const found = (block: bigint, index: number, bytes: Uint8Array) => {
        const written = change(block, index, bytes, namespace, key)
        if (written === undefined) return
        count += 1
        row(out, written.text, written.data)
      }
      if (storage !== undefined && storage.history.savepoint() === chain.height - 1n)
        yield* attempt(() => {
          for (const { block, tx } of storage.history.positions(namespace, key))
            found(block, tx, storage.engine.transactionSync(block, tx).envelope)
        })
      else {
        const progress = yield* progressBar(io, `search ${chain.channelId}`)
        yield* walk(
          chain,
          {},
          (candidate) => {
            const codes = codesIn(candidate)
            candidate.envelopes.forEach((bytes, index) => {
              if (codes?.[index] !== protos.TxValidationCode.VALID) return
              progress.clear()
              found(candidate.number, index, bytes)
            })
            return true
          },
          progress
        )
      }
      if (count === 0)
        return yield* new LedgerToolFailed({
          reason: `no valid transaction has written ${JSON.stringify(key)} in ${JSON.stringify(namespace)}`,
          remedy: ""
        })
    })
  )
