/**
 * Showing a loaded configuration: every key with its value, where it came from, secrets masked.
 * Source: orderer.md 1 stage 6 (`Orderer config values:`); the masking is ours (trap 25).
 */
import * as Duration from "effect/Duration"
import { CoreYaml } from "./core/schema.js"
import { originText } from "./errors.js"
import { formatGoDuration } from "./goDuration.js"
import type { CoreConfig, OrdererConfig } from "./loader.js"
import { OrdererYaml } from "./orderer/schema.js"
import { type Layout, layoutOf, leavesOf } from "./schema.js"

export interface ExplainedKey {
  readonly key: string
  /** As text: `"abc"`, `7050`, `5s`, `[a b]`; secrets as `"***"`. */
  readonly value: string
  /** `env ORDERER_GENERAL_LISTENPORT`, `orderer.yaml:7`, `default`, `override`. */
  readonly origin: string
}

const nanosOf = (value: Duration.Duration): bigint => {
  const [seconds, nanos] = Duration.toHrTime(value)
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanos)
}

/** A value as the reference prints it: texts in quotes, lists in brackets, durations in Go's form. */
const valueText = (value: unknown): string => {
  if (typeof value === "string") return `"${value}"`
  if (value === undefined) return ""
  if (Duration.isDuration(value)) return formatGoDuration(nanosOf(value))
  if (Array.isArray(value)) return `[${value.map(inner).join(" ")}]`
  if (value instanceof Map) return `map[${[...value].map(([key, item]) => `${key}:${inner(item)}`).join(" ")}]`
  if (typeof value === "object" && value !== null) {
    return `map[${Object.entries(value)
      .map(([key, item]) => `${key}:${inner(item)}`)
      .join(" ")}]`
  }
  return String(value)
}
const inner = (value: unknown): string => (typeof value === "string" ? value : valueText(value))

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === "" || (value instanceof Map && value.size === 0)

const at = (value: unknown, properties: ReadonlyArray<string>): unknown =>
  properties.reduce<unknown>(
    (found, property) =>
      typeof found === "object" && found !== null ? new Map(Object.entries(found)).get(property) : undefined,
    value
  )

const explain = (layout: Layout, config: CoreConfig | OrdererConfig): ReadonlyArray<ExplainedKey> =>
  leavesOf(layout).map(({ info, keys, properties }) => {
    const key = keys.join(".")
    const value = at(config, properties)
    const origin = config.source.origins.get(key) ?? { source: "default" }
    const masked = info.secret && !isEmpty(value)
    return {
      key,
      value: masked ? '"***"' : valueText(value),
      origin: origin.source === "env" ? `env ${origin.name}` : originText(origin)
    }
  })

export const explainCore = (config: CoreConfig): ReadonlyArray<ExplainedKey> => explain(layoutOf(CoreYaml), config)
export const explainOrderer = (config: OrdererConfig): ReadonlyArray<ExplainedKey> =>
  explain(layoutOf(OrdererYaml), config)

/** The record that an orderer logs at its start. */
export const ordererConfigRecord = (config: OrdererConfig): string =>
  `Orderer config values:${explainOrderer(config)
    .map(({ key, value }) => `\n\t${key} = ${value}`)
    .join("")}\n`

/** The lines of `peer node config` and its like: `key = value  # where from`. */
export const configLines = (keys: ReadonlyArray<ExplainedKey>): ReadonlyArray<string> =>
  keys.map(({ key, origin, value }) => `${key} = ${value}  # ${origin}`)
