/** Random order, from dice that are passed in. Pure. */

/** The list in random order, each equally likely; `random` gives numbers from 0 (inclusive) to 1 (exclusive). */
export const shuffled = <A>(list: ReadonlyArray<A>, random: () => number): ReadonlyArray<A> => {
  const out = [...list]
  for (let i = out.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1))
    const a = out[i]
    const b = out[j]
    if (a !== undefined && b !== undefined) {
      out[i] = b
      out[j] = a
    }
  }
  return out
}
