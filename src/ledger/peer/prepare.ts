/**
 * What a block does to state: final flags, updates, commit hash. Pure computation over a view of committed state; the
 * commit writes the outcome. It goes transaction by transaction, so that a caller may breathe in between.
 * Source: ledger-privatedata.md 3.F; txmgmt/validator/valimpl.
 */
import { common, protos, WireError } from "../../wire/index.js"
import { chaincodeActionOf, computeTxId, equalBytes, sha256 } from "../../wire/protoutil.js"
import { has } from "../../wire/raw.js"
import type { ParsedBlock } from "../blockstore/index.js"
import {
  applyPrivateWrites,
  applyWrites,
  type CommittedState,
  type Conflict,
  followHashVersions,
  mvccCode,
  mvccConflict,
  UpdateBatch
} from "../mvcc/index.js"
import type { TxPvtData } from "../pvtdata/index.js"
import { type NamespaceSet, type PrivateNamespaceSet, privateSets, readWriteSet } from "../rwset/index.js"
import type { TxSimulator } from "../simulator/index.js"
import { BlockRefused, PvtDataHashMismatch } from "./errors.js"
import { InvalidTx, type TxProcessors } from "./processors.js"

const Code = protos.TxValidationCode

/** A transaction as the commit saw it. */
export interface CommittedTx {
  readonly txId: string
  /** `common.HeaderType`; -1 where the envelope could not be read or was invalid before. */
  readonly type: number
  readonly code: number
  readonly chaincode: { readonly name: string; readonly version: string } | undefined
  /** The read that it was refused for here. */
  readonly conflict?: Conflict | undefined
}

export interface PreparedBlock {
  /** The block's TRANSACTIONS_FILTER. */
  readonly codes: Uint8Array
  readonly updates: UpdateBatch
  readonly txs: ReadonlyArray<CommittedTx>
  /** Read-write sets of valid endorser transactions by index: the history. */
  readonly history: ReadonlyMap<number, ReadonlyArray<NamespaceSet>>
}

export interface PrepareInput {
  readonly channel: string
  readonly block: ParsedBlock
  /** Codes so far, one a transaction; those that are not VALID stay. */
  readonly codes: Uint8Array
  readonly pvtData: TxPvtData
  readonly state: CommittedState
  /** False when flags are final (recovery): nothing is checked then, and processors are told. */
  readonly validate: boolean
  readonly processors: TxProcessors
  /** A simulator on the same committed state; released by the preparation. */
  readonly newSimulator: (txId: string) => TxSimulator
  /** Why state cannot hold a key or value; undefined when it can. */
  readonly keyValueFault: (key: string, value: Uint8Array) => string | undefined
}

interface Opened {
  readonly envelope: common.Envelope
  readonly payload: common.Payload
  readonly header: common.ChannelHeader
  readonly txId: string
}

/** Conflicts of one block that are looked into. */
const LOOKED_INTO = 100

export class BlockPreparation {
  private readonly codes: Uint8Array
  private readonly updates = new UpdateBatch()
  private readonly txs: Array<CommittedTx> = []
  private readonly history = new Map<number, ReadonlyArray<NamespaceSet>>()
  private readonly privateSets: Array<ReadonlyArray<PrivateNamespaceSet>> = []
  private next = 0

  constructor(private readonly input: PrepareInput) {
    this.codes = Uint8Array.from(input.codes)
  }

  /**
   * Does transactions while `more()` says so; true when all are done.
   * @throws BlockRefused
   */
  step(more: () => boolean): boolean {
    while (this.next < this.input.block.envelopes.length) {
      try {
        this.one(this.next)
      } catch (cause) {
        const { block, channel } = this.input
        throw new BlockRefused({ channel, block: block.number, tx: this.next, cause })
      }
      this.next += 1
      if (!more()) break
    }
    return this.next >= this.input.block.envelopes.length
  }

  /** The outcome, after the last step. */
  finish(): PreparedBlock {
    for (const sets of this.privateSets) followHashVersions(sets, this.input.state, this.updates)
    return { codes: this.codes, updates: this.updates, txs: this.txs, history: this.history }
  }

  private one(index: number): void {
    const envelope = this.input.block.envelopes[index] ?? new Uint8Array(0)
    const decided = this.codes[index] ?? Code.NOT_VALIDATED
    if (decided !== Code.VALID) {
      this.txs.push({ txId: txIdOrEmpty(envelope), type: -1, code: decided, chaincode: undefined })
      return
    }
    const opened = open(envelope)
    const { chaincode, code, sets } = this.setsOf(opened, index)
    const final = code === Code.VALID && sets !== undefined ? this.apply(index, sets, opened) : code
    this.codes[index] = final
    const conflict = code === Code.VALID && final !== Code.VALID && sets !== undefined ? this.conflict(sets) : undefined
    this.txs.push({ txId: opened.txId, type: opened.header.type, code: final, chaincode, conflict })
  }

