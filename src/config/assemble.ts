/**
 * Bringing file, environment and overrides together: for every leaf of a Schema the value given last, and where it came
 * from. Pure but for `{File: path}` values, whose content is read here.
 * Source: orderer.md 2.2 rules 3-7, peer-endorse-validate.md 2.1 rules 3-9.
 */
import { readFileSync } from "node:fs"
import { isAbsolute, join } from "node:path"
import { decodePemAll, encodePem } from "../crypto/pem.js"
import type { ConfigIssue, Origin } from "./errors.js"
import { type Environment, goFileError } from "./find.js"
import { goKind } from "./leaf.js"
import type { Layout, LeafInfo } from "./schema.js"
import type { Given, Tree } from "./yaml.js"

export interface Rules {
  /** `CORE`, `ORDERER`. */
  readonly prefix: string
  /** The orderer: variables count only below sections that the file has, and unknown keys are errors. */
  readonly exact: boolean
}

export interface Sources {
  readonly rules: Rules
  readonly env: Environment
  /** Name of the file in messages: `orderer.yaml`. */
  readonly file: string
  /** Its folder: what relative paths are relative to. */
  readonly folder: string
  readonly tree: Tree
  /** Values that beat everything, by key: `chaincode.mode`. */
  readonly overrides: ReadonlyMap<string, string>
}

/** A leaf's value before its type is looked at. */
export interface Assigned {
  readonly key: string
  readonly info: LeafInfo
  readonly given: Given | undefined
  readonly origin: Origin
}

/** A tree of `Given`s in the shape that the Schema decodes. */
export type Raw = Given | undefined | { readonly [property: string]: Raw }

export interface Assembled {
  readonly raw: Raw
  /** By property path, joined with dots. */
  readonly leaves: ReadonlyMap<string, Assigned>
  readonly issues: ReadonlyArray<ConfigIssue>
  /** Sentences for the log: keys that nobody reads. */
  readonly notes: ReadonlyArray<string>
}

const none: Tree = new Map()

export const environmentName = (prefix: string, keys: ReadonlyArray<string>): string =>
  [prefix, ...keys].join("_").toUpperCase()

const sameWord = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** The name and entry of a key in a map. The orderer takes any case anywhere, the peer at the first level only. */
const lookUp = (tree: Tree, key: string, anyCase: boolean) => {
  const exact = tree.get(key)
  if (exact !== undefined) return { name: key, entry: exact }
  if (!anyCase) return undefined
  for (const [name, entry] of tree) if (sameWord(name, key)) return { name, entry }
  return undefined
}

class Assembler {
  readonly leaves = new Map<string, Assigned>()
  readonly issues: Array<ConfigIssue> = []
  readonly notes: Array<string> = []
  constructor(private readonly sources: Sources) {}

  /** Values of a section. `present`: the file has it and it is not null. */
  section(
    layout: Extract<Layout, { readonly _tag: "Section" }>,
    tree: Tree,
    present: boolean,
    keys: ReadonlyArray<string>,
    properties: ReadonlyArray<string>,
    open: boolean
  ): Raw {
    const { exact } = this.sources.rules
    const anyCase = exact || keys.length === 0
    const used = new Set<string>()
    const raw: Record<string, Raw> = {}
    for (const child of layout.children) {
      const found = lookUp(tree, child.info.key, anyCase)
      if (found !== undefined) used.add(found.name)
      const entry = found?.entry
      const path = [...keys, child.info.key]
      const propertyPath = [...properties, child.property]
      if (child._tag === "Leaf") {
        const assigned = this.leaf(child.info, entry, path, present)
        this.leaves.set(propertyPath.join("."), assigned)
        raw[child.property] = assigned.given
      } else if (entry?.value !== undefined && entry.value.kind !== "map") {
        this.notASection(path, entry.value, entry.line)
        raw[child.property] = this.section(child, none, false, path, propertyPath, open)
      } else {
        const inner = entry?.value?.kind === "map" ? entry.value.entries : none
        const innerOpen = open || child.info.open
        raw[child.property] = this.section(
          child,
          inner,
          present && entry?.value !== undefined,
          path,
          propertyPath,
          innerOpen
        )
      }
    }
    this.unknown(layout, tree, used, keys, open)
    return raw
  }

  private leaf(
    info: LeafInfo,
    entry: { readonly line: number; readonly value: Given | undefined } | undefined,
    keys: ReadonlyArray<string>,
    present: boolean
  ): Assigned {
    const { env, file, overrides, rules } = this.sources
    const key = keys.join(".")
    const name = environmentName(rules.prefix, keys)
    // keys of ours are under no rule of the reference: variables set them whatever the file has
    const variable = present || !rules.exact || info.ours ? (env[name] ?? "") : ""
    const override = overrides.get(key)
    let given: Given | undefined
    let origin: Origin = { source: "default" }
    if (override !== undefined) {
      given = { kind: "text", text: override }
      origin = { source: "override" }
    } else if (variable !== "") {
      given = { kind: "text", text: variable }
      origin = { source: "env", name }
    } else if (entry?.value !== undefined) {
      given = this.overlay(entry.value, keys)
      origin = { source: "file", file, line: entry.line }
    }
    if (rules.exact && (info.list || info.type === "text")) {
      const fileName = `${name}_FILE`
      const byVariable = present || !rules.exact ? (env[fileName] ?? "") : ""
      if (byVariable !== "" && (given === undefined || given.kind === "map")) {
        origin = { source: "env", name: fileName }
        given = { kind: "map", entries: new Map([["File", { line: 0, value: { kind: "text", text: byVariable } }]]) }
      }
      if (given?.kind === "map") given = this.content(info, given.entries, key, origin)
    }
    if (info.zeroIsUnset && given !== undefined && isZero(given)) {
      given = undefined
      origin = { source: "default" }
    }
    if (info.path) {
      given = this.translated(info, given ?? (info.fallback === undefined ? undefined : textOf(info.fallback)))
    }
    return { key, info, given, origin }
  }

