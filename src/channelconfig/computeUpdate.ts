/**
 * The config update that leads from one configuration to another: what was touched, and enough around it for the read
 * set (common/tools/configtxlator/update/update.go). Pure.
 */
import * as Either from "effect/Either"
import { equalBytes } from "../wire/bytes.js"
import { common } from "../wire/index.js"
import { ConfigError } from "./errors.js"
import { type Config, type ConfigGroup, type ConfigPolicy, type ConfigValue, equalPolicies, newGroup } from "./tree.js"

interface MapUpdate<A> {
  readonly read: Map<string, A>
  readonly write: Map<string, A>
  /** Members that did not change: they join both sets when the group's membership did. */
  readonly same: Map<string, A>
  readonly membersChanged: boolean
}

/** Elements with content of their own: values and policies. */
const elementsUpdate = <A extends { readonly version: bigint }>(
  original: ReadonlyMap<string, A>,
  updated: ReadonlyMap<string, A>,
  equal: (a: A, b: A) => boolean,
  bare: (version: bigint) => A
): MapUpdate<A> => {
  const out = { read: new Map<string, A>(), write: new Map<string, A>(), same: new Map<string, A>() }
  let membersChanged = false
  for (const [key, before] of original) {
    const after = updated.get(key)
    if (after === undefined) membersChanged = true
    else if (equal(before, after)) out.same.set(key, bare(before.version))
    else out.write.set(key, { ...after, version: before.version + 1n, unknown: undefined })
  }
  for (const [key, after] of updated) {
    if (original.has(key)) continue
    membersChanged = true
    out.write.set(key, { ...after, version: 0n, unknown: undefined })
  }
  return { ...out, membersChanged }
}

const groupsUpdate = (
  original: ReadonlyMap<string, ConfigGroup>,
  updated: ReadonlyMap<string, ConfigGroup>
): MapUpdate<ConfigGroup> => {
  const out = {
    read: new Map<string, ConfigGroup>(),
    write: new Map<string, ConfigGroup>(),
    same: new Map<string, ConfigGroup>()
  }
  let membersChanged = false
  for (const [key, before] of original) {
    const after = updated.get(key)
    if (after === undefined) {
      membersChanged = true
      continue
    }
    const group = groupUpdate(before, after)
    if (!group.changed) {
      out.same.set(key, group.read)
      continue
    }
    out.read.set(key, group.read)
    out.write.set(key, group.write)
  }
  for (const [key, after] of updated) {
    if (original.has(key)) continue
    membersChanged = true
    const { write } = groupUpdate(newGroup(), after)
    out.write.set(key, { ...write, version: 0n, modPolicy: after.modPolicy })
  }
  return { ...out, membersChanged }
}

const merged = <A>(changed: ReadonlyMap<string, A>, same: ReadonlyMap<string, A>): Map<string, A> =>
  new Map([...changed, ...same])

const groupUpdate = (
  original: ConfigGroup,
  updated: ConfigGroup
): { readonly read: ConfigGroup; readonly write: ConfigGroup; readonly changed: boolean } => {
  const policies = elementsUpdate<ConfigPolicy>(
    original.policies,
    updated.policies,
    (a, b) => a.modPolicy === b.modPolicy && equalPolicies(a.policy, b.policy),
    (version) => common.ConfigPolicy.create({ version })
  )
  const values = elementsUpdate<ConfigValue>(
    original.values,
    updated.values,
    (a, b) => a.modPolicy === b.modPolicy && equalBytes(a.value, b.value),
    (version) => common.ConfigValue.create({ version })
  )
  const groups = groupsUpdate(original.groups, updated.groups)
  const { version } = original
  const selfChanged =
    policies.membersChanged ||
    values.membersChanged ||
    groups.membersChanged ||
    original.modPolicy !== updated.modPolicy
  if (selfChanged) {
    return {
      read: newGroup({
        version,
        policies: merged(policies.read, policies.same),
        values: merged(values.read, values.same),
        groups: merged(groups.read, groups.same)
      }),
      write: newGroup({
        version: version + 1n,
        policies: merged(policies.write, policies.same),
        values: merged(values.write, values.same),
        groups: merged(groups.write, groups.same),
        modPolicy: updated.modPolicy
      }),
      changed: true
    }
  }
  const changed = [policies, values, groups].some(({ read, write }) => read.size > 0 || write.size > 0)
  if (!changed) return { read: newGroup({ version }), write: newGroup({ version }), changed }
  return {
    read: newGroup({ version, policies: policies.read, values: values.read, groups: groups.read }),
    write: newGroup({ version, policies: policies.write, values: values.write, groups: groups.write }),
    changed
  }
}

/**
 * In: two configurations with their channel groups.
 * Out: the update from the first to the second, its channel id still empty. Errors: a group missing, or no difference.
 */
export const computeUpdate = (original: Config, updated: Config): Either.Either<common.ConfigUpdate, ConfigError> => {
  const refuse = (detail: string) => Either.left(new ConfigError({ detail }))
  if (original.channelGroup === undefined) return refuse("no channel group included for original config")
  if (updated.channelGroup === undefined) return refuse("no channel group included for updated config")
  const { changed, read, write } = groupUpdate(original.channelGroup, updated.channelGroup)
  if (!changed) return refuse("no differences detected between original and updated config")
  return Either.right(common.ConfigUpdate.create({ readSet: read, writeSet: write }))
}