  /** The read-write set of a transaction that is valid so far; undefined: it has none and stays as it is. */
  private setsOf(
    { envelope, header, payload, txId }: Opened,
    index: number
  ): {
    readonly code: number
    readonly sets?: ReadonlyArray<NamespaceSet>
    readonly chaincode: CommittedTx["chaincode"]
  } {
    if (header.type === common.HeaderType.ENDORSER_TRANSACTION) {
      const action = actionOf(payload.data)
      if (action === undefined) return { code: Code.NIL_TXACTION, chaincode: undefined }
      const chaincode =
        action.chaincodeId === undefined
          ? undefined
          : { name: action.chaincodeId.name, version: action.chaincodeId.version }
      try {
        const sets = readWriteSet(action.results)
        return { code: this.writesCode(sets), sets, chaincode }
      } catch (cause) {
        if (cause instanceof WireError) return { code: Code.INVALID_OTHER_REASON, chaincode }
        throw cause
      }
    }
    const processor = this.input.processors.get(header.type)
    if (processor === undefined) return { code: Code.VALID, chaincode: undefined }
    const simulator = this.input.newSimulator(txId === "" ? `block-${index}` : txId)
    try {
      processor.simulate(envelope, simulator, !this.input.validate)
      const sets = readWriteSet(simulator.getTxSimulationResults().public)
      return { code: this.writesCode(sets), sets, chaincode: undefined }
    } catch (cause) {
      if (cause instanceof InvalidTx) return { code: Code.INVALID_OTHER_REASON, chaincode: undefined }
      throw cause
    } finally {
      simulator.done()
    }
  }

  private writesCode(sets: ReadonlyArray<NamespaceSet>): number {
    for (const set of sets)
      for (const { key, value } of set.public.writes)
        if (this.input.keyValueFault(key, value) !== undefined) return Code.INVALID_WRITESET
    return Code.VALID
  }

  private looked = 0
  /** What a refused transaction is told; a block full of them is not gone through twice. */
  private conflict(sets: ReadonlyArray<NamespaceSet>): Conflict | undefined {
    this.looked += 1
    return this.looked > LOOKED_INTO ? undefined : mvccConflict(sets, this.input.state, this.updates)
  }

  /** MVCC and, for valid ones, the writes. */
  private apply(index: number, sets: ReadonlyArray<NamespaceSet>, opened: Opened): number {
    const { block, pvtData, state, validate } = this.input
    if (validate) {
      const code = mvccCode(sets, state, this.updates)
      if (code !== Code.VALID) return code
    }
    const version = { blockNum: block.number, txNum: BigInt(index) }
    applyWrites(sets, state, this.updates, version)
    if (opened.header.type === common.HeaderType.ENDORSER_TRANSACTION) this.history.set(index, sets)
    const data = pvtData.get(index)
    if (data !== undefined && sets.some(({ collections }) => collections.some((c) => c.privateHash.length > 0))) {
      const secret = privateSets(data)
      checkHashes(secret, sets)
      applyPrivateWrites(secret, this.updates, version)
      this.privateSets.push(secret)
    }
    return Code.VALID
  }
}

const open = (bytes: Uint8Array): Opened => {
  const envelope = common.Envelope.decode(bytes)
  const payload = common.Payload.decode(envelope.payload)
  if (payload.header === undefined) throw new WireError("payload header is nil")
  const header = common.ChannelHeader.decode(payload.header.channelHeader)
  return { envelope, payload, header, txId: idOf(header, payload.header.signatureHeader) }
}

const idOf = (header: common.ChannelHeader, signatureHeader: Uint8Array): string => {
  if (header.txId !== "") return header.txId
  try {
    const { creator, nonce } = common.SignatureHeader.decode(signatureHeader)
    return computeTxId(nonce, creator)
  } catch (cause) {
    if (cause instanceof WireError) return ""
    throw cause
  }
}

const txIdOrEmpty = (bytes: Uint8Array): string => {
  try {
    return open(bytes).txId
  } catch (cause) {
    if (cause instanceof WireError) return ""
    throw cause
  }
}

/** The chaincode action; undefined where the reference finds none. */
const actionOf = (data: Uint8Array): protos.ChaincodeAction | undefined => {
  try {
    const found = chaincodeActionOf(data)
    if (found === undefined) return undefined
    const { chaincodeAction, endorsed, responsePayload } = found
    // absent and empty differ in the reference
    if (responsePayload.extension.length === 0 && !has(endorsed.proposalResponsePayload, 2)) return undefined
    return chaincodeAction
  } catch (cause) {
    if (cause instanceof WireError) return undefined
    throw cause
  }
}

/** Rule 58. @throws PvtDataHashMismatch */
const checkHashes = (secret: ReadonlyArray<PrivateNamespaceSet>, sets: ReadonlyArray<NamespaceSet>): void => {
  for (const { collections, namespace } of secret)
    for (const { bytes, collection } of collections) {
      const publicHash = privateHashOf(sets, namespace, collection)
      const dataHash = sha256(bytes)
      if (!equalBytes(publicHash, dataHash))
        throw new PvtDataHashMismatch({ namespace, collection, publicHash, dataHash })
    }
}

/** The recorded hash of a collection's private writes; empty when the transaction has none. */
export const privateHashOf = (sets: ReadonlyArray<NamespaceSet>, namespace: string, collection: string): Uint8Array => {
  for (const set of sets) {
    if (set.namespace !== namespace) continue
    const found = set.collections.find((c) => c.collection === collection)
    if (found !== undefined) return found.privateHash
  }
  return new Uint8Array(0)
}
