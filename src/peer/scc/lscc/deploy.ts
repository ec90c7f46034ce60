/**
 * lscc deploy and upgrade: the channel's record of a chaincode. Its Init runs afterwards, in the endorser.
 * Source: chaincode.md R84-R88, T14-T17; executeDeploy and executeUpgrade in core/scc/lscc/lscc.go.
 */
import * as Effect from "effect/Effect"
import { type ChaincodePackage, chaincodeDataOf } from "../../../chaincode/packages/ChaincodePackage.js"
import type { Bundle } from "../../../channelconfig/index.js"
import { signedByAnyAdmin, signedByAnyMember } from "../../../policy/index.js"
import * as Log from "../../../runtime/Log.js"
import { ccprovider, common, protos } from "../../../wire/index.js"
import { looseText } from "../../../wire/looseText.js"
import * as raw from "../../../wire/raw.js"
import { fail, type SystemCallFailed, type SystemStub } from "../stub.js"
import { collectionFindings } from "./collections.js"
import { callerOf, checkInstantiationPolicy, decodeRecord, type LsccSupport, mspIdsOf } from "./support.js"
import * as text from "./texts.js"

const log = Log.module("lscc")

type Call<A> = Effect.Effect<A, SystemCallFailed>

/** What the arguments say. */
interface Request {
  readonly bundle: Bundle
  readonly name: string
  readonly version: string
  readonly policy: Uint8Array
  readonly escc: string
  readonly vscc: string
  /** Undefined when not given, or when the channel knows no collections. */
  readonly collections: Uint8Array | undefined
}

const given = (arg: Uint8Array | undefined): Uint8Array | undefined =>
  arg === undefined || arg.length === 0 ? undefined : arg

/** R84. */
const readRequest = (support: LsccSupport, args: ReadonlyArray<Uint8Array>): Call<Request> =>
  Effect.gen(function* () {
    const [, channelArg, specArg, policy, escc, vscc, collections] = args
    if (channelArg === undefined || specArg === undefined) return yield* fail(text.invalidArguments(args.length))
    const channel = looseText(channelArg)
    if (channel === "") return yield* fail(text.invalidChannelName(channel))
    const bundle = support.bundleOf(channel)
    const application = bundle?.application
    if (bundle === undefined || application === undefined)
      return yield* fail(`programming error, non-existent appplication config for channel '${channel}'`)
    const { privateChannelData } = application.capabilities
    if (!privateChannelData && args.length > 6) return yield* fail(text.noPrivateData)
    if (args.length > 7) return yield* fail(text.invalidArguments(args.length))
    const id = yield* Effect.try({
      try: () => protos.ChaincodeDeploymentSpec.decode(specArg).chaincodeSpec?.chaincodeId,
      catch: (error) =>
        fail(`error unmarshaling ChaincodeDeploymentSpec: ${error instanceof Error ? error.message : String(error)}`)
    })
    if (id === undefined) return yield* fail(text.invalidDeploymentSpec("chaincode id is missing"))
    return {
      bundle,
      name: id.name,
      version: id.version,
      policy: given(policy) ?? common.SignaturePolicyEnvelope.encode(signedByAnyMember(mspIdsOf(bundle))),
      escc: looseText(given(escc) ?? new Uint8Array()) || "escc",
      vscc: looseText(given(vscc) ?? new Uint8Array()) || "vscc",
      collections: privateChannelData ? collections : undefined
    }
  })

/** The package's own instantiation policy, else any admin of the channel's organisations. */
const instantiationPolicyOf = (found: ChaincodePackage, bundle: Bundle): Uint8Array =>
  found.instantiationPolicy ?? common.SignaturePolicyEnvelope.encode(signedByAnyAdmin(mspIdsOf(bundle)))

