/** YAML as plain values, without line numbers, for files that are read whole by their own rules (MSP folders, tools). */
import { parse, type Tags } from "yaml"

const noBase60 = (tags: Tags): Tags =>
  tags.filter((tag) => typeof tag === "string" || (tag.format !== "TIME" && !tag.tag.endsWith(":timestamp")))

/**
 * Parses one document as Go's yaml.v2 reads it: YAML 1.1 with merges, without base-60 numbers and dates; of equal keys
 * the last one stays. An empty document is null. Throws `YAMLParseError`, whose message names the place, and
 * `ReferenceError` for aliases that multiply beyond reason.
 */
export const parsePlainYaml = (text: string): unknown =>
  parse(text, { version: "1.1", customTags: noBase60, uniqueKeys: false, maxAliasCount: 10_000, logLevel: "error" })
