/**
 * Every signature of a block, handed to the thread pool as soon as the block is there and read in order later. Which
 * block comes next does not matter to a signature: only the MSPs do, so work done under another configuration is
 * thrown away (see TxValidator).
 * Source: peer-endorse-validate.md 3.9 rule 2; design.md section 5.
 */
import * as Either from "effect/Either"
import type { IdentityDeserializer } from "../msp/index.js"
import { type SignedData, type Verification, type Verify, verifyAhead } from "../policy/index.js"
import { concatBytes } from "../wire/protoutil.js"
import type { CreatorSignature, EndorserTransaction } from "./message.js"

/** Whether a creator is a valid member and its signature holds; settles, never rejects. */
export const verifyCreator = (
  creator: CreatorSignature,
  deserializer: IdentityDeserializer | undefined
): Promise<boolean> | false => {
  if (deserializer === undefined) return false
  const identity = deserializer.deserializeIdentity(creator.creator)
  if (Either.isLeft(identity) || Either.isLeft(deserializer.validate(identity.right))) return false
  return identity.right.verifyAsync(creator.data, creator.signature)
}

/** The signature set of a transaction: each endorser signs the response payload followed by itself. */
export const endorsementSet = (parts: EndorserTransaction): ReadonlyArray<SignedData> => {
  const { endorsements, proposalResponsePayload } = parts.endorsedAction
  return endorsements.map(({ endorser, signature }) => ({
    data: concatBytes(proposalResponsePayload, endorser),
    identity: endorser,
    signature
  }))
}

/** Verifies what any policy may ask of a set: the first signature of each identity (policies drop the others). */
export const verifyEndorsements = (
  set: ReadonlyArray<SignedData>,
  deserializer: IdentityDeserializer
): Promise<Verify> => {
  const seen = new Set<string>()
  const wanted: Array<Verification> = []
  for (const { data, identity, signature } of set) {
    const known = deserializer.deserializeIdentity(identity)
    if (Either.isLeft(known)) continue
    const key = known.right.mspId + known.right.id
    if (seen.has(key)) continue
    seen.add(key)
    wanted.push({ identity: known.right, data, signature })
  }
  return verifyAhead(wanted)
}