const putCollections = (stub: SystemStub, request: Request): Call<void> =>
  Effect.gen(function* () {
    const { bundle, collections, name, version } = request
    if (collections === undefined || collections.length === 0) return
    const decoded = yield* Effect.try({
      try: () => common.CollectionConfigPackage.decode(collections),
      catch: () => fail(`invalid collection configuration supplied for chaincode ${name}:${version}`)
    })
    const { fault, strangers } = collectionFindings(decoded.config, bundle.mspManager)
    for (const { collection, member } of strangers)
      yield* log.warning(`collection-name: ${collection} collection member ${member} is not part of the channel`)
    if (fault !== undefined) return yield* fail(fault)
    // the bytes as they came: validation compares them with the argument (T16)
    yield* Effect.mapError(stub.putState(text.collectionKey(name), collections), (error) =>
      fail(`error putting collection for chaincode ${name}:${version}: ${error.message}`)
    )
  })

/** The record to write: what the local package says, with what the request chose (R88). */
const newRecord = (request: Request, found: ChaincodePackage): ccprovider.ChaincodeData => ({
  ...chaincodeDataOf(found),
  escc: request.escc,
  vscc: request.vscc,
  policy: request.policy,
  instantiationPolicy: instantiationPolicyOf(found, request.bundle)
})

const putRecord = (stub: SystemStub, record: ccprovider.ChaincodeData): Call<Uint8Array> =>
  Effect.suspend(() => {
    const bytes = ccprovider.ChaincodeData.encode(record)
    return Effect.as(stub.putState(record.name, bytes), bytes)
  })

/** R85. */
const deploy = (stub: SystemStub, request: Request, found: ChaincodePackage): Call<Uint8Array> =>
  Effect.gen(function* () {
    const existing = yield* Effect.option(stub.getState(request.name))
    if (existing._tag === "Some" && existing.value !== undefined) return yield* fail(text.alreadyExists(request.name))
    const record = newRecord(request, found)
    yield* checkInstantiationPolicy(request.bundle, record.instantiationPolicy, yield* callerOf(stub))
    const bytes = yield* putRecord(stub, record)
    yield* putCollections(stub, request)
    return bytes
  })

/** R86: both the ledger's policy and the new one must be satisfied. Versions have no order. */
const upgrade = (stub: SystemStub, request: Request, found: ChaincodePackage): Call<Uint8Array> =>
  Effect.gen(function* () {
    const { bundle, name, version } = request
    const held = yield* Effect.option(stub.getState(name))
    if (held._tag === "None" || held.value === undefined) return yield* fail(text.notFound(name))
    const old = yield* decodeRecord(name, held.value)
    if (old.version === version) return yield* fail(text.sameVersion(name))
    if (!raw.has(held.value, 8)) return yield* fail(text.noInstantiationPolicy)
    const caller = yield* callerOf(stub)
    yield* checkInstantiationPolicy(bundle, old.instantiationPolicy, caller)
    const record = newRecord(request, found)
    yield* checkInstantiationPolicy(bundle, record.instantiationPolicy, caller)
    const bytes = yield* putRecord(stub, record)
    if (bundle.application?.capabilities.collectionUpgrade === true) yield* putCollections(stub, request)
    else if (request.collections !== undefined) return yield* fail(text.noCollectionUpgrades)
    yield* stub.setEvent("upgrade", protos.LifecycleEvent.encode({ chaincodeName: name }))
    return bytes
  })

/** Both functions. Success: the bytes of the record that was written. */
export const deployOrUpgrade = (
  support: LsccSupport,
  action: "deploy" | "upgrade",
  stub: SystemStub
): Call<Uint8Array> =>
  Effect.gen(function* () {
    const request = yield* readRequest(support, stub.args)
    const { name, version } = request
    const fault = text.nameOrVersionFault(name, version)
    if (fault !== undefined) return yield* fail(fault)
    const found = yield* support.packages.get(name, version).pipe(
      Effect.tapError((error) => log.error(`${text.noPackage(name, version)}-err:${error.message}`)),
      Effect.mapError(() => fail(text.noPackage(name, version)))
    )
    return yield* action === "deploy" ? deploy(stub, request, found) : upgrade(stub, request, found)
  })
