/**
 * Which namespaces of a transaction have to be validated, by which plugin and policy: everything before and around the
 * plugin. Source: peer-endorse-validate.md 3.10; core/committer/txvalidator/vscc_validator.go.
 */
import * as Either from "effect/Either"
import type { ApplicationCapabilities } from "../channelconfig/index.js"
import { type NamespaceSet, readWriteSet } from "../ledger/rwset/index.js"
import { signedByAnyMember } from "../policy/index.js"
import { ccprovider, common, protos } from "../wire/index.js"
import * as raw from "../wire/raw.js"
import type { EndorserTransaction, OpenedTransaction } from "./message.js"
import type { SystemChaincodeNames, ValidationState } from "./state.js"
import { writesTo } from "./writes.js"

const Code = protos.TxValidationCode

/** One call of a plugin. */
export interface NamespaceCheck {
  readonly namespace: string
  /** Name of the plugin. */
  readonly plugin: string
  readonly policy: Uint8Array
}

export interface Dispatch {
  readonly chaincode: string
  readonly sets: ReadonlyArray<NamespaceSet>
  /** The checks to make, in order; the first that fails decides. A check may be a code of its own. */
  readonly checks: ReadonlyArray<() => Either.Either<NamespaceCheck, number>>
}

export interface DispatchContext {
  readonly capabilities: ApplicationCapabilities
  readonly state: ValidationState
  readonly system: SystemChaincodeNames["Type"]
  /** MSP ids of the channel's application organisations. */
  readonly mspIds: ReadonlyArray<string>
}

interface Invocation {
  readonly chaincode: string
  readonly version: string
  readonly sets: ReadonlyArray<NamespaceSet>
}

/** Rules 1 and 2, and 3's event check. */
const invocationOf = (
  opened: OpenedTransaction,
  parts: EndorserTransaction,
  capabilities: ApplicationCapabilities
): Either.Either<Invocation, number> => {
  let extension: protos.ChaincodeHeaderExtension
  try {
    extension = protos.ChaincodeHeaderExtension.decode(opened.channelHeader.extension)
  } catch {
    return Either.left(Code.BAD_HEADER_EXTENSION)
  }
  const actionBytes = parts.responsePayload.extension
  if (!raw.has(parts.endorsedAction.proposalResponsePayload, 2)) return Either.left(Code.BAD_RESPONSE_PAYLOAD)
  let action: protos.ChaincodeAction
  try {
    action = protos.ChaincodeAction.decode(actionBytes)
  } catch {
    return Either.left(Code.BAD_RESPONSE_PAYLOAD)
  }
  let sets: ReadonlyArray<NamespaceSet>
  try {
    sets = readWriteSet(action.results)
  } catch {
    return Either.left(Code.BAD_RWSET)
  }
  const chaincode = extension.chaincodeId?.name ?? ""
  const version = action.chaincodeId?.version ?? ""
  if (chaincode === "" || version === "" || action.chaincodeId?.name !== chaincode)
    return Either.left(Code.INVALID_OTHER_REASON)
  // present but empty decodes to an event of no chaincode and is refused (trap 6)
  if (capabilities.v12Validation && raw.has(actionBytes, 2)) {
    try {
      if (protos.ChaincodeEvent.decode(action.events).chaincodeId !== chaincode)
        return Either.left(Code.INVALID_OTHER_REASON)
    } catch {
      return Either.left(Code.INVALID_OTHER_REASON)
    }
  }
  return Either.right({ chaincode, version, sets })
}

/** The definition of a chaincode as validation reads it; undefined when it is absent or not usable (rule 5). */
const definitionOf = (state: ValidationState, name: string): ccprovider.ChaincodeData | undefined => {
  const bytes = state.getState("lscc", name)
  if (bytes === undefined) return undefined
  let definition: ccprovider.ChaincodeData
  try {
    definition = ccprovider.ChaincodeData.decode(bytes)
  } catch {
    return undefined
  }
  return definition.vscc === "" || definition.policy.length === 0 ? undefined : definition
}

/**
 * In: an endorser transaction of good form. Out: the checks to make, or the code that ends it here. Reading state may
 * throw: the caller halts the channel.
 */
export const dispatch = (
  opened: OpenedTransaction,
  parts: EndorserTransaction,
  context: DispatchContext
): Either.Either<Dispatch, number> => {
  const { capabilities, system } = context
  const invocation = invocationOf(opened, parts, capabilities)
  if (Either.isLeft(invocation)) return Either.left(invocation.left)
  const { chaincode, sets, version } = invocation.right

  // ---- Namespaces written (rules 3 and 4) ----
  const always = capabilities.v12Validation
  const namespaces = always ? [chaincode] : []
  const seen = new Set<string>()
  let writesLscc = false
  let writesClosedSystem = false
  for (const set of sets) {
    const { namespace } = set
    if (seen.has(namespace)) return Either.left(Code.ILLEGAL_WRITESET)
    seen.add(namespace)
    if (!writesTo(set, capabilities)) continue
    if (namespace !== chaincode || !always) namespaces.push(namespace)
    if (namespace === "lscc") writesLscc = true
    if (system.isSystemAndNotInvokableCC2CC(namespace) || system.isSystemAndNotInvokableExternal(namespace))
      writesClosedSystem = true
  }

  // ---- System chaincodes (rule 6) ----
  if (system.isSystem(chaincode)) {
    if (system.isSystemAndNotInvokableExternal(chaincode)) return Either.left(Code.ILLEGAL_WRITESET)
    return Either.right({ chaincode, sets, checks: [() => Either.right(anyMember(chaincode, context))] })
  }

  // ---- User chaincodes (rule 5) ----
  if (writesLscc || writesClosedSystem) return Either.left(Code.ILLEGAL_WRITESET)
  const checks: Array<Dispatch["checks"][number]> = []
  for (const namespace of namespaces)
    checks.push(() => checkOf(namespace, namespace === chaincode ? version : undefined, context))
  return Either.right({ chaincode, sets, checks })
}

const anyMember = (namespace: string, { mspIds }: DispatchContext): NamespaceCheck => ({
  namespace,
  plugin: "vscc",
  policy: common.SignaturePolicyEnvelope.encode(signedByAnyMember(mspIds))
})

/** The check of a namespace of a user chaincode; `version`: the one endorsed, where it is the chaincode invoked. */
const checkOf = (
  namespace: string,
  version: string | undefined,
  context: DispatchContext
): Either.Either<NamespaceCheck, number> => {
  if (context.system.isSystem(namespace)) return Either.right(anyMember(namespace, context))
  const definition = definitionOf(context.state, namespace)
  if (definition === undefined) return Either.left(Code.INVALID_OTHER_REASON)
  if (version !== undefined && definition.version !== version) return Either.left(Code.EXPIRED_CHAINCODE)
  return Either.right({ namespace, plugin: definition.vscc, policy: definition.policy })
}
