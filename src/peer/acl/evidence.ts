/** What a caller shows: the bytes it signed, who it says it is, the signature. Pure. */
import * as Either from "effect/Either"
import type { SignedData } from "../../policy/index.js"
import { common, protos } from "../../wire/index.js"

export type { SignedData } from "../../policy/index.js"

/** Which part of a signed proposal could not be read. */
export interface Unreadable {
  readonly part: "proposal" | "header" | "signature header"
  readonly reason: string
}

const read = <A>(part: Unreadable["part"], decode: () => A): Either.Either<A, Unreadable> =>
  Either.try({
    try: decode,
    catch: (error) => ({ part, reason: error instanceof Error ? error.message : String(error) })
  })

/** A signed proposal as policies want it: its creator's signature over the proposal's bytes. */
export const signedDataOf = (signed: protos.SignedProposal): Either.Either<SignedData, Unreadable> =>
  Either.gen(function* () {
    const proposal = yield* read("proposal", () => protos.Proposal.decode(signed.proposalBytes))
    const header = yield* read("header", () => common.Header.decode(proposal.header))
    const { creator } = yield* read("signature header", () => common.SignatureHeader.decode(header.signatureHeader))
    return { data: signed.proposalBytes, identity: creator, signature: signed.signature }
  })
