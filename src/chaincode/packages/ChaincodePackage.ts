/**
 * Chaincode packages as bytes: a deployment spec (CDS), or one signed by its owners in an envelope (SignedCDS). Which of
 * the two some bytes are, their fingerprints, and whether they are what the ledger says. Pure.
 * Source: chaincode.md R60-R64, T14, T19 and section 4.4-4.6; core/common/ccprovider.
 */
import * as Either from "effect/Either"
import { ccprovider, common, protos } from "../../wire/index.js"
import * as raw from "../../wire/raw.js"
import { PackageRefused } from "../errors.js"
import { chaincodeTypeName } from "./platforms.js"

/** The hash of all fingerprints: BCCSP's configured default. Bytes of all chunks, one after the other. */
export type Hash = (...chunks: ReadonlyArray<Uint8Array>) => Uint8Array

/** A package that was recognised. Byte fields are copies or belong to `bytes`. */
export interface ChaincodePackage {
  readonly format: "CDS" | "SignedCDS"
  /** Exactly what was given. */
  readonly bytes: Uint8Array
  readonly name: string
  readonly version: string
  readonly path: string
  /** Name of the spec's type: `GOLANG`, `NODE`, … */
  readonly type: string
  readonly codePackage: Uint8Array
  readonly spec: protos.ChaincodeDeploymentSpec
  /** The serialised deployment spec: `bytes` itself, or the inner spec of a signed package. */
  readonly specBytes: Uint8Array
  /** `ChaincodeData.data`: the hashes. */
  readonly data: Uint8Array
  /** The fingerprint. */
  readonly id: Uint8Array
  /** Present in signed packages only; may be empty there. */
  readonly instantiationPolicy: Uint8Array | undefined
}

type Parsed = Either.Either<ChaincodePackage, PackageRefused>

const refuse = (reason: string): Either.Either<never, PackageRefused> => Either.left(new PackageRefused({ reason }))

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const utf8 = (value: string): Uint8Array => Buffer.from(value, "utf8")

/**
 * Characters that the reference calls printable: letters, marks, numbers, punctuation, symbols and the plain space.
 * Telling packages from garbage rests on it (T19).
 */
const isPrintable = (name: string): boolean => /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u.test(name)

interface Spec {
  readonly spec: protos.ChaincodeDeploymentSpec
  readonly id: protos.ChaincodeID
}

/** The reason that ends recognition: the reference would end its process here (T14). */
const NO_CHAINCODE_ID = "chaincode deployment spec without chaincode id"

const isFinal = (parsed: Parsed): boolean => Either.isLeft(parsed) && parsed.left.reason === NO_CHAINCODE_ID

/** Decodes a deployment spec. */
const decodeSpec = (bytes: Uint8Array, fault: string): Either.Either<Spec, PackageRefused> => {
  let spec: protos.ChaincodeDeploymentSpec
  try {
    spec = protos.ChaincodeDeploymentSpec.decode(bytes)
  } catch {
    return refuse(fault)
  }
  const id = spec.chaincodeSpec?.chaincodeId
  return id === undefined ? refuse(NO_CHAINCODE_ID) : Either.right({ spec, id })
}

const describe = ({ id, spec }: Spec) => ({
  name: id.name,
  version: id.version,
  path: id.path,
  type: chaincodeTypeName(spec.chaincodeSpec?.type ?? 0),
  codePackage: spec.codePackage,
  spec
})

const codeAndMetadataHash = ({ id, spec }: Spec, hash: Hash) => ({
  code: hash(spec.codePackage),
  metadata: hash(utf8(id.name), utf8(id.version))
})

/** Reads bytes as a plain deployment spec. */
export const parseCds = (bytes: Uint8Array, hash: Hash): Parsed =>
  Either.map(decodeSpec(bytes, "failed to unmarshal deployment spec from bytes"), (spec): ChaincodePackage => {
    const { code, metadata } = codeAndMetadataHash(spec, hash)
    return {
      format: "CDS",
      bytes,
      ...describe(spec),
      specBytes: bytes,
      data: ccprovider.CDSData.encode({ codehash: code, metadatahash: metadata }),
      id: hash(code, metadata),
      instantiationPolicy: undefined
    }
  })

/** The parts of the envelope around a signed deployment spec. */
export interface SignedSpecEnvelope {
  readonly headerType: number
  readonly signed: protos.SignedChaincodeDeploymentSpec
  /** The serialised signed spec. */
  readonly signedBytes: Uint8Array
}

