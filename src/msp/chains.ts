/** Chains of certificates under one MSP (sheet rules 19-25 and 28; msp/mspimpl.go). Pure functions of the state. */
import * as Either from "effect/Either"
import {
  type Certificate,
  type Chain,
  ChainRefused,
  hash,
  isEcdsaSigned,
  latin1,
  sanitise,
  verifyChains
} from "../crypto/index.js"
import type { MspState } from "./state.js"
import { goBytes } from "./text.js"

/** Identities are judged one second after their certificate's first: never by the wall clock. */
const AFTER_NOT_BEFORE_MS = 1000

const refused = (detail: string) => Either.left(new ChainRefused({ detail }))

/** The only chain of the certificate to this MSP's roots. */
export const uniqueChain = (state: MspState, certificate: Certificate): Either.Either<Chain, ChainRefused> => {
  const known = state.chains.get(certificate)
  if (known !== undefined) return known
  const found = onlyChain(
    verifyChains(certificate, {
      roots: state.roots,
      intermediates: state.intermediates,
      at: certificate.notBefore + AFTER_NOT_BEFORE_MS
    })
  )
  state.chains.set(certificate, found)
  return found
}

/** Exactly one chain, or the reference's refusal. */
export const onlyChain = (
  chains: Either.Either<ReadonlyArray<Chain>, ChainRefused>
): Either.Either<Chain, ChainRefused> => {
  if (Either.isLeft(chains)) return refused(`the supplied identity is not valid: ${chains.left.detail}`)
  const [chain] = chains.right
  return chain !== undefined && chains.right.length === 1
    ? Either.right(chain)
    : refused(`this MSP only supports a single validation chain, got ${chains.right.length}`)
}

/**
 * The chain of an identity (or, with `intermediate`, of an intermediate CA): at least two certificates, and the issuer is
 * not itself an issuer of CAs.
 */
export const validationChain = (
  state: MspState,
  certificate: Certificate,
  intermediate = false
): Either.Either<Chain, ChainRefused> => {
  const found = uniqueChain(state, certificate)
  if (Either.isLeft(found)) return refused(`failed getting validation chain: ${found.left.detail}`)
  const chain = found.right
  if (chain.length < 2) return refused(`expected a chain of length at least 2, got ${chain.length}`)
  const parent = chain[intermediate ? 0 : 1]
  if (parent !== undefined && state.internalNodes.has(latin1(parent.der))) {
    const text = "invalid validation chain. Parent certificate should be a leaf of the certification tree"
    return refused(`${text} [${goBytes(certificate.der)}]`)
  }
  return found
}

/** The chain of an identity; a CA certificate is none. */
export const certificationChain = (state: MspState, certificate: Certificate): Either.Either<Chain, ChainRefused> =>
  certificate.isCA
    ? refused(
        "An X509 certificate with Basic Constraint: Certificate Authority equals true cannot be used as an identity"
      )
    : validationChain(state, certificate)

/** Hash over the DER of the certificates, in order. */
export const certifiersIdentifier = (state: MspState, cas: Chain): Uint8Array =>
  hash(state.identityHash, ...cas.map((certificate) => certificate.der))

/** Hash over the CAs above an identity, or why it has no chain. */
export const identityCertifiers = (
  state: MspState,
  certificate: Certificate
): Either.Either<Uint8Array, ChainRefused> => {
  const known = state.certifiers.get(certificate)
  if (known !== undefined) return Either.right(known)
  const chain = certificationChain(state, certificate)
  if (Either.isLeft(chain)) return Either.left(chain.left)
  const identifier = certifiersIdentifier(state, chain.right.slice(1))
  state.certifiers.set(certificate, identifier)
  return Either.right(identifier)
}

/** The certificate with a low-S signature. One signed with ECDSA needs its chain for that, so this may refuse it. */
export const sanitiseCertificate = (
  state: MspState,
  certificate: Certificate
): Either.Either<Certificate, { readonly detail: string }> => {
  if (!isEcdsaSigned(certificate)) return Either.right(certificate)
  const chain = uniqueChain(state, certificate)
  if (Either.isLeft(chain)) return Either.left(chain.left)
  const parent = certificate.isCA && chain.right.length === 1 ? certificate : chain.right[1]
  // Trap 26: a certificate in the root pool that is no CA has no parent; Go crashes, we refuse.
  if (parent === undefined) return refused("a certificate without the CA attribute stands among the root certificates")
  return sanitise(certificate, parent)
}