  /** Leaves inside a map that the Schema does not know (handlers, Raft): variables may replace what the file has. */
  private overlay(given: Given, keys: ReadonlyArray<string>): Given {
    if (given.kind !== "map") return given
    const entries = new Map<string, { readonly line: number; readonly value: Given | undefined }>()
    for (const [name, { line, value }] of given.entries) {
      const path = [...keys, name]
      const variable = this.sources.env[environmentName(this.sources.rules.prefix, path)] ?? ""
      const inner = value === undefined ? undefined : this.overlay(value, path)
      entries.set(name, { line, value: variable === "" ? inner : textOf(variable) })
    }
    return { kind: "map", entries }
  }

  /** `{File: path}`: the content of the file, or its certificates for a list. */
  private content(info: LeafInfo, entries: Tree, key: string, origin: Origin): Given | undefined {
    const entry = entries.get("File") ?? entries.get("file")
    if (entry === undefined) return { kind: "map", entries }
    if (entry.value?.kind !== "text" || entry.value.text === "") {
      this.issues.push({
        key,
        origin,
        found: "File: with nothing",
        want: "the path of a file",
        reference: `error decoding '${key}${info.list ? "[0]" : ""}': Value of File: was nil`
      })
      return undefined
    }
    const path = entry.value.text
    try {
      const bytes = readFileSync(path)
      if (!info.list) return textOf(bytes.toString("utf8"))
      const certificates = decodePemAll(bytes).filter(
        ({ headers, type }) => type === "CERTIFICATE" && headers.size === 0
      )
      return {
        kind: "list",
        items: certificates.map((block) => textOf(Buffer.from(encodePem("CERTIFICATE", block.bytes)).toString()))
      }
    } catch (error) {
      this.issues.push({
        key,
        origin,
        found: path,
        want: "the path of a file that can be read",
        reference: `error decoding '${key}': ${goFileError(path, error)}`
      })
      return undefined
    }
  }

  /** Paths are relative to the folder of the file. */
  private translated(info: LeafInfo, given: Given | undefined): Given | undefined {
    if (given === undefined) return undefined
    const { folder } = this.sources
    const absolute = (path: string): Given =>
      textOf(path === "" || isAbsolute(path) || path.includes("-----BEGIN ") ? path : join(folder, path))
    const items = info.items(given)
    if (items !== undefined) return { kind: "list", items: items.map(absolute) }
    return given.kind === "text" ? absolute(given.text) : given
  }

  private notASection(keys: ReadonlyArray<string>, given: Given, line: number): void {
    const key = keys.join(".")
    const kind = given.kind === "list" ? "slice" : goKind(given)
    this.issues.push({
      key,
      origin: { source: "file", file: this.sources.file, line },
      found: shown(given),
      want: "a section with keys",
      reference: `'${key}' expected a map, got '${kind}'`
    })
  }

  private unknown(
    layout: Extract<Layout, { readonly _tag: "Section" }>,
    tree: Tree,
    used: ReadonlySet<string>,
    keys: ReadonlyArray<string>,
    open: boolean
  ): void {
    const { file, rules } = this.sources
    const extra = [...tree.keys()].filter((name) => !used.has(name))
    if (extra.length === 0) return
    const hint = (name: string): string => {
      const near = layout.children.find((child) => sameWord(child.info.key, name))
      return near === undefined ? "" : `; did you mean ${near.info.key}?`
    }
    if (!rules.exact || open) {
      for (const name of extra) {
        const entry = tree.get(name)
        if (entry?.value === undefined) continue
        this.notes.push(
          `${[...keys, name].join(".")} (${file}:${entry.line}) is not a key of this program and is ignored${hint(name)}`
        )
      }
      return
    }
    const section = keys.join(".")
    const names = extra.map((name) => (keys.length === 0 ? name.toLowerCase() : name)).sort()
    const reference = `'${section}' has invalid keys: ${names.join(", ")}`
    for (const [i, name] of extra.entries()) {
      this.issues.push({
        key: [...keys, name].join("."),
        origin: { source: "file", file, line: tree.get(name)?.line ?? 0 },
        found: "a key that does not exist",
        want: `one of ${layout.children.map((child) => child.info.key).join(", ")}${hint(name)}`,
        // One line of the reference's text tells of all of a section.
        reference: i === 0 ? reference : ""
      })
    }
  }
}

const textOf = (text: string): Given => ({ kind: "text", text })

const isZero = (given: Given): boolean => {
  if (given.kind === "text") return given.text === "" || /^[+-]?0+(\.0*)?(ns|us|µs|ms|s|m|h)?$/.test(given.text)
  return given.kind === "scalar" && given.value === 0
}

/** A given value for a message, shortened. */
export const shown = (given: Given | undefined): string => {
  if (given === undefined) return "nothing"
  if (given.kind === "map") return "a map"
  if (given.kind === "list") return `[${given.items.map(shown).join(", ")}]`.slice(0, 80)
  return JSON.stringify(given.kind === "text" ? given.text : given.source).slice(0, 80)
}

/** Collects the values of a whole file. */
export const assemble = (layout: Layout, sources: Sources): Assembled => {
  if (layout._tag === "Leaf") throw new Error("a file is a section")
  const assembler = new Assembler(sources)
  const raw = assembler.section(layout, sources.tree, true, [], [], false)
  return { raw, leaves: assembler.leaves, issues: assembler.issues, notes: assembler.notes }
}