/** Takes the envelope of a signed package apart. */
export const openSignedSpec = (bytes: Uint8Array): Either.Either<SignedSpecEnvelope, PackageRefused> => {
  let envelope: common.Envelope
  try {
    envelope = common.Envelope.decode(bytes)
  } catch {
    return refuse("failed to unmarshal envelope from bytes")
  }
  try {
    const payload = common.Payload.decode(envelope.payload)
    if (payload.header === undefined) return refuse("channel header cannot be nil")
    const header = common.ChannelHeader.decode(payload.header.channelHeader)
    const signed = protos.SignedChaincodeDeploymentSpec.decode(payload.data)
    return Either.right({ headerType: header.type, signed, signedBytes: payload.data })
  } catch (error) {
    return refuse(text(error))
  }
}

/** Reads bytes as a signed deployment spec. Owners' signatures are not verified: they only feed the fingerprint (R64). */
export const parseSignedCds = (bytes: Uint8Array, hash: Hash): Parsed =>
  Either.gen(function* () {
    const { headerType, signed, signedBytes } = yield* openSignedSpec(bytes)
    if (headerType !== common.HeaderType.CHAINCODE_PACKAGE) {
      return yield* refuse("invalid type of envelope for chaincode package")
    }
    const specBytes = signed.chaincodeDeploymentSpec
    const spec = yield* decodeSpec(specBytes, "error getting deployment spec")
    // absent differs from empty: the first is refused, the second is a policy of no bytes
    if (!raw.has(signedBytes, 2)) {
      return yield* refuse(`instantiation policy cannot be nil for chaincode (${spec.id.name}:${spec.id.version})`)
    }
    if (!raw.has(signedBytes, 1)) {
      return yield* refuse("signed chaincode deployment spec cannot be nil in a package")
    }
    const { code, metadata } = codeAndMetadataHash(spec, hash)
    const endorsers = signed.ownerEndorsements.map((endorsement) => endorsement.endorser)
    const signatures = hash(signed.instantiationPolicy, ...endorsers)
    return {
      format: "SignedCDS" as const,
      bytes,
      ...describe(spec),
      specBytes,
      data: ccprovider.SignedCDSData.encode({ hash: code, metadatahash: metadata, signaturehash: signatures }),
      id: hash(code, metadata, signatures),
      instantiationPolicy: signed.instantiationPolicy
    }
  })

const printable = (parsed: Parsed): Parsed =>
  Either.flatMap(parsed, (found) =>
    isPrintable(found.name) ? parsed : refuse(`invalid chaincode name: ${JSON.stringify(found.name)}`)
  )

/**
 * `GetCCPackage`: what an install request carries. Both readings are tried; where both fit, the signed one wins (T19).
 */
export const recognisePackage = (bytes: Uint8Array, hash: Hash): Parsed => {
  const plain = printable(parseCds(bytes, hash))
  if (isFinal(plain)) return plain
  const signed = printable(parseSignedCds(bytes, hash))
  if (isFinal(signed) || Either.isRight(signed)) return signed
  if (Either.isRight(plain)) return plain
  return refuse("could not unmarshal chaincode package to CDS or SignedCDS")
}

/** What an install store file holds: a plain spec first, then a signed one (R60). */
export const readStoredPackage = (bytes: Uint8Array, hash: Hash): Parsed => {
  const plain = printable(parseCds(bytes, hash))
  return Either.isRight(plain) || isFinal(plain) ? plain : parseSignedCds(bytes, hash)
}

/** The record that `deploy` and `upgrade` start from (R88): all but the plugins and the endorsement policy. */
export const chaincodeDataOf = (found: ChaincodePackage): ccprovider.ChaincodeData =>
  ccprovider.ChaincodeData.create({
    name: found.name,
    version: found.version,
    data: found.data,
    id: found.id,
    ...(found.instantiationPolicy === undefined ? {} : { instantiationPolicy: found.instantiationPolicy })
  })

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** `ValidateCC`: why a package is not the one that the ledger's record speaks of; undefined when it is. */
export const packageMismatch = (found: ChaincodePackage, record: ccprovider.ChaincodeData): string | undefined => {
  if (!isPrintable(record.name)) return `invalid chaincode name: ${JSON.stringify(record.name)}`
  if (record.name !== found.name || record.version !== found.version) {
    const { name, version } = record
    return `invalid chaincode data name:"${name}" version:"${version}"  (name:"${found.name}" version:"${found.version}" )`
  }
  try {
    return hashesMatch(found, record.data) ? undefined : "data mismatch"
  } catch (error) {
    return text(error)
  }
}

const hashesMatch = (found: ChaincodePackage, data: Uint8Array): boolean => {
  if (found.format === "CDS") {
    const own = ccprovider.CDSData.decode(found.data)
    const other = ccprovider.CDSData.decode(data)
    return same(own.codehash, other.codehash) && same(own.metadatahash, other.metadatahash)
  }
  const own = ccprovider.SignedCDSData.decode(found.data)
  const other = ccprovider.SignedCDSData.decode(data)
  return (
    same(own.hash, other.hash) &&
    same(own.metadatahash, other.metadatahash) &&
    same(own.signaturehash, other.signaturehash)
  )
}
