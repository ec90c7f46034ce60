/**
 * The configuration as a flat map from element to content, the form in which updates are judged
 * (identity-policy-config rules 67, 73 and 74; common/configtx/configmap.go). Pure.
 */
import * as Either from "effect/Either"
import { ConfigError } from "./errors.js"
import { validateConfigId } from "./ids.js"
import { type ConfigGroup, type ConfigPolicy, type ConfigValue, finish, groupBuilder } from "./tree.js"

interface Place {
  /** The element's own name. */
  readonly key: string
  /** Names of the groups around it, the root's first; empty for the root. */
  readonly path: ReadonlyArray<string>
}
/** One element of a configuration with its place. */
export type Element = Place &
  (
    | { readonly kind: "group"; readonly element: ConfigGroup }
    | { readonly kind: "value"; readonly element: ConfigValue }
    | { readonly kind: "policy"; readonly element: ConfigPolicy }
  )

/** Elements under names such as `[Group]  /Channel/Application`; the blanks are part of the texts that clients see. */
export type ConfigMap = ReadonlyMap<string, Element>

const prefixes = { group: "[Group]  ", value: "[Value]  ", policy: "[Policy] " } as const
const root = "Channel"

/** While the channel's orderers have capabilities, elements without a mod_policy get one. */
const ordererCapabilities = "[Value]  /Channel/Orderer/Capabilities"
const repairedModPolicy = "Admins"

/**
 * Flattens a group and all below it; `undefined` gives an empty map.
 * Errors: a key that is no legal name.
 */
export const mapConfig = (group: ConfigGroup | undefined): Either.Either<ConfigMap, ConfigError> => {
  const out = new Map<string, Element>()
  const add = (element: Element): Either.Either<void, ConfigError> => {
    const prefix = prefixes[element.kind]
    if (Either.isLeft(validateConfigId(element.key))) {
      return Either.left(new ConfigError({ detail: `Illegal characters in key: ${prefix}` }))
    }
    out.set(`${prefix}/${[...element.path, element.key].join("/")}`, element)
    return Either.right(undefined)
  }
  const walk = (key: string, path: ReadonlyArray<string>, element: ConfigGroup): Either.Either<void, ConfigError> => {
    let added = add({ kind: "group", key, path, element })
    const inside = [...path, key]
    for (const [name, group] of element.groups) {
      if (Either.isLeft(added)) return added
      added = walk(name, inside, group)
    }
    for (const [name, value] of element.values) {
      if (Either.isLeft(added)) return added
      added = add({ kind: "value", key: name, path: inside, element: value })
    }
    for (const [name, policy] of element.policies) {
      if (Either.isLeft(added)) return added
      added = add({ kind: "policy", key: name, path: inside, element: policy })
    }
    return added
  }
  const walked = group === undefined ? Either.right(undefined) : walk(root, [], group)
  return Either.map(walked, () => out)
}

/**
 * Rebuilds the tree from the root: which members a group has is what its own element lists, what they are comes from the
 * map, so members that no group lists vanish.
 */
export const configMapToGroup = (map: ConfigMap): Either.Either<ConfigGroup, ConfigError> => {
  const missing = (what: string, at: string) =>
    Either.left(new ConfigError({ detail: `Missing ${what} at path: ${at}` }))
  const repair = map.has(ordererCapabilities)
  const repaired = (modPolicy: string): string => (repair && modPolicy === "" ? repairedModPolicy : modPolicy)

  const build = (path: string): Either.Either<ConfigGroup, ConfigError> => {
    const at = `${prefixes.group}${path}`
    const group = map.get(at)
    if (group?.kind !== "group") return missing("group", at)
    const out = groupBuilder(group.element)
    out.modPolicy = repaired(out.modPolicy)
    for (const key of group.element.groups.keys()) {
      const built = build(`${path}/${key}`)
      if (Either.isLeft(built)) return built
      out.groups.set(key, built.right)
    }
    for (const key of group.element.values.keys()) {
      const valueAt = `${prefixes.value}${path}/${key}`
      const value = map.get(valueAt)
      if (value?.kind !== "value") return missing("value", valueAt)
      out.values.set(key, { ...value.element, modPolicy: repaired(value.element.modPolicy) })
    }
    for (const key of group.element.policies.keys()) {
      const policyAt = `${prefixes.policy}${path}/${key}`
      const policy = map.get(policyAt)
      if (policy?.kind !== "policy") return missing("policy", policyAt)
      out.policies.set(key, { ...policy.element, modPolicy: repaired(policy.element.modPolicy) })
    }
    return Either.right(finish(out, group.element.unknown))
  }
  return build(`/${root}`)
}
