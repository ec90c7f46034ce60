/** The parts of pouchdb-selector-core that are used here; the package brings no types. */
declare module "pouchdb-selector-core" {
  interface Row {
    readonly doc: Readonly<Record<string, unknown>>
  }
  /** Whether a document meets the conditions on the named fields. Operators must be known and their arguments fit. */
  export const rowFilter: (
    doc: Readonly<Record<string, unknown>>,
    selector: Readonly<Record<string, unknown>>,
    fields: ReadonlyArray<string>
  ) => boolean
  /** Compares by the fields in turn, then by `_id`. */
  export const createFieldSorter: (sort: ReadonlyArray<Readonly<Record<string, string>>>) => (a: Row, b: Row) => number
  /** A field name in dot notation taken apart; `\\.` is a dot in a name. */
  export const parseField: (name: string) => Array<string>
}
