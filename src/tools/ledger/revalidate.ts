/**
 * The verdict on every transaction once more, beside a replay: signatures, endorsement policies, key-level policies,
 * duplicates, configurations; as a peer of this program validates a block that an orderer delivers.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Bundle, BundleSource } from "../../channelconfig/index.js"
import { applyConfig } from "../../commit/index.js"
import type { ParsedBlock } from "../../ledger/index.js"
import type { Replay } from "../../ledger/maintenance/index.js"
import { validationStateOf } from "../../peer/channels/validationState.js"
import * as names from "../../peer/scc/names.js"
import {
  defaultValidation,
  makeSignatureVerifier,
  makeTxValidator,
  type Refusal,
  SignatureVerifier,
  SystemChaincodeNames,
  ValidationPlugins
} from "../../validation/index.js"
import { LedgerToolFailed, textOf } from "./errors.js"

/** Codes as validation gives them, before the rules of state; blocks in order, from block 1 on. */
export type Revalidate = (block: ParsedBlock) => Effect.Effect<Uint8Array, LedgerToolFailed>

const system = {
  isSystem: names.isSystem,
  isSystemAndNotInvokableExternal: (name: string) => names.isSystem(name) && !names.isInvokableExternal(name),
  isSystemAndNotInvokableCC2CC: (name: string) => names.isSystem(name) && !names.isInvokableCC2CC(name)
}

/**
 * In: the configuration in force before the first block that is asked about, and a replay that keeps transaction ids.
 * `refused` is told why of each transaction that is refused.
 */
export const makeRevalidate = (
  channelId: string,
  bundle: Bundle,
  replay: Replay,
  refused?: (refusal: Refusal) => void
): Effect.Effect<Revalidate, never, Scope.Scope> =>
  Effect.gen(function* () {
    const bundles = new BundleSource(bundle)
    const executor = Effect.acquireRelease(
      Effect.sync(() => replay.query()),
      (opened) => Effect.sync(() => opened.done())
    )
    const validator = yield* makeTxValidator({
      channelId,
      bundles,
      deserializerOf: () => undefined,
      hasTransaction: (txId) => replay.hasTransaction(txId),
      state: Effect.map(executor, validationStateOf),
      applyConfig: (envelope, bytes) => applyConfig(bundles, envelope, bytes),
      ...(refused === undefined ? {} : { refused })
    })
    return ({ envelopes, number }: ParsedBlock) =>
      Effect.flatMap(validator.prepare({ number, entries: envelopes }), validator.validate).pipe(
        Effect.mapError((cause) => new LedgerToolFailed({ reason: textOf(cause), remedy: "" }))
      )
  }).pipe(
    Effect.provideService(SystemChaincodeNames, system),
    Effect.provideService(ValidationPlugins, { byName: new Map([["vscc", defaultValidation]]) }),
    Effect.provideServiceEffect(SignatureVerifier, makeSignatureVerifier())
  )
