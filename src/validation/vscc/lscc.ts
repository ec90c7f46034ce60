/**
 * What a deploy or upgrade may write: the extra checks for transactions of `lscc`.
 * Source: peer-endorse-validate.md 3.11 rules 6-8, chaincode.md R87a; builtin/v12 and v13 of the reference, which differ
 * in nothing but the endorsement check before.
 */
import * as Effect from "effect/Effect"
import { chaincodeTypeName, codePackageFault, runScan } from "../../chaincode/packages/platforms.js"
import { textOf } from "../../runtime/Stage.js"
import { ccprovider, common, type kvrwset, protos } from "../../wire/index.js"
import { EMPTY, equalBytes, toText } from "../../wire/protoutil.js"
import { ExecutionFailure, PolicyFailure } from "../errors.js"
import type { PluginFailure, PluginInput } from "../plugin.js"
import { changedCollectionsFault, newCollectionsFault } from "./collections.js"

const nameForm = /^[a-zA-Z0-9]+([-_][a-zA-Z0-9]+)*$/
const versionForm = /^[A-Za-z0-9_.+-]+$/
const reserved: ReadonlySet<string> = new Set(["cscc", "escc", "lscc", "qscc", "vscc"])

const refuse = (reason: string) => Effect.fail(new PolicyFailure({ reason }))

/** Decodes or refuses the transaction. */
const decode = <A>(what: string, read: () => A): Effect.Effect<A, PolicyFailure> =>
  Effect.try({ try: read, catch: (error) => new PolicyFailure({ reason: `${what} error ${textOf(error)}` }) })

/** Reads state or halts the channel. */
const read = <A>(what: string, from: () => A): Effect.Effect<A, ExecutionFailure> =>
  Effect.try({ try: from, catch: (cause) => new ExecutionFailure({ reason: `${what}: ${textOf(cause)}`, cause }) })

type Action = "deploy" | "upgrade"

interface Deployment {
  readonly action: Action
  /** Arguments after the function: channel, spec, policy, escc, vscc, collections. */
  readonly args: ReadonlyArray<Uint8Array>
  readonly name: string
  readonly version: string
}

/** Function, arguments and deployment spec, all checked for form. */
const deploymentOf = (input: PluginInput): Effect.Effect<Deployment, PluginFailure> =>
  Effect.gen(function* () {
    const proposalPayload = yield* decode("GetChaincodeProposalPayload", () =>
      protos.ChaincodeProposalPayload.decode(input.parts.actionPayload.chaincodeProposalPayload)
    )
    const invocation = yield* decode("Unmarshal ChaincodeInvocationSpec", () =>
      protos.ChaincodeInvocationSpec.decode(proposalPayload.input)
    )
    const [first, ...args] = invocation.chaincodeSpec?.input?.args ?? []
    if (first === undefined) return yield* refuse("malformed chaincode invocation spec")
    const action = toText(first)
    if (action !== "deploy" && action !== "upgrade")
      return yield* refuse(`VSCC error: committing an invocation of function ${action} of lscc is invalid`)
    const [, specBytes] = args
    if (specBytes === undefined)
      return yield* refuse(
        `Wrong number of arguments for invocation lscc(${action}): expected at least 2, received ${args.length}`
      )
    if (args.length > (input.capabilities.privateChannelData ? 6 : 5))
      return yield* refuse(`Wrong number of arguments for invocation lscc(${action}): received ${args.length}`)
    const spec = yield* decode("GetChaincodeDeploymentSpec", () => protos.ChaincodeDeploymentSpec.decode(specBytes))
    const fault = yield* runScan(codePackageFault(chaincodeTypeName(spec.chaincodeSpec?.type ?? 0), spec.codePackage))
    if (fault !== undefined) return yield* refuse(`GetChaincodeDeploymentSpec error ${fault}`)
    const id = spec.chaincodeSpec?.chaincodeId
    if (id === undefined)
      return yield* refuse(`VSCC error: invocation of lscc(${action}) does not have appropriate arguments`)
    if (!nameForm.test(id.name)) return yield* refuse(`invalid chaincode name '${id.name}'`)
    if (reserved.has(id.name)) return yield* refuse(`chaincode name '${id.name}' is reserved for system chaincodes`)
    if (!versionForm.test(id.version)) return yield* refuse(`invalid chaincode version '${id.version}'`)
    return { action, args, name: id.name, version: id.version }
  })

const collectionKey = (name: string): string => `${name}~collection`

