/** The home of the YAML parser: everything else reads YAML through this file. */
import { parse } from "yaml"

/** Parses one YAML document, anchors and `<<` merges included. Throws `YAMLParseError`, whose message names the place. */
export const parseYaml = (text: string): unknown => parse(text, { merge: true })
