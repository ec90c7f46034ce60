/**
 * Building certificate chains with exactly the verdicts of Go's crypto/x509 `Certificate.Verify` as Fabric calls it
 * (sheet rules 19-22, traps 1-3): every chain is enumerated, no host name, serverAuth wanted, one point in time for all.
 */
import * as Either from "effect/Either"
import type { Certificate } from "./certificate.js"
import { policiesValid } from "./certificatePolicies.js"
import { hex, latin1, sameBytes } from "./der.js"
import { ChainRefused } from "./errors.js"
import { ExtendedKeyUsage, KeyUsage } from "./extensions.js"
import { sha256 } from "./hash.js"
import { ATTRIBUTE, valuesOf } from "./name.js"
import { constraintBreach } from "./nameConstraints.js"
import { signatureFault } from "./signatureAlgorithm.js"

/** From leaf to root. */
export type Chain = ReadonlyArray<Certificate>

/** A set of certificates without duplicates, found by subject. */
export class CertPool {
  readonly #bySubject = new Map<string, Array<Certificate>>()
  readonly #sums = new Set<string>()

  constructor(certificates: Iterable<Certificate> = []) {
    for (const certificate of certificates) this.add(certificate)
  }

  add(certificate: Certificate): void {
    const sum = hex(sha256(certificate.der))
    if (this.#sums.has(sum)) return
    this.#sums.add(sum)
    const subject = latin1(certificate.subject.raw)
    const known = this.#bySubject.get(subject)
    if (known === undefined) this.#bySubject.set(subject, [certificate])
    else known.push(certificate)
  }

  /** Whether exactly this encoding is in the pool. */
  has(certificate: Certificate): boolean {
    return this.#sums.has(hex(sha256(certificate.der)))
  }

  /** Certificates whose subject is the issuer of this one; matching key identifiers first. */
  parentsOf(certificate: Certificate): ReadonlyArray<Certificate> {
    const candidates = this.#bySubject.get(latin1(certificate.issuer.raw)) ?? []
    if (candidates.length < 2) return candidates
    const authority = certificate.authorityKeyId
    const rank = (candidate: Certificate): number => {
      const own = candidate.subjectKeyId
      if (sameBytes(own, authority)) return 0
      return (own.length === 0) !== (authority.length === 0) ? 1 : 2
    }
    return [0, 1, 2].flatMap((wanted) => candidates.filter((candidate) => rank(candidate) === wanted))
  }
}

/** Pools and the point in time (milliseconds since the epoch) that holds for every certificate of the chain. */
export interface VerifyOptions {
  readonly roots: CertPool
  readonly intermediates: CertPool
  readonly at: number
  /** What the chain must be good for: serverAuth as Go's Verify assumes when it is told nothing, clientAuth for TLS clients. */
  readonly usage?: "serverAuth" | "clientAuth"
}

/** Go gives up after this many candidates per verification. */
const MAX_SIGNATURE_CHECKS = 100

const refused = (detail: string) => Either.left(new ChainRefused({ detail }))

const stamp = (epochMs: number): string =>
  Number.isFinite(epochMs) && Math.abs(epochMs) <= 8.64e15
    ? new Date(epochMs).toISOString().replace(/\.\d+/, "")
    : String(epochMs)

const timeFault = (certificate: Certificate, at: number): string | undefined => {
  const prefix = "x509: certificate has expired or is not yet valid: current time"
  if (at < certificate.notBefore) return `${prefix} ${stamp(at)} is before ${stamp(certificate.notBefore)}`
  if (at > certificate.notAfter) return `${prefix} ${stamp(at)} is after ${stamp(certificate.notAfter)}`
  return undefined
}

const certificateFault = (
  certificate: Certificate,
  role: "leaf" | "intermediate" | "root",
  below: Chain,
  at: number
): string | undefined => {
  if (certificate.unhandledCritical.length > 0) return "x509: unhandled critical extension"
  const time = timeFault(certificate, at)
  if (time !== undefined) return time
  if (role === "intermediate" && !certificate.isCA) {
    return "x509: certificate is not authorized to sign other certificates"
  }
  const limit = certificate.basicConstraints?.maxPathLen
  if (limit !== undefined && below.length - 1 > limit) return "x509: too many intermediates for path length constraint"
  return undefined
}

/** Why the parent cannot have signed the child, or undefined when it has. */
export const parentFault = (child: Certificate, parent: Certificate): string | undefined => {
  const constraints = parent.basicConstraints
  const mayNotSign =
    (parent.version === 3 && constraints === undefined) ||
    (constraints !== undefined && !constraints.isCA) ||
    (parent.keyUsage !== 0 && (parent.keyUsage & KeyUsage.certSign) === 0)
  if (mayNotSign) {
    return "x509: invalid signature: parent certificate cannot sign this kind of certificate"
  }
  return signatureFault(child.signatureAlgorithm, parent.publicKey, child.tbs, child.signature, false)
}

const SUBJECT_ALTERNATIVE_NAME = "2.5.29.17"

const alternativeNameBytes = (certificate: Certificate): Uint8Array | undefined =>
  certificate.extensions.find((extension) => extension.oid === SUBJECT_ALTERNATIVE_NAME)?.value

const alreadyInChain = (candidate: Certificate, chain: Chain): boolean => {
  const names = alternativeNameBytes(candidate)
  for (const member of chain) {
    if (!sameBytes(candidate.subject.raw, member.subject.raw) || !sameBytes(candidate.spki, member.spki)) continue
    const others = alternativeNameBytes(member)
    if (names === undefined && others === undefined) return true
    if (names === undefined || others === undefined) return false
    if (sameBytes(names, others)) return true
  }
  return false
}

/** What one step of the search found: chains, or why there are none. */
interface Found {
  readonly chains: ReadonlyArray<Chain>
  readonly fault: string | undefined
}

const LIMIT_REACHED = "x509: signature check attempts limit reached while verifying certificate chain"

/** Enumerates chains depth first; stops for good at the limit of checks. */
class Search {
  #checks = 0

