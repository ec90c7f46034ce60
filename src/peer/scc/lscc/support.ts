/** What lscc needs of the rest of the peer, and reading its own records. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { ChaincodePackage, Hash } from "../../../chaincode/packages/ChaincodePackage.js"
import { packageMismatch } from "../../../chaincode/packages/ChaincodePackage.js"
import type { PackageStoreShape } from "../../../chaincode/packages/PackageStore.js"
import type { Bundle } from "../../../channelconfig/index.js"
import { fromSignaturePolicyEnvelope, type SignedData } from "../../../policy/index.js"
import { ccprovider } from "../../../wire/index.js"
import type { AclChecker } from "../../acl/AclChecker.js"
import { signedDataOf } from "../../acl/evidence.js"
import type { ChaincodeEventsShape } from "../../lifecycle/index.js"
import { fail, type SystemCallFailed, type SystemStub } from "../stub.js"
import * as text from "./texts.js"

export interface LsccSupport {
  readonly acl: AclChecker
  readonly packages: PackageStoreShape
  /** The hash of package fingerprints. */
  readonly hash: Hash
  /** The configuration in force on a channel; undefined when the peer has not joined it. */
  readonly bundleOf: (channelId: string) => Bundle | undefined
  readonly isSystem: (name: string) => boolean
  /** Runs the writing of a package with everyone told who waits for that code (R83). */
  readonly installing: ChaincodeEventsShape["installing"]
}

/** The application organisations' MSP ids of a channel. */
export const mspIdsOf = (bundle: Bundle): ReadonlyArray<string> =>
  [...(bundle.application?.orgs.values() ?? [])].map(({ mspId }) => mspId)

/** The caller's signature, for policies that are not the ACL's. */
export const callerOf = (stub: SystemStub): Effect.Effect<SignedData, SystemCallFailed> => {
  const { signedProposal } = stub
  if (signedProposal === undefined) return Effect.fail(fail("signed proposal is missing"))
  return Either.match(signedDataOf(signedProposal), {
    onLeft: ({ part, reason }) => Effect.fail(fail(`error unmarshaling ${part}: ${reason}`)),
    onRight: (caller) => Effect.succeed(caller)
  })
}

/** The record of a chaincode in its stored bytes; fails when there is none. */
export const recordOf = (stub: SystemStub, name: string): Effect.Effect<Uint8Array, SystemCallFailed> =>
  stub.getState(name).pipe(
    Effect.mapError((error) => fail(text.transactionNotFound(error.message))),
    Effect.flatMap((bytes) => (bytes === undefined ? Effect.fail(fail(text.notFound(name))) : Effect.succeed(bytes)))
  )

/** A record taken apart, its name held against the one that was asked for. */
export const decodeRecord = (
  name: string,
  bytes: Uint8Array
): Either.Either<ccprovider.ChaincodeData, SystemCallFailed> => {
  let record: ccprovider.ChaincodeData
  try {
    record = ccprovider.ChaincodeData.decode(bytes)
  } catch {
    return Either.left(fail(text.marshalling(name)))
  }
  return record.name === name ? Either.right(record) : Either.left(fail(text.nameMismatch(name, record.name)))
}

/**
 * The local package that a record speaks of. Every launch goes through this check: code that is not what the channel
 * agreed on never runs (R62).
 */
export const codeOf = (
  packages: PackageStoreShape,
  name: string,
  record: Uint8Array
): Effect.Effect<ChaincodePackage, SystemCallFailed> =>
  Effect.gen(function* () {
    const data = yield* decodeRecord(name, record)
    const found = yield* Effect.mapError(packages.get(name, data.version), (error) =>
      fail(text.invalidDeploymentSpec(error.message))
    )
    const mismatch = packageMismatch(found, data)
    return mismatch === undefined ? found : yield* fail(text.fingerprintMismatch(mismatch))
  })

/** Whether the caller satisfies an instantiation policy by the channel's MSPs. */
export const checkInstantiationPolicy = (
  bundle: Bundle,
  policy: Uint8Array,
  caller: SignedData
): Either.Either<void, SystemCallFailed> =>
  Either.gen(function* () {
    const compiled = yield* Either.mapLeft(fromSignaturePolicyEnvelope(policy, bundle.mspManager), (error) =>
      fail(error.message)
    )
    yield* Either.mapLeft(compiled.evaluate([caller]), (error) =>
      fail(`instantiation policy violation: ${error.message}`)
    )
  })
