/** What the generated modules promise: codecs, and tables of fields for tools that walk messages by name. */

/** A message as a caller may give it: every part optional, absent means the default. */
export type Init<T> = T extends Uint8Array | string | number | bigint | boolean | undefined
  ? T
  : T extends ReadonlyMap<infer K, infer V>
    ? ReadonlyMap<K, Init<V>>
    : T extends ReadonlyArray<infer U>
      ? ReadonlyArray<Init<U>>
      : { readonly [K in keyof T]?: Init<T[K]> | undefined }

/** The scalar kinds that Fabric's messages use; the generator refuses others. */
export type ScalarKind = "int32" | "uint32" | "int64" | "uint64" | "bool" | "string" | "bytes"

/** One field as tools (configtxlator) and tests see it. */
export interface FieldInfo {
  /** Name in the .proto file. */
  readonly name: string
  /** Name of the property. */
  readonly property: string
  readonly number: number
  /** Kind of the value; of a map, of its values. */
  readonly kind: ScalarKind | "enum" | "message"
  /** Whether the property is an array. False for maps. */
  readonly repeated: boolean
  /** Kind of the key when the field is a map. */
  readonly mapKey?: ScalarKind
  /** Name of the oneof that the field is a member of. */
  readonly oneof?: string
  readonly message?: () => MessageInfo
  readonly enum?: () => EnumInfo
}

/** A message's codec without its type, for tools that read and build messages by `fields`. */
export interface MessageInfo {
  /** Full name, e.g. `common.Envelope`. */
  readonly typeName: string
  /** In ascending order of their numbers. */
  readonly fields: ReadonlyArray<FieldInfo>
  decode(bytes: Uint8Array): object
  /** The caller answers for an object whose properties are of the kinds that `fields` tells; so for `create`. */
  encode(value: unknown): Uint8Array
  create(value?: unknown): object
}

export interface EnumInfo {
  readonly typeName: string
  readonly values: Readonly<Record<string, number>>
  /** The name of a number; the first one declared where there are aliases. */
  readonly nameOf: (value: number) => string | undefined
}

/** The codec of one message. */
export interface MessageType<T> extends MessageInfo {
  /**
   * Reads a whole message. Byte fields are views of `bytes` (copy before caching), absent ones are empty; absent
   * messages and oneof members are undefined; fields that the message does not define are kept in `unknown`.
   * Throws WireError.
   */
  decode(bytes: Uint8Array): T & object
  /**
   * Canonical bytes: fields ascending, proto3 defaults left out, numbers packed, map entries by the bytes of their
   * keys, unknown fields last. Set one member of a oneof at most. Throws WireError for numbers out of their field's
   * range, strings that are not Unicode (lone surrogates) and messages too deep to be read again.
   */
  encode(value: Init<T>): Uint8Array
  /** Fills in the defaults, in nested messages too; byte fields, lists and maps given are not copied. */
  create(value?: Init<T>): T & object
}

/** An enum's table of names. */
export const enumInfo = (typeName: string, values: Readonly<Record<string, number>>): EnumInfo => {
  const names = new Map<number, string>()
  for (const [name, value] of Object.entries(values)) if (!names.has(value)) names.set(value, name)
  return { typeName, values, nameOf: (value) => names.get(value) }
}
