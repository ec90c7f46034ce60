/**
 * YAML with line numbers: what Go's yaml.v2 would read, as plain nodes. The only file that knows the yaml package.
 * YAML 1.1 (yes/no are booleans, `<<` merges), without base-60 numbers and dates, which Go's reader does not make.
 */
import * as Either from "effect/Either"
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument, type Tags } from "yaml"
import { ConfigUnreadable } from "./errors.js"

/** A value as it was given, whether in the file or in the environment. `null` and absent values are no `Given`. */
export type Given =
  | { readonly kind: "text"; readonly text: string }
  /** A number or boolean, with the characters that stood for it. */
  | { readonly kind: "scalar"; readonly value: number | boolean; readonly source: string }
  | { readonly kind: "list"; readonly items: ReadonlyArray<Given> }
  | { readonly kind: "map"; readonly entries: ReadonlyMap<string, Entry> }

/** A key of a map with its line; an undefined value was null. */
export interface Entry {
  readonly line: number
  readonly value: Given | undefined
}

export type Tree = ReadonlyMap<string, Entry>

const noBase60 = (tags: Tags): Tags =>
  tags.filter((tag) => typeof tag === "string" || (tag.format !== "TIME" && !tag.tag.endsWith(":timestamp")))

/** Deep enough for any configuration, shallow enough for the stack. */
const deepest = 64
/** Aliases multiply: more nodes than this are an attack or a mistake. */
const mostNodes = 100_000

class Reader {
  private nodes = 0
  constructor(
    private readonly document: Document,
    private readonly lines: LineCounter
  ) {}

  given(node: unknown, depth = 0): Given | undefined {
    this.nodes += 1
    if (depth > deepest || this.nodes > mostNodes) throw new Error("document is too large or too deep")
    if (isAlias(node)) {
      const target = node.resolve(this.document)
      if (target === undefined) throw new Error(`unknown anchor '${node.source}' referenced`)
      return this.given(target, depth + 1)
    }
    if (isScalar(node)) return scalar(node.value, node.source)
    if (isSeq(node)) {
      const items = node.items.map((item) => this.given(item, depth + 1)).filter((item) => item !== undefined)
      return { kind: "list", items }
    }
    return isMap(node) ? { kind: "map", entries: this.entries(node.items, depth) } : undefined
  }

  private entries(pairs: ReadonlyArray<Pair>, depth: number): Map<string, Entry> {
    const found = new Map<string, Entry>()
    const merged: Array<Given> = []
    for (const { key, value } of pairs) {
      if (!isScalar(key)) continue
      const given = this.given(value, depth + 1)
      if (key.value === "<<" || typeof key.value === "symbol") {
        if (given?.kind === "list") merged.push(...given.items)
        else if (given !== undefined) merged.push(given)
        continue
      }
      // `on: 1` is the key "on", though YAML 1.1 reads a truth in it.
      const name = typeof key.value === "string" ? key.value : (key.source ?? String(key.value))
      found.set(name, { line: this.lines.linePos(key.range?.[0] ?? 0).line, value: given })
    }
    // Keys of the map itself come before merged ones, earlier merges before later.
    for (const source of merged) {
      if (source.kind !== "map") continue
      for (const [name, entry] of source.entries) if (!found.has(name)) found.set(name, entry)
    }
    return found
  }
}

const scalar = (value: unknown, source: string | undefined): Given | undefined => {
  if (value === null || value === undefined) return undefined
  if (typeof value === "number" || typeof value === "boolean") {
    return { kind: "scalar", value, source: source ?? String(value) }
  }
  return { kind: "text", text: typeof value === "string" ? value : (source ?? String(value)) }
}

/** Parses a file's text into its top-level map. */
export const parseYaml = (text: string, file: string): Either.Either<Tree, ConfigUnreadable> => {
  const lines = new LineCounter()
  const document = parseDocument(text, {
    version: "1.1",
    customTags: noBase60,
    uniqueKeys: false,
    lineCounter: lines,
    logLevel: "silent"
  })
  const unreadable = (line: number | undefined, what: string) =>
    Either.left(
      new ConfigUnreadable({
        file,
        line,
        reason: `While parsing config: yaml: ${line === undefined ? "" : `line ${line}: `}${what}`
      })
    )
  const [error] = document.errors
  if (error !== undefined) {
    return unreadable(error.linePos?.[0].line, error.message.split("\n")[0]?.replace(/ at line \d+.*$/, "") ?? "")
  }
  try {
    const root = new Reader(document, lines).given(document.contents)
    if (root === undefined) return Either.right(new Map())
    return root.kind === "map" ? Either.right(root.entries) : unreadable(1, "the file is not a map of keys")
  } catch (cause) {
    return unreadable(undefined, cause instanceof Error ? cause.message : String(cause))
  }
}
