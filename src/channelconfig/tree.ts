/**
 * The configuration tree: building, copying, comparing. The generated codecs keep unknown fields and write maps in key
 * order, so a tree may be decoded, changed and encoded without loss (identity-policy-config rule 76, trap 23). Pure.
 */
import type * as Either from "effect/Either"
import { equalBytes as sameBytes } from "../wire/bytes.js"
import { common, EMPTY, type Init } from "../wire/index.js"
import type { ConfigError } from "./errors.js"
import { decodeMessage } from "./values.js"

export type Config = common.Config
export type ConfigGroup = common.ConfigGroup
export type ConfigValue = common.ConfigValue
export type ConfigPolicy = common.ConfigPolicy

/** A group of which only the given parts are set. */
export const newGroup = (fields: Init<ConfigGroup> = {}): ConfigGroup => common.ConfigGroup.create(fields)

/** A group whose members can still be put in; `finish` makes the message. */
export interface GroupBuilder {
  version: bigint
  modPolicy: string
  readonly groups: Map<string, ConfigGroup>
  readonly values: Map<string, ConfigValue>
  readonly policies: Map<string, ConfigPolicy>
}
export const groupBuilder = (from?: ConfigGroup): GroupBuilder => ({
  version: from?.version ?? 0n,
  modPolicy: from?.modPolicy ?? "",
  groups: new Map(from?.groups),
  values: new Map(from?.values),
  policies: new Map(from?.policies)
})
export const finish = (builder: GroupBuilder, unknown?: Uint8Array | undefined): ConfigGroup => ({
  ...builder,
  unknown
})

/** The same tree with every version 0. */
export const zeroVersions = (group: ConfigGroup): ConfigGroup => ({
  ...group,
  version: 0n,
  groups: new Map([...group.groups].map(([key, value]) => [key, zeroVersions(value)])),
  values: new Map([...group.values].map(([key, value]) => [key, { ...value, version: 0n }])),
  policies: new Map([...group.policies].map(([key, value]) => [key, { ...value, version: 0n }]))
})

const equalBytes = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean => sameBytes(a ?? EMPTY, b ?? EMPTY)

const equalMaps = <A>(
  a: ReadonlyMap<string, A>,
  b: ReadonlyMap<string, A>,
  equal: (a: A, b: A) => boolean
): boolean => {
  if (a.size !== b.size) return false
  for (const [key, value] of a) {
    const other = b.get(key)
    if (other === undefined || !equal(value, other)) return false
  }
  return true
}

/** Message equality of two policies' contents: an absent message differs from an empty one. */
export const equalPolicies = (a: common.Policy | undefined, b: common.Policy | undefined): boolean =>
  a === undefined || b === undefined
    ? a === b
    : a.type === b.type && equalBytes(a.value, b.value) && equalBytes(a.unknown, b.unknown)

const equalConfigValues = (a: ConfigValue, b: ConfigValue): boolean =>
  a.version === b.version &&
  a.modPolicy === b.modPolicy &&
  equalBytes(a.value, b.value) &&
  equalBytes(a.unknown, b.unknown)

const equalConfigPolicies = (a: ConfigPolicy, b: ConfigPolicy): boolean =>
  a.version === b.version &&
  a.modPolicy === b.modPolicy &&
  equalPolicies(a.policy, b.policy) &&
  equalBytes(a.unknown, b.unknown)

/** Message equality as Go's: maps as sets, absent equals empty for bytes and maps, unknown fields count (rule 76). */
export const equalGroups = (a: ConfigGroup, b: ConfigGroup): boolean =>
  a.version === b.version &&
  a.modPolicy === b.modPolicy &&
  equalBytes(a.unknown, b.unknown) &&
  equalMaps(a.groups, b.groups, equalGroups) &&
  equalMaps(a.values, b.values, equalConfigValues) &&
  equalMaps(a.policies, b.policies, equalConfigPolicies)

/** `equalGroups` for two configurations. */
export const equalConfigs = (a: Config, b: Config): boolean =>
  a.sequence === b.sequence &&
  equalBytes(a.unknown, b.unknown) &&
  (a.channelGroup === undefined || b.channelGroup === undefined
    ? a.channelGroup === b.channelGroup
    : equalGroups(a.channelGroup, b.channelGroup))

/** Decodes a `common.Config`; its parts are views of `bytes`. Map entries without a value are refused (trap 23). */
export const decodeConfig = (bytes: Uint8Array): Either.Either<Config, ConfigError> =>
  decodeMessage(common.Config, bytes)

/** Decodes a `common.ConfigUpdate`; its parts are views of `bytes`. */
export const decodeConfigUpdate = (bytes: Uint8Array): Either.Either<common.ConfigUpdate, ConfigError> =>
  decodeMessage(common.ConfigUpdate, bytes)
