/**
 * To which peers private data goes at endorsement: pure.
 * Source: gossip-discovery.md 3.10 rules 1 and 2; gossip/privdata/distributor.go (disseminationPlanForMsg).
 */
import { shuffled } from "../../runtime/shuffled.js"

/** A peer that may have the collection. */
export interface Candidate {
  readonly pkiId: Uint8Array
  /** MSP id. */
  readonly org: string
}

export interface Dissemination {
  readonly pkiId: Uint8Array
  /** Without this peer's receipt the endorsement fails. */
  readonly required: boolean
}

/**
 * One random peer of each organisation first, then random others, up to `maximum`; the first `required` must
 * acknowledge. In: peers of the collection's organisations that satisfy its policy.
 */
export const disseminationPlan = (
  candidates: ReadonlyArray<Candidate>,
  { maximum, required }: { readonly maximum: number; readonly required: number },
  random: () => number
): ReadonlyArray<Dissemination> => {
  const orgs = new Map<string, Array<Candidate>>()
  for (const candidate of shuffled(candidates, random)) {
    const known = orgs.get(candidate.org)
    if (known === undefined) orgs.set(candidate.org, [candidate])
    else known.push(candidate)
  }
  const first = shuffled([...orgs.values()], random).flatMap(([one]) => one ?? [])
  const rest = shuffled(
    [...orgs.values()].flatMap(([, ...others]) => others),
    random
  )
  return [...first, ...rest].slice(0, Math.max(maximum, 0)).map(({ pkiId }, i) => ({ pkiId, required: i < required }))
}