/** Rule 8. */
const collectionsHold = (
  input: PluginInput,
  deployment: Deployment,
  writes: ReadonlyArray<kvrwset.KVWrite>
): Effect.Effect<void, PluginFailure> =>
  Effect.gen(function* () {
    const { action, args, name, version } = deployment
    if (writes.length > 2) return yield* refuse("LSCC can only issue one or two putState upon deploy")
    const argument = args[5]
    const second = writes[1]
    const key = collectionKey(name)
    if (second !== undefined && second.key !== key)
      return yield* refuse(
        `invalid key for the collection of chaincode ${name}:${version}; expected '${key}', received '${second.key}'`
      )
    if (!equalBytes(argument ?? EMPTY, second?.value ?? EMPTY))
      return yield* refuse(
        `collection configuration arguments supplied for chaincode ${name}:${version} do not match the configuration in the lscc writeset`
      )
    const existing = read(`unable to check whether collection existed earlier for chaincode ${name}:${version}`, () => {
      const bytes = input.state.getState("lscc", key)
      return bytes === undefined ? undefined : common.CollectionConfigPackage.decode(bytes)
    })
    if (action === "deploy" && (yield* existing) !== undefined)
      return yield* refuse(`collection data should not exist for chaincode ${name}:${version}`)
    // an argument that is there but empty is a configuration without collections (chaincode.md T15)
    if (argument === undefined) return
    const next = yield* Effect.mapError(
      decode("collections", () => common.CollectionConfigPackage.decode(argument)),
      () => new PolicyFailure({ reason: `invalid collection configuration supplied for chaincode ${name}:${version}` })
    )
    if (!input.capabilities.v12Validation) return
    const fault = newCollectionsFault(next.config)
    if (fault !== undefined) return yield* refuse(fault)
    if (action !== "upgrade") return
    const old = yield* existing
    const changed = old === undefined ? undefined : changedCollectionsFault(next.config, old.config)
    if (changed !== undefined) return yield* refuse(changed)
  })

/** Rule 7, the last part: the creator's signature on the envelope must satisfy an instantiation policy. */
const instantiationPolicyHolds = (input: PluginInput, policy: Uint8Array): Effect.Effect<void, PolicyFailure> => {
  if (policy.length === 0) return refuse("no instantiation policy was specified")
  const { creator, data, signature } = input.opened.creator
  const failure = input.evaluate(policy, [{ data, identity: creator, signature }])
  return failure === undefined
    ? Effect.void
    : refuse(`chaincode instantiation policy violated, error ${failure.message}`)
}

/** Rules 6 to 8, after the endorsement policy was found satisfied. */
export const lsccInvocationHolds = (input: PluginInput): Effect.Effect<void, PluginFailure> =>
  Effect.gen(function* () {
    const deployment = yield* deploymentOf(input)
    const { action, name, version } = deployment
    const onLedger = yield* read(`could not retrieve state for chaincode ${name} on channel ${input.channel}`, () => {
      const bytes = input.state.getState("lscc", name)
      return bytes === undefined ? undefined : ccprovider.ChaincodeData.decode(bytes)
    })

    // ---- The write set ----
    const writes = input.sets.find(({ namespace }) => namespace === "lscc")?.public.writes
    if (writes === undefined) return yield* refuse("No read write set for lscc was found")
    const [first] = writes
    if (first === undefined) return yield* refuse("LSCC must issue at least one single putState upon deploy/upgrade")
    if (first.key !== name) return yield* refuse(`expected key ${name}, found ${first.key}`)
    const written = yield* decode("unmarhsalling of ChaincodeData failed,", () =>
      ccprovider.ChaincodeData.decode(first.value)
    )
    if (written.name !== name) return yield* refuse(`expected cc name ${name}, found ${written.name}`)
    if (written.version !== version) return yield* refuse(`expected cc version ${version}, found ${written.version}`)
    for (const set of input.sets)
      if (set.namespace !== "lscc" && set.namespace !== name && set.public.writes.length > 0)
        return yield* refuse(`LSCC invocation is attempting to write to namespace ${set.namespace}`)

    // ---- Deploy ----
    if (action === "deploy") {
      if (onLedger !== undefined) return yield* refuse(`Chaincode ${name} is already instantiated`)
      if (input.capabilities.privateChannelData) yield* collectionsHold(input, deployment, writes)
      else if (writes.length !== 1) return yield* refuse("LSCC can only issue a single putState upon deploy")
      return yield* instantiationPolicyHolds(input, written.instantiationPolicy)
    }

    // ---- Upgrade ----
    if (onLedger === undefined) return yield* refuse(`Upgrading non-existent chaincode ${name}`)
    if (onLedger.version === version)
      return yield* refuse(
        `Existing version of the cc on the ledger (${version}) should be different from the upgraded one`
      )
    if (input.capabilities.v12Validation) yield* collectionsHold(input, deployment, writes)
    else if (writes.length !== 1) return yield* refuse("LSCC can only issue a single putState upon upgrade")
    yield* instantiationPolicyHolds(input, onLedger.instantiationPolicy)
    if (!input.capabilities.v11Validation) return
    if (written.instantiationPolicy.length === 0) return yield* refuse("No instantiation policy was specified")
    if (!equalBytes(written.instantiationPolicy, onLedger.instantiationPolicy))
      yield* instantiationPolicyHolds(input, written.instantiationPolicy)
  })
