/**
 * Authentication filters: what is looked at before the endorser sees a proposal. They run in the order of
 * `peer.handlers.authFilters`; the first refusal is the call's gRPC error.
 * Source: peer-endorse-validate.md 2.6, 3.4 rules 1 and 2; core/handlers/auth/filter.
 */
import * as Effect from "effect/Effect"
import { latin1 } from "../../crypto/index.js"
import { expiresAt } from "../../msp/index.js"
import { textOf } from "../../runtime/Stage.js"
import { common, protos } from "../../wire/index.js"
import { ProposalRejected } from "../errors.js"

export interface AuthFilter {
  readonly check: (signed: protos.SignedProposal) => Effect.Effect<void, ProposalRejected>
}

/** Makes a filter of one node; filters may keep state. */
export type AuthFilterFactory = () => AuthFilter

/** Lets everything pass. */
export const defaultAuth: AuthFilterFactory = () => ({ check: () => Effect.void })

const creatorOf = (signed: protos.SignedProposal): Uint8Array | ProposalRejected => {
  const parse = <A>(what: string, message: string, read: () => A): A | ProposalRejected => {
    try {
      return read()
    } catch (error) {
      return new ProposalRejected({ reason: `failed parsing ${what}: error unmarshaling ${message}: ${textOf(error)}` })
    }
  }
  const proposal = parse("proposal", "Proposal", () => protos.Proposal.decode(signed.proposalBytes))
  if (proposal instanceof ProposalRejected) return proposal
  const header = parse("header", "Header", () => common.Header.decode(proposal.header))
  if (header instanceof ProposalRejected) return header
  const signature = parse("signature header", "SignatureHeader", () =>
    common.SignatureHeader.decode(header.signatureHeader)
  )
  return signature instanceof ProposalRejected ? signature : signature.creator
}

/** Creators whose certificate's end is remembered. */
const REMEMBERED = 1000

/**
 * Refuses creators whose certificate has ended; what is no X.509 identity passes. Policies and validation do not look
 * at the time (trap 24).
 */
export const expirationCheck: AuthFilterFactory = () => {
  const ends = new Map<string, number | undefined>()
  const endOf = (creator: Uint8Array): number | undefined => {
    const key = latin1(creator)
    if (ends.has(key)) return ends.get(key)
    const end = expiresAt(creator)
    if (ends.size >= REMEMBERED) ends.clear()
    ends.set(key, end)
    return end
  }
  return {
    check: (signed) =>
      Effect.clockWith((clock) => {
        const now = clock.unsafeCurrentTimeMillis()
        const creator = creatorOf(signed)
        if (creator instanceof ProposalRejected) return creator
        const end = endOf(creator)
        return end !== undefined && now > end ? new ProposalRejected({ reason: "identity expired" }) : Effect.void
      })
  }
}

/** Refuses everything as long as `blocked` says so: ledgers that were reset have not caught up yet (rule 2). */
export const resetFilter = (blocked: () => boolean): AuthFilter => ({
  check: () =>
    Effect.suspend(() =>
      blocked()
        ? new ProposalRejected({ reason: "endorse requests are blocked while ledgers are being rebuilt" })
        : Effect.void
    )
})

/** The filters that the configuration may name. */
export const builtinAuthFilters: ReadonlyMap<string, AuthFilterFactory> = new Map([
  ["DefaultAuth", defaultAuth],
  ["ExpirationCheck", expirationCheck]
])
