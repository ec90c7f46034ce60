/** The recorded chain and what a ledger does with a block, on maps: shared by the tests of this folder. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { Bundle, BundleSource } from "../../src/channelconfig/index.js"
import { applyConfig } from "../../src/commit/applyConfig.js"
import { applyWrites, mvccCode, UpdateBatch } from "../../src/ledger/mvcc/index.js"
import { readWriteSet } from "../../src/ledger/rwset/index.js"
import {
  defaultValidation,
  layerSignatureVerifier,
  SignatureVerifier,
  type SignatureVerifierShape,
  SystemChaincodeNames,
  ValidationPlugins,
  type ValidatorSupport
} from "../../src/validation/index.js"
import { common, protos } from "../../src/wire/index.js"
import { chaincodeActionOf, EMPTY, metadataSlot, openEnvelope, toHex } from "../../src/wire/protoutil.js"
import { MemoryState } from "./memory.js"

const home = join(import.meta.dirname, "..", "vectors", "chain-a")
export const recorded = (folder: string) =>
  readdirSync(join(home, folder))
    .sort()
    .map((name) => common.Block.decode(readFileSync(join(home, folder, name))))

const names = {
  isSystem: (name: string) => ["lscc", "qscc", "cscc", "vscc", "escc"].includes(name),
  isSystemAndNotInvokableExternal: (name: string) => ["vscc", "escc"].includes(name),
  isSystemAndNotInvokableCC2CC: (name: string) => ["cscc", "vscc", "escc"].includes(name)
}
export const services = <A, E, R>(effect: Effect.Effect<A, E, R | SystemChaincodeNames | SignatureVerifier>) =>
  effect.pipe(Effect.provideService(SystemChaincodeNames, names), Effect.provide(layerSignatureVerifier))
/** The same, signatures verified by a given verifier. */
export const servicesWith =
  (verifier: SignatureVerifierShape) =>
  <A, E, R>(effect: Effect.Effect<A, E, R | SystemChaincodeNames | SignatureVerifier>) =>
    effect.pipe(Effect.provideService(SystemChaincodeNames, names), Effect.provideService(SignatureVerifier, verifier))
export const plugins = Effect.provideService(ValidationPlugins, { byName: new Map([["vscc", defaultValidation]]) })

export const codesOf = (block: common.Block) => [...metadataSlot(block, common.BlockMetadataIndex.TRANSACTIONS_FILTER)]
export const hashOf = (block: common.Block) =>
  toHex(common.Metadata.decode(metadataSlot(block, common.BlockMetadataIndex.COMMIT_HASH)).value)

/** What the ledger does with a validated block, on maps. */
export const commit = (block: common.Block, codes: Uint8Array, state: MemoryState, ids: Set<string>): UpdateBatch => {
  const number = block.header?.number ?? 0n
  const batch = new UpdateBatch()
  for (const [i, entry] of (block.data?.data ?? []).entries()) {
    let opened: ReturnType<typeof openEnvelope>
    try {
      opened = openEnvelope(entry)
    } catch {
      continue
    }
    if (opened === undefined) continue
    if (opened.channelHeader.txId !== "") ids.add(opened.channelHeader.txId)
    if (
      codes[i] !== protos.TxValidationCode.VALID ||
      opened.channelHeader.type !== common.HeaderType.ENDORSER_TRANSACTION
    )
      continue
    const sets = readWriteSet(chaincodeActionOf(opened.payload.data)?.chaincodeAction.results ?? EMPTY)
    const code = mvccCode(sets, state, batch)
    codes[i] = code
    if (code === protos.TxValidationCode.VALID) applyWrites(sets, state, batch, { blockNum: number, txNum: BigInt(i) })
  }
  state.apply(batch)
  return batch
}

/** A channel at its first block. */
export const channel = (first: common.Block) => {
  const source = new BundleSource(Either.getOrThrow(Bundle.fromBlock(first)))
  const state = new MemoryState()
  const ids = new Set<string>()
  const support: ValidatorSupport = {
    channelId: "mychannel",
    bundles: source,
    deserializerOf: () => undefined,
    hasTransaction: (id) => ids.has(id),
    state: Effect.succeed(state),
    applyConfig: (envelope, bytes) => applyConfig(source, envelope, bytes)
  }
  return { source, state, ids, support }
}
