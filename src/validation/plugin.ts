/**
 * Validation plugins: who decides whether a transaction's endorsements suffice for one namespace that it writes. One
 * instance per name and channel, made when first needed (peer-endorse-validate.md 2.6, 3.10 rule 5, 3.11).
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { ApplicationCapabilities } from "../channelconfig/index.js"
import type { NamespaceSet } from "../ledger/rwset/index.js"
import type { SignedData, Verify } from "../policy/index.js"
import type { ExecutionFailure, PolicyFailure } from "./errors.js"
import type { EndorserTransaction, OpenedTransaction } from "./message.js"
import type { ValidationState } from "./state.js"

/** One namespace of one transaction, with everything that was taken apart already. */
export interface PluginInput {
  readonly channel: string
  readonly block: bigint
  /** Index of the transaction in its block. */
  readonly position: number
  readonly namespace: string
  /** `common.SignaturePolicyEnvelope` of the chaincode's definition. */
  readonly policy: Uint8Array
  readonly opened: OpenedTransaction
  readonly parts: EndorserTransaction
  readonly sets: ReadonlyArray<NamespaceSet>
  /** The endorsements as they came: data is response payload and endorser joined. */
  readonly endorsements: ReadonlyArray<SignedData>
  readonly capabilities: ApplicationCapabilities
  readonly state: ValidationState
  /** Whether a policy holds over signatures; `PolicyFailure` says why not, or that it is no policy. */
  readonly evaluate: (policy: Uint8Array, set: ReadonlyArray<SignedData>) => PolicyFailure | undefined
  /** Whether an earlier transaction of this block has changed the key's validation parameter (3.11 rule 4). */
  readonly parameterUpdated: (collection: string, key: string) => boolean
  readonly verify: Verify
}

export type PluginFailure = PolicyFailure | ExecutionFailure

export interface ValidationPlugin {
  readonly validate: (input: PluginInput) => Effect.Effect<void, PluginFailure>
}

/** Makes the plugin of a channel. */
export type ValidationPluginFactory = (channel: string) => ValidationPlugin

/** The plugins that the peer's `handlers.validators` names: the one mapper of the node (validationPluginsByName). */
export class ValidationPlugins extends Context.Tag("validation/ValidationPlugins")<
  ValidationPlugins,
  { readonly byName: ReadonlyMap<string, ValidationPluginFactory> }
>() {}
