/**
 * Certificate policies of a chain (RFC 5280 as updated by RFC 9618), as Go's crypto/x509 applies them with no requested
 * policy: a chain fails only where a CA demands an explicit policy that is not there, or maps anyPolicy.
 */
import type { Certificate } from "./certificate.js"
import { sameBytes } from "./der.js"

/** Content octets of the OID 2.5.29.32.0 in hexadecimal. */
const ANY_POLICY = "551d2000"

interface Node {
  readonly policy: string
  expected: ReadonlyArray<string>
  readonly parents: Set<Node>
  readonly children: Set<Node>
}

const node = (policy: string, parents: ReadonlyArray<Node>): Node => {
  const made: Node = { policy, expected: [policy], parents: new Set(parents), children: new Set() }
  for (const parent of parents) parent.children.add(made)
  return made
}

type Stratum = Map<string, Node>

/** The graph of valid policies, one stratum per certificate below the trust anchor. */
class PolicyGraph {
  readonly #strata: Array<Stratum> = [new Map([[ANY_POLICY, node(ANY_POLICY, [])]])]

  get #last(): Stratum {
    return this.#strata[this.#strata.length - 1] ?? new Map()
  }

  get #above(): Stratum {
    return this.#strata[this.#strata.length - 2] ?? new Map()
  }

  deepen(): void {
    this.#strata.push(new Map())
  }

  leaf(policy: string): Node | undefined {
    return this.#last.get(policy)
  }

  insert(made: Node): void {
    this.#last.set(made.policy, made)
  }

  parentsExpecting(policy: string): ReadonlyArray<Node> {
    return [...this.#above.values()].filter((above) => above.expected.includes(policy))
  }

  parentWithAny(): Node | undefined {
    return this.#above.get(ANY_POLICY)
  }

  /** Gives every expected policy that no leaf carries a leaf of its own: what anyPolicy stands for. */
  fillFromAny(): void {
    const missing = new Map<string, Array<Node>>()
    for (const above of this.#above.values()) {
      for (const expected of above.expected) {
        if (this.#last.has(expected)) continue
        const parents = missing.get(expected) ?? []
        parents.push(above)
        missing.set(expected, parents)
      }
    }
    for (const [policy, parents] of missing) this.insert(node(policy, parents))
  }

  deleteLeaf(policy: string): void {
    const found = this.#last.get(policy)
    if (found === undefined) return
    for (const parent of found.parents) parent.children.delete(found)
    this.#last.delete(policy)
  }

  prune(): void {
    for (let i = this.#strata.length - 2; i > 0; i--) {
      const stratum = this.#strata[i] ?? new Map<string, Node>()
      for (const [policy, candidate] of stratum) {
        if (candidate.children.size > 0) continue
        for (const parent of candidate.parents) parent.children.delete(candidate)
        stratum.delete(policy)
      }
    }
  }

  /** Whether any policy is valid for the whole chain. */
  hasValidPolicy(): boolean {
    if (this.leaf(ANY_POLICY) !== undefined) return true
    return this.#strata.some((stratum) =>
      [...stratum.values()].some(
        (candidate) =>
          candidate.policy !== ANY_POLICY &&
          candidate.parents.size === 1 &&
          [...candidate.parents].every((parent) => parent.policy === ANY_POLICY)
      )
    )
  }
}

/** Applies a certificate's policy mappings; false when one of them maps anyPolicy. */
const applyMappings = (graph: PolicyGraph, certificate: Certificate, mappingAllowed: boolean): boolean => {
  const mappings = new Map<string, Array<string>>()
  for (const { issuer, subject } of certificate.policy.mappings) {
    if (!mappingAllowed) {
      graph.deleteLeaf(issuer)
      continue
    }
    if (issuer === ANY_POLICY || subject === ANY_POLICY) return false
    const subjects = mappings.get(issuer) ?? []
    subjects.push(subject)
    mappings.set(issuer, subjects)
  }
  graph.prune()
  for (const [issuer, subjects] of mappings) {
    const matching = graph.leaf(issuer)
    const any = graph.leaf(ANY_POLICY)
    if (matching !== undefined) matching.expected = subjects
    else if (any !== undefined) {
      const made = node(issuer, [any])
      made.expected = subjects
      graph.insert(made)
    }
  }
  return true
}

const addPolicies = (graph: PolicyGraph, certificate: Certificate, anyAllowed: boolean): void => {
  graph.deepen()
  for (const policy of certificate.policy.policies) {
    if (policy === ANY_POLICY) continue
    const expecting = graph.parentsExpecting(policy)
    const any = graph.parentWithAny()
    const parents = expecting.length > 0 ? expecting : any === undefined ? [] : [any]
    if (parents.length > 0) graph.insert(node(policy, parents))
  }
  if (certificate.policy.policies.includes(ANY_POLICY) && anyAllowed) graph.fillFromAny()
  graph.prune()
}

const tighten = (current: number, stated: number | undefined): number =>
  stated !== undefined && stated >= 0 && stated < current ? stated : current

/** Whether the chain (leaf first, root last) keeps its CAs' policy rules. */
export const policiesValid = (chain: ReadonlyArray<Certificate>): boolean => {
  if (chain.length === 1) return true
  const depth = chain.length - 1
  let graph: PolicyGraph | undefined = new PolicyGraph()
  let inhibitAny = depth + 1
  let explicit = depth + 1
  let mapping = depth + 1
  for (let i = depth - 1; i >= 0; i--) {
    const certificate = chain[i]
    if (certificate === undefined) continue
    const selfIssued = sameBytes(certificate.issuer.raw, certificate.subject.raw)
    if (certificate.policy.policies.length === 0) graph = undefined
    if (explicit === 0 && graph === undefined) return false
    if (graph !== undefined) {
      addPolicies(graph, certificate, inhibitAny > 0 || (i > 0 && selfIssued))
      if (i > 0 && certificate.policy.mappings.length > 0 && !applyMappings(graph, certificate, mapping > 0))
        return false
    }
    if (i > 0) {
      if (!selfIssued) {
        explicit = Math.max(0, explicit - 1)
        mapping = Math.max(0, mapping - 1)
        inhibitAny = Math.max(0, inhibitAny - 1)
      }
      explicit = tighten(explicit, certificate.policy.requireExplicitPolicy)
      mapping = tighten(mapping, certificate.policy.inhibitPolicyMapping)
      inhibitAny = tighten(inhibitAny, certificate.policy.inhibitAnyPolicy)
    }
  }
  explicit = Math.max(0, explicit - 1)
  if (chain[0]?.policy.requireExplicitPolicy === 0) explicit = 0
  return explicit > 0 || graph?.hasValidPolicy() === true
}
