/** Randomness as a value, so that a run can be repeated from its seed. */
import { randomBytes, randomInt } from "node:crypto"

export interface Random {
  /** A nonce; never 0, which stands for none. */
  readonly nonce: () => bigint
  /** A whole number from 0 to `below` - 1; `below` is at least 1. */
  readonly below: (below: number) => number
}

/** The machine's randomness. */
export const systemRandom: Random = {
  nonce: () => {
    for (;;) {
      const nonce = randomBytes(8).readBigUInt64BE()
      if (nonce !== 0n) return nonce
    }
  },
  below: (below) => randomInt(below)
}

/** Reproducible numbers from a seed (splitmix32). For tests and simulations only: who knows the seed knows them all. */
export const seededRandom = (seed: number): Random => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x9e3779b9) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
  return {
    nonce: () => (BigInt(next()) << 32n) | BigInt(next()) | 1n,
    below: (below) => next() % below
  }
}

/**
 * Up to `k` elements of `pool` that pass `eligible`, each choice equally likely; `pool` stays as it is and `eligible` is
 * asked no more often than needed.
 * Source: gossip/filter/filter.go SelectPeers.
 */
export const pick = <A>(
  random: Random,
  k: number,
  pool: ReadonlyArray<A>,
  eligible: (candidate: A) => boolean = () => true
): Array<A> => {
  const chosen: Array<A> = []
  // a shuffle that goes only as far as it must: the map holds the places that differ from the pool's order
  const moved = new Map<number, number>()
  for (let left = pool.length; left > 0 && chosen.length < k; left--) {
    const at = random.below(left)
    const index = moved.get(at) ?? at
    moved.set(at, moved.get(left - 1) ?? left - 1)
    const candidate = pool[index]
    if (candidate !== undefined && eligible(candidate)) chosen.push(candidate)
  }
  return chosen
}
