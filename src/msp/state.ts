/** What an MSP knows after its set-up. Written by setup.ts step by step, read-only from then on. */

import type * as Either from "effect/Either"
import type { Certificate, CertPool, Chain, ChainRefused, Crl, HashName } from "../crypto/index.js"
import type { X509Identity } from "./Identity.js"
import type { MspVersion, Signer } from "./model.js"

/** One of the special organizational units; an empty identifier takes any issuer. */
export interface NodeOu {
  readonly name: string
  readonly certifiersIdentifier: Uint8Array
}

/** The roles that NodeOUs tell apart. */
export type NodeRole = "CLIENT" | "PEER" | "ADMIN" | "ORDERER"

export interface MspState {
  readonly mspId: string
  readonly version: MspVersion
  identityHash: HashName
  /** As configured; an unknown family makes signing and verifying fail, not the set-up. */
  signatureFamily: string
  roots: CertPool
  intermediates: CertPool
  rootIdentities: ReadonlyArray<X509Identity>
  intermediateIdentities: ReadonlyArray<X509Identity>
  /** DER (latin1) of CA certificates that issued an intermediate of this MSP. */
  internalNodes: ReadonlySet<string>
  crls: ReadonlyArray<Crl>
  admins: ReadonlyArray<X509Identity>
  ouIdentifiers: ReadonlyMap<string, ReadonlyArray<Uint8Array>>
  ouEnforcement: boolean
  nodeOus: Readonly<Partial<Record<NodeRole, NodeOu>>>
  tlsRootCerts: ReadonlyArray<Uint8Array>
  tlsIntermediateCerts: ReadonlyArray<Uint8Array>
  signer: Signer | undefined
  /** Chains by certificate: a pure function of the pools, forgotten when these change. */
  chains: WeakMap<Certificate, Either.Either<Chain, ChainRefused>>
  /** Certifiers identifiers by certificate, a pure function of the chain. */
  certifiers: WeakMap<Certificate, Uint8Array>
}
