/**
 * Which sets of principals satisfy a signature policy. Pure.
 * Source: gossip-discovery.md 3.12 rule 8; common/policies/inquire/inquire.go, common/graph/perm.go.
 *
 * The policy is a tree of N-out-of vertices. Walked breadth first, each inner vertex multiplies the trees that still hold
 * it by its combinations (lower index first); trees that lost the vertex go before the multiplied ones.
 */
import type { common } from "../wire/index.js"

export type PrincipalSet = ReadonlyArray<common.MSPPrincipal>

interface Vertex {
  /** Index of the principal; undefined for an N-out-of. */
  readonly signedBy: number | undefined
  readonly threshold: number
  /** A random descendant is taken from a vertex of too many combinations. */
  descendants: ReadonlyArray<Vertex>
}

/** One choice made in every inner vertex on the way: the vertices that are left below each. */
type Choice = ReadonlyMap<Vertex, ReadonlyArray<Vertex>>

/** Combinations of one vertex beyond which descendants are dropped. */
export const combinationsLimit = 10_000

/** Whether n over k exceeds the limit; counts no further than that. */
const combinationsExceed = (n: number, k: number, limit: number): boolean => {
  if (k < 0 || n < k) return false
  let count = 1
  const smaller = Math.min(k, n - k)
  for (let i = 1; i <= smaller; i++) {
    count = (count * (n - smaller + i)) / i
    if (count > limit) return true
  }
  return false
}

/** Combinations of `k` of `items`, those with lower indexes first. */
const combinations = <A>(items: ReadonlyArray<A>, k: number): ReadonlyArray<ReadonlyArray<A>> => {
  const found: Array<ReadonlyArray<A>> = []
  const chosen: Array<A> = []
  const choose = (from: number): void => {
    if (chosen.length === k) {
      found.push([...chosen])
      return
    }
    if (k - chosen.length > items.length - from) return
    const item = items[from]
    if (item === undefined) return
    chosen.push(item)
    choose(from + 1)
    chosen.pop()
    choose(from + 1)
  }
  choose(0)
  return found
}

const vertexOf = (rule: common.SignaturePolicy): Vertex =>
  rule.nOutOf === undefined
    ? { signedBy: rule.signedBy, threshold: 0, descendants: [] }
    : { signedBy: undefined, threshold: rule.nOutOf.n, descendants: rule.nOutOf.rules.map(vertexOf) }

const breadthFirst = (
  root: Vertex,
  descendantsOf: (vertex: Vertex) => ReadonlyArray<Vertex>
): ReadonlyArray<Vertex> => {
  const order: Array<Vertex> = [root]
  for (const vertex of order) for (const below of descendantsOf(vertex)) order.push(below)
  return order
}

/** Trees in all: a policy that multiplies without end must not take the peer's memory with it. */
const TREES = 200_000

/**
 * The sets, in the reference's order; empty when a leaf names no principal or nothing satisfies the policy.
 * @param random a number in [0, 1), for policies of too many combinations
 */
export const satisfyingSets = (
  policy: common.SignaturePolicyEnvelope,
  random: () => number = Math.random
): ReadonlyArray<PrincipalSet> => {
  if (policy.rule === undefined) return []
  const root = vertexOf(policy.rule)
  const inner = breadthFirst(root, (vertex) => vertex.descendants).filter(({ descendants }) => descendants.length > 0)
  const options = new Map<Vertex, ReadonlyArray<ReadonlyArray<Vertex>>>()
  for (const vertex of inner) {
    while (combinationsExceed(vertex.descendants.length, vertex.threshold, combinationsLimit)) {
      const victim = Math.floor(random() * vertex.descendants.length)
      vertex.descendants = vertex.descendants.filter((_, index) => index !== victim)
    }
    options.set(vertex, combinations(vertex.descendants, vertex.threshold))
  }
  let trees: ReadonlyArray<Choice> = [new Map()]
  const below = (tree: Choice) => (vertex: Vertex) => tree.get(vertex) ?? vertex.descendants
  // vertices that were dropped above no longer count
  for (const vertex of breadthFirst(root, ({ descendants }) => descendants)) {
    const choices = options.get(vertex)
    if (choices === undefined) continue
    const without: Array<Choice> = []
    const multiplied: Array<Choice> = []
    for (const tree of trees) {
      if (!breadthFirst(root, below(tree)).includes(vertex)) without.push(tree)
      else for (const choice of choices) multiplied.push(new Map([...tree, [vertex, choice]]))
      if (multiplied.length > TREES) return []
    }
    trees = [...without, ...multiplied]
  }
  const sets: Array<PrincipalSet> = []
  for (const tree of trees) {
    const set: Array<common.MSPPrincipal> = []
    for (const vertex of breadthFirst(root, below(tree))) {
      if (below(tree)(vertex).length > 0) continue
      const principal = vertex.signedBy === undefined ? undefined : policy.identities[vertex.signedBy]
      if (principal === undefined) return []
      set.push(principal)
    }
    if (set.length === 0) return []
    sets.push(set)
  }
  return sets
}
