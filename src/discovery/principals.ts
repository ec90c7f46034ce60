/**
 * Principals that can be compared, and the merging of what several chaincodes ask for. Pure.
 * Source: gossip-discovery.md 3.12 rules 8 and 9; common/policies/inquire/compare.go, merge.go.
 */
import { equalBytes } from "../wire/bytes.js"
import { common } from "../wire/index.js"
import type { PrincipalSet } from "./expansion.js"

export interface ComparablePrincipal {
  readonly principal: common.MSPPrincipal
  readonly mspId: string
  readonly role: number | undefined
  readonly unit: { readonly name: string; readonly issuer: Uint8Array } | undefined
}

export type ComparableSet = ReadonlyArray<ComparablePrincipal>

/** Roles and organisational units compare; anything else, or what does not decode, is undefined. */
export const comparable = (principal: common.MSPPrincipal): ComparablePrincipal | undefined => {
  try {
    switch (principal.principalClassification) {
      case common.MSPPrincipal_Classification.ROLE: {
        const { mspIdentifier, role } = common.MSPRole.decode(principal.principal)
        return { principal, mspId: mspIdentifier, role, unit: undefined }
      }
      case common.MSPPrincipal_Classification.ORGANIZATION_UNIT: {
        const found = common.OrganizationUnit.decode(principal.principal)
        const unit = { name: found.organizationalUnitIdentifier, issuer: found.certifiersIdentifier }
        return { principal, mspId: found.mspIdentifier, role: undefined, unit }
      }
      default:
        return undefined
    }
  } catch {
    return undefined
  }
}

/** A whole set; undefined when one of it does not compare. */
export const comparableSet = (set: PrincipalSet): ComparableSet | undefined => {
  const found: Array<ComparablePrincipal> = []
  for (const principal of set) {
    const made = comparable(principal)
    if (made === undefined) return undefined
    found.push(made)
  }
  return found
}

/** Whether everybody who satisfies `one` satisfies `other` too. */
export const isA = (one: ComparablePrincipal, other: ComparablePrincipal): boolean => {
  if (one.mspId !== other.mspId) return false
  if (other.role === common.MSPRole_MSPRoleType.MEMBER) return true
  if (one.unit !== undefined && other.unit !== undefined)
    return one.unit.name === other.unit.name && equalBytes(one.unit.issuer, other.unit.issuer)
  return one.role !== undefined && one.role === other.role
}

const equal = (one: ComparablePrincipal, other: ComparablePrincipal): boolean =>
  one.principal.principalClassification === other.principal.principalClassification &&
  equalBytes(one.principal.principal, other.principal.principal)

/** Whoever satisfies `containing` satisfies `contained`. */
const isContained = (contained: ComparableSet, containing: ComparableSet): boolean =>
  contained.every((one) => containing.some((other) => isA(other, one)))

const isSubset = (one: ComparableSet, other: ComparableSet): boolean =>
  one.every((principal) => other.some((candidate) => equal(principal, candidate)))

/** The containing set, with those of the contained one that no principal of it is left to cover. */
const withPlurality = (contained: ComparableSet, containing: ComparableSet): ComparableSet => {
  const used = new Set<number>()
  const added: Array<ComparablePrincipal> = []
  for (const principal of contained) {
    const cover = containing.findIndex((candidate, index) => !used.has(index) && isA(candidate, principal))
    if (cover < 0) added.push(principal)
    else used.add(cover)
  }
  return [...containing, ...added]
}

/** Drops every set that includes another one; of equal ones the first stays. */
const reduced = (sets: ReadonlyArray<ComparableSet>): ReadonlyArray<ComparableSet> => {
  let current = sets
  for (;;) {
    const before = current
    current = before.filter((set, index) => {
      let containing = false
      for (const [other, candidate] of before.entries()) {
        if (other === index) continue
        if (isSubset(candidate, set)) containing = true
        // the reference looks at the sets in turn: a later equal one forgives an earlier subset
        if (isSubset(set, candidate) && index < other) containing = false
      }
      return !containing
    })
    if (current.length === before.length) return current
  }
}

/** Pairs (i, j) for which set i of `sets` is contained in set j of `others`. */
const containments = (
  sets: ReadonlyArray<ComparableSet>,
  others: ReadonlyArray<ComparableSet>
): ReadonlyArray<readonly [contained: number, containing: number]> =>
  sets.flatMap((set, i) => others.flatMap((other, j) => (isContained(set, other) ? [[i, j] as const] : [])))

const without = (sets: ReadonlyArray<ComparableSet>, indexes: Iterable<number>): ReadonlyArray<ComparableSet> => {
  const gone = new Set(indexes)
  return sets.filter((_, index) => !gone.has(index))
}

const merged = (
  sets: ReadonlyArray<ComparableSet>,
  others: ReadonlyArray<ComparableSet>,
  pairs: ReadonlyArray<readonly [number, number]>
): ReadonlyArray<ComparableSet> => pairs.map(([i, j]) => withPlurality(sets[i] ?? [], others[j] ?? []))

/** Sets each of which satisfies both policies. */
export const mergeSets = (
  first: ReadonlyArray<ComparableSet>,
  second: ReadonlyArray<ComparableSet>
): ReadonlyArray<ComparableSet> => {
  const inSecond = containments(first, second)
  const fromFirst = merged(first, second, inSecond)
  const one = without(
    first,
    inSecond.map(([contained]) => contained)
  )
  const inFirst = containments(second, one)
  const fromSecond = merged(second, one, inFirst)
  const two = without(
    second,
    inFirst.map(([contained]) => contained)
  )
  // Indexes of containing sets are those of the lists that they were found in. The second list has lost sets since its
  // own were found: the reference takes them from the shorter list all the same, and so do we.
  const restOne = without(
    one,
    inFirst.map(([, containing]) => containing)
  )
  const restTwo = without(
    two,
    inSecond.map(([, containing]) => containing)
  )
  const soFar = [...fromFirst, ...fromSecond]
  if (restOne.length === 0 || restTwo.length === 0) return reduced(soFar)
  const combined = restOne.flatMap((x) => restTwo.map((y) => withPlurality(x, y)))
  return reduced([...soFar, ...combined])
}
