/**
 * Configuration files as Effect Schemas: every key is a leaf that knows its name in the file, how its text is read, what
 * holds when it is not set, and one sentence for people. The loader, the documentation and the shipped files all walk
 * these Schemas; a key that is not in them does not exist.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import type { Fault, Kind } from "./leaf.js"
import type { Given } from "./yaml.js"

/** What a leaf says of itself beside its type. */
export interface LeafInfo {
  /** The key as Fabric spells it. */
  readonly key: string
  /** What it is for, one sentence in plain words. */
  readonly doc: string
  /** The kind's name. */
  readonly type: string
  /** YAML text of the value that holds when the key is not set; undefined: none. */
  readonly fallback: string | undefined
  /** YAML text in the shipped file; undefined: the key is only mentioned there, as a comment. */
  readonly sample: string | undefined
  /** A path relative to the folder of the file. */
  readonly path: boolean
  /** Never shown. */
  readonly secret: boolean
  /** Zero and empty text count as not set. */
  readonly zeroIsUnset: boolean
  /** A list of texts. */
  readonly list: boolean
  /** Ours: Fabric has no such key. */
  readonly ours: boolean
  /** Read and kept, but nothing depends on it. */
  readonly unused: boolean
  /** Why a given value does not fit; undefined when it does. */
  readonly fault: (given: Given) => Fault | undefined
  /** The items of a given list; undefined when the leaf is no list. */
  readonly items: (given: Given) => ReadonlyArray<string> | undefined
}

export interface SectionInfo {
  readonly key: string
  readonly doc: string
  /** Unknown keys inside are ignored even where they are errors elsewhere. */
  readonly open: boolean
}

const LeafId: unique symbol = Symbol.for("fabric-effect/config/Leaf")
const SectionId: unique symbol = Symbol.for("fabric-effect/config/Section")

export interface LeafOptions<A> {
  readonly doc: string
  /** The value that holds when the key is not set. */
  readonly unset: A
  /** The same as YAML text, for people; undefined: nothing. */
  readonly fallback?: string
  readonly sample?: string
  readonly path?: true
  readonly secret?: true
  readonly zeroIsUnset?: true
  readonly ours?: true
  readonly unused?: true
}

const isGiven = (value: unknown): value is Given => typeof value === "object" && value !== null && "kind" in value

/** What a file or a variable holds; undefined when neither holds anything. */
const GivenSchema: Schema.Schema<Given | undefined> = Schema.declare(
  (value): value is Given | undefined => value === undefined || isGiven(value)
)

/** A leaf: `key` in the file becomes a value of `A`. */
export const leaf = <A>(key: string, kind: Kind<A>, options: LeafOptions<A>): Schema.Schema<A, Given | undefined> => {
  const info: LeafInfo = {
    key,
    doc: options.doc,
    type: kind.name,
    fallback: options.fallback,
    sample: options.sample,
    path: options.path === true,
    secret: options.secret === true,
    zeroIsUnset: options.zeroIsUnset === true,
    list: Array.isArray(options.unset),
    ours: options.ours === true,
    unused: options.unused === true,
    fault: (given) => Option.getOrUndefined(Either.getLeft(kind.read(given))),
    items: (given) => {
      const read: unknown = Either.getOrUndefined(kind.read(given))
      return Array.isArray(read) ? read.map(String) : undefined
    }
  }
  const decoded: Schema.Schema<A> = Schema.declare((_): _ is A => true)
  return Schema.transformOrFail(GivenSchema, decoded, {
    strict: true,
    decode: (given, _, ast) => {
      if (given === undefined) return ParseResult.succeed(options.unset)
      const read = kind.read(given)
      if (Either.isRight(read)) return ParseResult.succeed(read.right)
      return ParseResult.fail(new ParseResult.Type(ast, given, read.left.want))
    },
    encode: (value, _, ast) => ParseResult.fail(new ParseResult.Forbidden(ast, value, "configuration is read only"))
  }).annotations({ [LeafId]: info })
}

/** A section: its fields are leaves and sections. */
export const section = <F extends Schema.Struct.Fields>(
  key: string,
  doc: string,
  fields: F,
  options: { readonly open?: true } = {}
): Schema.Struct<F> => {
  const info: SectionInfo = { key, doc, open: options.open === true }
  return Schema.Struct(fields).annotations({ [SectionId]: info })
}

// ---- Walking -----------------------------------------------------------------------------------------------------

/** A Schema's keys as a tree. */
export type Layout =
  | { readonly _tag: "Leaf"; readonly property: string; readonly info: LeafInfo }
  | {
      readonly _tag: "Section"
      readonly property: string
      readonly info: SectionInfo
      readonly children: ReadonlyArray<Layout>
    }

const isLeafInfo = (value: unknown): value is LeafInfo =>
  typeof value === "object" && value !== null && "fault" in value
const isSectionInfo = (value: unknown): value is SectionInfo =>
  typeof value === "object" && value !== null && "open" in value

const layoutOfAst = (property: string, ast: AST.AST): Layout => {
  const leafInfo: unknown = ast.annotations[LeafId]
  if (isLeafInfo(leafInfo)) return { _tag: "Leaf", property, info: leafInfo }
  const sectionInfo: unknown = ast.annotations[SectionId]
  if (!AST.isTypeLiteral(ast) || !isSectionInfo(sectionInfo)) {
    throw new Error(`${property}: neither a leaf nor a section`)
  }
  return {
    _tag: "Section",
    property,
    info: sectionInfo,
    children: ast.propertySignatures.map((child) => layoutOfAst(String(child.name), child.type))
  }
}

/** The keys of a section's Schema. */
export const layoutOf = (schema: Schema.Schema.Any): Layout => layoutOfAst("", schema.ast)

/** A leaf with the way to it: keys as in the file, and properties as in the decoded value. */
export interface LeafPath {
  readonly keys: ReadonlyArray<string>
  readonly properties: ReadonlyArray<string>
  readonly info: LeafInfo
}

/** All leaves in the order of the Schema. */
export const leavesOf = (
  layout: Layout,
  keys: ReadonlyArray<string> = [],
  properties: ReadonlyArray<string> = []
): ReadonlyArray<LeafPath> => {
  const own = layout.info.key === "" ? keys : [...keys, layout.info.key]
  const path = layout.property === "" ? properties : [...properties, layout.property]
  if (layout._tag === "Leaf") return [{ keys: own, properties: path, info: layout.info }]
  return layout.children.flatMap((child) => leavesOf(child, own, path))
}