  constructor(readonly options: VerifyOptions) {}

  /** All chains upwards from the last certificate of `below`. The reason of a failure is the last candidate's, as in Go. */
  extend(below: Chain, child: Certificate): Found {
    const chains: Array<Chain> = []
    let fault: string | undefined
    let hint = ""
    const candidates = [
      ...this.options.roots.parentsOf(child).map((parent) => ({ parent, role: "root" as const })),
      ...this.options.intermediates.parentsOf(child).map((parent) => ({ parent, role: "intermediate" as const }))
    ]
    for (const { parent, role } of candidates) {
      this.#checks++
      if (this.#checks > MAX_SIGNATURE_CHECKS) {
        fault = LIMIT_REACHED
        break
      }
      if (parent.publicKey.kind === "unknown" || alreadyInChain(parent, below)) continue
      const signature = parentFault(child, parent)
      if (signature === undefined) fault = certificateFault(parent, role, below, this.options.at)
      const reason = signature ?? fault
      if (reason !== undefined) {
        if (hint === "") hint = hintOf(reason, parent)
        continue
      }
      if (role === "root") {
        chains.push([...below, parent])
        continue
      }
      const above = this.extend([...below, parent], parent)
      chains.push(...above.chains)
      fault = above.fault
      if (fault === LIMIT_REACHED) break
    }
    if (chains.length > 0) return { chains, fault: undefined }
    return { chains, fault: fault ?? `x509: certificate signed by unknown authority${hint}` }
  }
}

const hintOf = (reason: string, parent: Certificate): string => {
  const [organization] = valuesOf(parent.subject, ATTRIBUTE.organization)
  const name = parent.subject.commonName || organization || `serial:${parent.serialNumber}`
  return ` (possibly because of "${reason}" while trying to verify candidate authority certificate "${name}")`
}

const allows = (chain: Chain, usage: "serverAuth" | "clientAuth"): boolean =>
  chain.every(
    ({ extendedKeyUsages }) =>
      extendedKeyUsages.length === 0 ||
      extendedKeyUsages.includes(ExtendedKeyUsage.any) ||
      extendedKeyUsages.includes(ExtendedKeyUsage[usage])
  )

/** Checks each certificate's alternative names against the constraints of everything above it. */
const chainConstraintBreach = (chain: Chain): string | undefined => {
  if (chain.every((certificate) => certificate.nameConstraints === undefined)) return undefined
  for (const [i, certificate] of chain.entries()) {
    const names = certificate.alternativeNames
    if (names === undefined) continue
    for (const above of chain.slice(i + 1)) {
      if (above.nameConstraints === undefined) continue
      const breach = constraintBreach(above.nameConstraints, names)
      if (breach !== undefined) return breach
    }
  }
  return undefined
}

/**
 * All chains from the certificate to the roots, or why there is none. A certificate that is itself in the root pool has
 * one chain, itself, whose signature nobody checks.
 */
export const verifyChains = (
  certificate: Certificate,
  options: VerifyOptions
): Either.Either<ReadonlyArray<Chain>, ChainRefused> => {
  const fault = certificateFault(certificate, "leaf", [], options.at)
  if (fault !== undefined) return refused(fault)
  let candidates: ReadonlyArray<Chain>
  if (options.roots.has(certificate)) candidates = [[certificate]]
  else {
    const found = new Search(options).extend([certificate], certificate)
    if (found.fault !== undefined) return refused(found.fault)
    candidates = found.chains
  }
  let breach: string | undefined
  let wrongUsage = 0
  let wrongPolicy = 0
  const chains = candidates.filter((chain) => {
    if (!policiesValid(chain)) {
      wrongPolicy++
      return false
    }
    if (!allows(chain, options.usage ?? "serverAuth")) {
      wrongUsage++
      return false
    }
    const found = chainConstraintBreach(chain)
    breach ??= found
    return found === undefined
  })
  if (chains.length > 0) return Either.right(chains)
  if (breach !== undefined)
    return refused(`x509: a root or intermediate certificate is not authorized to sign for this name: ${breach}`)
  if (wrongUsage > 0 && wrongPolicy === 0) return refused("x509: certificate specifies an incompatible key usage")
  const details = [
    ...(wrongUsage > 0 ? [`${wrongUsage} candidate chains with incompatible key usage`] : []),
    `${wrongPolicy} candidate chains with invalid policies`
  ]
  return refused(`x509: no valid chains built: ${details.join(", ")}`)
}
