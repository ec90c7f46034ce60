/**
 * Making signed packages: an owner wraps and signs a deployment spec, further owners add their signatures, packages
 * signed apart are put together. Pure; the time comes in as data.
 * Source: chaincode.md section 4.4; core/common/ccpackage.
 */
import * as Either from "effect/Either"
import { common, protos } from "../../wire/index.js"
import { PackageRefused } from "../errors.js"
import { openSignedSpec } from "./ChaincodePackage.js"

/** Who signs: the part of a `Signer` that is needed here. */
export interface PackageSigner {
  readonly serialized: Uint8Array
  readonly sign: (message: Uint8Array) => Uint8Array
}

const refuse = (reason: string): Either.Either<never, PackageRefused> => Either.left(new PackageRefused({ reason }))

const endorse = (spec: Uint8Array, policy: Uint8Array, owner: PackageSigner) => ({
  endorser: owner.serialized,
  signature: owner.sign(Buffer.concat([spec, policy, owner.serialized]))
})

const envelopeOf = (
  chaincodeDeploymentSpec: Uint8Array,
  instantiationPolicy: Uint8Array,
  ownerEndorsements: ReadonlyArray<protos.Endorsement>,
  seconds: bigint
): Uint8Array =>
  common.Envelope.encode({
    payload: common.Payload.encode({
      header: {
        channelHeader: common.ChannelHeader.encode({
          type: common.HeaderType.CHAINCODE_PACKAGE,
          timestamp: { seconds, nanos: 0 }
        })
      },
      data: protos.SignedChaincodeDeploymentSpec.encode({
        chaincodeDeploymentSpec,
        instantiationPolicy,
        ownerEndorsements
      })
    })
  })

/**
 * A signed package around a deployment spec.
 * @param owner signs it; undefined leaves it unsigned, for others to add theirs
 * @param seconds the time in the header, seconds since the epoch
 */
export const createSignedPackage = (
  spec: Uint8Array,
  instantiationPolicy: Uint8Array,
  owner: PackageSigner | undefined,
  seconds: bigint
): Uint8Array => {
  const endorsements = owner === undefined ? [] : [protos.Endorsement.create(endorse(spec, instantiationPolicy, owner))]
  return envelopeOf(spec, instantiationPolicy, endorsements, seconds)
}

/** Adds an owner's signature to a package that has at least one. */
export const addSignature = (
  bytes: Uint8Array,
  owner: PackageSigner,
  seconds: bigint
): Either.Either<Uint8Array, PackageRefused> =>
  Either.flatMap(openSignedSpec(bytes), ({ signed }) => {
    const { chaincodeDeploymentSpec: spec, instantiationPolicy: policy, ownerEndorsements } = signed
    if (spec.length === 0 || policy.length === 0 || ownerEndorsements.length === 0) {
      return refuse("invalid signed deployment spec")
    }
    const added = protos.Endorsement.create(endorse(spec, policy, owner))
    return Either.right(envelopeOf(spec, policy, [...ownerEndorsements, added], seconds))
  })

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** Why a package may not be put together with the first one; undefined when it may. */
const disagreement = (
  base: protos.SignedChaincodeDeploymentSpec,
  other: protos.SignedChaincodeDeploymentSpec
): string | undefined => {
  const ownCount = base.ownerEndorsements.length
  const otherCount = other.ownerEndorsements.length
  if ((ownCount === 0) !== (otherCount === 0)) return "endorsements should either be both nil or not nil"
  if (ownCount > 1 || otherCount > 1) return "expect utmost 1 endorsement from a owner"
  const ownSpec = base.chaincodeDeploymentSpec
  const otherSpec = other.chaincodeDeploymentSpec
  if (!same(ownSpec, otherSpec)) {
    return `Rule-all deployment specs should match(${ownSpec.length}, ${otherSpec.length})`
  }
  const ownPolicy = base.instantiationPolicy
  const otherPolicy = other.instantiationPolicy
  if (!same(ownPolicy, otherPolicy)) {
    return `Rule-all instantiation policies should match(${ownPolicy.length}, ${otherPolicy.length})`
  }
  return undefined
}

/** Puts packages that owners signed apart into one. The reference loses the signatures on this way; they are kept here. */
export const collateSignedPackages = (
  packages: ReadonlyArray<Uint8Array>,
  seconds: bigint
): Either.Either<Uint8Array, PackageRefused> =>
  Either.gen(function* () {
    const [first, ...others] = packages
    if (first === undefined) return yield* refuse("no packages provided to collate")
    const { signed: base } = yield* openSignedSpec(first)
    const endorsements = [...base.ownerEndorsements]
    for (const bytes of others) {
      const { signed } = yield* openSignedSpec(bytes)
      const fault = disagreement(base, signed)
      if (fault !== undefined) return yield* refuse(fault)
      endorsements.push(...signed.ownerEndorsements)
    }
    return envelopeOf(base.chaincodeDeploymentSpec, base.instantiationPolicy, endorsements, seconds)
  })
