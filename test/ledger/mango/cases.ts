/** Documents and queries with the keys that CouchDB finds, for every way that this project answers queries. */

export const documents: ReadonlyArray<readonly [key: string, value: unknown]> = [
  ["m1", { color: "blue", size: 35, owner: { name: "tom", age: 30 }, tags: ["a", "b"], "dotted.name": 1 }],
  ["m2", { color: "red", size: 50, owner: { name: "jerry" }, tags: [] }],
  ["m3", { color: "blue", size: 70, owner: null, tags: ["b", "c"], flag: true }],
  ["m4", { color: "green", size: 0, owner: { name: "tom", age: 0 }, items: [{ n: 1 }, { n: 5 }] }],
  ["m5", { color: "blue", size: "70", owner: { name: "ann" }, items: [] }],
  ["m6", { other: "thing", size: 36.5 }]
]
/** Values that are no JSON object: attachments in CouchDB. */
export const others: ReadonlyArray<readonly [key: string, value: string]> = [
  ["x1", "not json"],
  ["x2", "[1,2]"],
  ["x3", "null"]
]

export interface Case {
  readonly name: string
  readonly query: Readonly<Record<string, unknown>>
  readonly keys: ReadonlyArray<string>
  /** The test's server has it otherwise (PouchDB); CouchDB and ours agree. */
  readonly notInPouch?: true
}

const by = (name: string, selector: unknown, keys: string, notInPouch?: true): Case => ({
  name,
  query: { selector },
  keys: keys === "" ? [] : keys.split(" "),
  ...(notInPouch === undefined ? {} : { notInPouch })
})

export const cases: ReadonlyArray<Case> = [
  by("equality", { color: "blue" }, "m1 m3 m5"),
  by("explicit equality", { color: { $eq: "red" } }, "m2"),
  by("two fields", { color: "blue", size: { $gt: 40 } }, "m3 m5"),
  by("a range of numbers", { size: { $gte: 35, $lt: 70 } }, "m1 m2 m6"),
  by("types order numbers before strings", { size: { $gt: 50 } }, "m3 m5"),
  by("zero is a value", { size: 0 }, "m4"),
  by("a nested field", { "owner.name": "tom" }, "m1 m4"),
  by("a nested object", { owner: { name: "tom" } }, "m1 m4", true),
  by("a nested field that is zero", { "owner.age": { $lte: 0 } }, "m4", true),
  by("null", { owner: null }, "m3"),
  by("not equal leaves out what is not there", { color: { $ne: "blue" } }, "m2 m4", true),
  by("exists", { flag: { $exists: true } }, "m3"),
  by("does not exist", { color: { $exists: false } }, "m6 x1 x2 x3"),
  by("exists under null", { "owner.name": { $exists: true } }, "m1 m2 m4 m5", true),
  by("in", { color: { $in: ["red", "green"] } }, "m2 m4"),
  by("in, of an array", { tags: { $in: ["c", "z"] } }, "m3"),
  by("not in", { color: { $nin: ["red", "green"] } }, "m1 m3 m5"),
  by("all", { tags: { $all: ["a", "b"] } }, "m1"),
  by("size", { tags: { $size: 2 } }, "m1 m3"),
  by("mod", { size: { $mod: [10, 5] } }, "m1"),
  by("regex", { color: { $regex: "^(r|g)" } }, "m2 m4"),
  by("type", { size: { $type: "string" } }, "m5"),
  by("elemMatch of objects", { items: { $elemMatch: { n: { $gt: 4 } } } }, "m4"),
  by("elemMatch of values", { tags: { $elemMatch: { $eq: "c" } } }, "m3"),
  by("allMatch", { tags: { $allMatch: { $gte: "b" } } }, "m3"),
  by("and", { $and: [{ color: "blue" }, { size: { $lt: 40 } }] }, "m1"),
  by("or", { $or: [{ color: "red" }, { "owner.name": "ann" }] }, "m2 m5"),
  by("nor", { color: { $exists: true }, $nor: [{ color: "blue" }, { color: "red" }] }, "m4"),
  by("not", { $not: { color: "blue" } }, "m2 m4", true),
  by(
    "and of ors",
    {
      $and: [{ $or: [{ color: "red" }, { color: "blue" }] }, { $or: [{ size: 50 }, { size: 70 }] }]
    },
    "m2 m3"
  ),
  by("or in a field", { color: { $or: [{ $eq: "red" }, { $eq: "green" }] } }, "m2 m4", true),
  by("id", { _id: { $gt: "m4" }, size: { $exists: true } }, "m5 m6"),
  by("an escaped dot", { "dotted\\.name": 1 }, "m1"),
  by("nothing", { color: "purple" }, ""),
  { name: "skip", query: { selector: { color: "blue" }, skip: 1 }, keys: ["m3", "m5"] },
  { name: "limit is not the query's", query: { selector: { color: "blue" }, limit: 1 }, keys: ["m1", "m3", "m5"] },
  {
    name: "use_index is a hint",
    query: { selector: { color: "blue" }, use_index: "_design/nothing" },
    keys: ["m1", "m3", "m5"],
    notInPouch: true
  }
]

/** These need an index in CouchDB: {@link sizeIndex}. */
export const sorted: ReadonlyArray<Case> = [
  {
    name: "sorted",
    query: { selector: { size: { $gte: 0 } }, sort: ["size"] },
    keys: ["m4", "m1", "m6", "m2", "m3", "m5"]
  },
  {
    name: "sorted downwards",
    query: { selector: { size: { $gt: 30 } }, sort: [{ size: "desc" }] },
    keys: ["m5", "m3", "m2", "m6", "m1"]
  },
  {
    name: "sorted with skip",
    query: { selector: { size: { $gte: 0 } }, sort: [{ size: "asc" }], skip: 4 },
    keys: ["m3", "m5"]
  }
]
export const sizeIndex = { index: { fields: ["size"] }, ddoc: "bySize", name: "bySize", type: "json" }

/** Queries that are refused, with what the chaincode is told. */
export const refusals: ReadonlyArray<readonly [query: string, text: RegExp]> = [
  ["{", /JSON|Unexpected|Expected/],
  ["[1]", /cannot unmarshal/],
  ['{"selector":{},"fields":"a"}', /^fields definition must be an array$/],
  [
    '{"fields":["a"]}',
    /^error handling CouchDB request\. Error:missing_required_key, {2}Status Code:400, {2}Reason:Missing required key: selector$/
  ],
  [
    '{"selector":{"a":{"$foo":1}}}',
    /^error handling CouchDB request\. Error:invalid_operator, {2}Status Code:400, {2}Reason:Invalid operator: \$foo$/
  ],
  ['{"selector":{"a":{"$in":1}}}', /bad_arg/],
  ['{"selector":{"a":{"$regex":"("}}}', /bad_arg/],
  ['{"selector":{"a":1},"sort":[{"a":"asc"},{"b":"desc"}]}', /unsupported_mixed_sort/],
  ['{"selector":{"a":1},"bookmark":"?"}', /invalid_bookmark/],
  ['{"selector":{"a":1},"nonsense":1}', /invalid_key/],
  ['{"selector":{"a":1},"skip":-1}', /skip/]
]
