// The TypeScript of one message: interface, draft, and functions blank, fill, read, write; then its codec.
// `ref(prefix, type)` names a type's function or interface, across modules where need be.
import { fieldsOf, isRecursive, needsDepth } from "./fields.mjs"
import { docOf, fullName, goName, localName } from "./names.mjs"

const indent = (lines, by) => lines.map((line) => `${" ".repeat(by)}${line}`).join("\n")
const valueType = (f, ref, prefix) => (f.kind === "message" ? ref(prefix, f.type) : f.scalar.ts)

const emitInterface = (name, type, fields, ref) => {
  const lines = fields.map((f) => {
    const value = valueType(f, ref, "")
    const doc = docOf(f.doc, "  ")
    if (f.map) return `${doc}  readonly ${f.property}: ReadonlyMap<string, ${value}>`
    if (f.list) return `${doc}  readonly ${f.property}: ReadonlyArray<${value}>`
    return `${doc}  readonly ${f.property}: ${value}${f.oneof || f.kind === "message" ? " | undefined" : ""}`
  })
  lines.push(
    "  /** Fields that this message does not define, as received. */",
    "  readonly unknown?: Uint8Array | undefined"
  )
  return `${docOf(type.comment)}export interface ${name} {\n${lines.join("\n")}\n}\n`
}

/** The same while it is read: not exported to users, so that only readers change a message. */
const emitDraft = (name, fields, ref, exported) => {
  const lines = fields.map((f) => {
    const value = valueType(f, ref, "Draft$")
    if (f.map) return `${f.property}: Map<string, ${value}>`
    if (f.list) return `${f.property}: Array<${value}>`
    return `${f.property}: ${value}${f.oneof || f.kind === "message" ? " | undefined" : ""}`
  })
  lines.push("unknown: Uint8Array | undefined")
  return `${exported}interface Draft$${name} {\n${indent(lines, 2)}\n}\n`
}

/** Every property from the start, so that all messages of a type have one shape. */
const emitBlank = (name, fields, exported) => {
  const lines = fields.map((f) => {
    if (f.map) return `${f.property}: new Map(),`
    if (f.list) return `${f.property}: [],`
    return `${f.property}: ${f.oneof || f.kind === "message" ? "undefined" : f.scalar.zero},`
  })
  return `${exported}function blank$${name}(): Draft$${name} {\n  return {\n${indent([...lines, "unknown: undefined"], 4)}\n  }\n}\n`
}

const emitFill = (name, fields, ref, exported) => {
  const lines = fields.map((f) => {
    const given = `i.${f.property}`
    const fill = f.kind === "message" ? ref("fill$", f.type) : ""
    if (f.map) {
      const filled = fill === "" ? given : `new Map(Array.from(${given}, ([k, v]) => [k, ${fill}(v)]))`
      return `${f.property}: ${given} === undefined ? new Map() : ${filled},`
    }
    if (f.list)
      return `${f.property}: ${given} === undefined ? [] : ${fill === "" ? given : `${given}.map((v) => ${fill}(v))`},`
    if (f.kind === "message") return `${f.property}: ${given} === undefined ? undefined : ${fill}(${given}),`
    return `${f.property}: ${given}${f.oneof ? "" : ` ?? ${f.scalar.zero}`},`
  })
  return `${exported}function fill$${name}(i: Init<${name}>): ${name} {\n  return {\n${indent([...lines, "unknown: i.unknown"], 4)}\n  }\n}\n`
}

const checkText = (f) => (f.kind === "string" ? [`if (r.invalid) late = r.fault(late, "${f.path}")`] : [])

const emitRead = (name, type, fields, ref, exported) => {
  const deep = needsDepth(type)
  const below = isRecursive(type) ? "depth + 1" : "depth"
  const readInto = (f, target) => `${ref("read$", f.type)}(r, ${target}${needsDepth(f.type) ? `, ${below}` : ""})`
  const cases = []
  const put = (key, lines) => cases.push(`      case ${key}: {\n${indent([...lines, "continue"], 8)}\n      }`)
  for (const f of fields) {
    const m = `m.${f.property}`
    const clear = f.rivals.map((other) => `m.${other} = undefined`)
    const nested = (before, target, after) => [
      "const outer = r.open()",
      ...before,
      readInto(f, target),
      "r.end = outer",
      ...after
    ]
    const fresh = f.kind === "message" ? `const v = ${ref("blank$", f.type)}()` : ""
    if (f.map) {
      const isMessage = f.kind === "message"
      // Go takes a value that is missing for nil and crashes on its first use; a message without fields has no use.
      const valueMatters = isMessage && f.type.fieldsArray.length > 0
      put(f.key(2), [
        "const outer = r.open()",
        'let k = ""',
        isMessage ? `let v: ${ref("Draft$", f.type)} | undefined` : `let v: ${f.scalar.ts} = ${f.scalar.zero}`,
        "while (r.pos < r.end) {",
        "  const key = r.key()",
        "  if (key === 10) {",
        "    k = r.text()",
        `    if (r.invalid) late = r.fault(late, "${f.path}")`,
        `  } else if (key === ${16 + (isMessage ? 2 : f.scalar.wire)}) {`,
        ...(isMessage
          ? [
              "    const entry = r.open()",
              `    v ??= ${ref("blank$", f.type)}()`,
              `    ${readInto(f, "v")}`,
              "    r.end = entry"
            ]
          : [`    v = r.${f.scalar.method}()`, ...checkText(f).map((line) => `    ${line}`)]),
        "  } else r.skipEntryField(key)",
        "}",
        "r.end = outer",
        ...(valueMatters ? [`if (v === undefined) throw noMapValue("${f.path}")`] : []),
        `${m}.set(k, v${isMessage && !valueMatters ? ` ?? ${ref("blank$", f.type)}()` : ""})`
      ])
    } else if (f.list && f.kind === "message") put(f.key(2), nested([fresh], "v", [`${m}.push(v)`]))
    else if (f.list) {
      put(f.key(f.scalar.wire), [`${m}.push(r.${f.scalar.method}())`, ...checkText(f)])
      if (f.scalar.wire === 0)
        put(f.key(2), [
          "const outer = r.open()",
          `while (r.pos < r.end) ${m}.push(r.${f.scalar.method}())`,
          "r.end = outer"
        ])
    } else if (f.kind === "message") {
      // Singular messages merge; a oneof's member is read afresh each time, as in Go.
      if (f.oneof) put(f.key(2), nested([fresh], "v", [...clear, `${m} = v`]))
      else put(f.key(2), nested([`${m} ??= ${ref("blank$", f.type)}()`], m, []))
    } else put(f.key(f.scalar.wire), [`${m} = r.${f.scalar.method}()`, ...checkText(f), ...clear])
  }
  const maps = fields.filter((f) => f.map)
  const choices = fields.filter((f) => f.oneof)
  const within = (list) => list.map((f) => `number === ${f.number}`).join(" || ")
  const late = fields.some((f) => f.kind === "string" || f.map)
  const body = [
    ...(late ? ['  let late = ""'] : []),
    "  while (r.pos < r.end) {",
    "    const key = r.key()",
    ...(cases.length > 0 ? [`    switch (key) {\n${cases.join("\n")}\n    }`] : []),
    ...(maps.length + choices.length > 0 ? ["    const number = Math.floor(key / 8)"] : []),
    ...(maps.length > 0 ? [`    if (${within(maps)}) throw r.noMap(key)`] : []),
    ...(choices.length > 0 ? [`    if (${within(choices)}) throw r.misplaced(key)`] : []),
    `    m.unknown = r.unknown(key, m.unknown, "${goName(type)}")`,
    "  }",
    ...(late ? ['  if (late !== "") throw invalidUtf8(late)'] : [])
  ]
  if (isRecursive(type)) body.unshift("  if (depth > MAX_DEPTH) throw tooDeep()")
  return `${exported}function read$${name}(r: Reader, m: Draft$${name}${deep ? ", depth: number" : ""}): void {\n${body.join("\n")}\n}\n`
}

/** From the last field to the first, because the writer goes from the end to the front. Oneofs come last, as in Go. */
const emitWrite = (name, type, fields, ref, exported) => {
  const below = isRecursive(type) ? "w.deeper(depth)" : "depth"
  const order = [...fields.filter((f) => !f.oneof), ...fields.filter((f) => f.oneof)].reverse()
  const one = (f, v) =>
    f.kind === "message"
      ? [
          "const at = w.written",
          `${ref("write$", f.type)}(w, ${v}${needsDepth(f.type) ? `, ${below}` : ""})`,
          "w.close(at)"
        ]
      : [`w.${f.scalar.method}(${v})`]
  const blocks = order.map((f) => {
    const v = `i.${f.property}`
    const key = (wire) => `w.key(${f.key(wire)})`
    const block = (condition, lines) => `  if (${condition}) {\n${indent(lines, 4)}\n  }`
    if (f.map)
      return block(`${v} !== undefined && ${v}.size > 0`, [
        `for (const [k, v] of descendingEntries(${v})) {`,
        "  const entry = w.written",
        ...one(f, "v").map((line) => `  ${line}`),
        `  w.key(${16 + (f.kind === "message" ? 2 : f.scalar.wire)})`,
        "  w.text(k)",
        "  w.key(10)",
        "  w.close(entry)",
        `  ${key(2)}`,
        "}"
      ])
    if (f.list) {
      const packed = f.kind !== "message" && f.scalar.wire === 0
      const loop = [
        `for (let n = ${v}.length - 1; n >= 0; n--) {`,
        `  const v = ${v}[n]`,
        `  if (v === undefined) throw noElement("${f.name}")`,
        ...one(f, "v").map((line) => `  ${line}`),
        ...(packed ? [] : [`  ${key(2)}`]),
        "}"
      ]
      return block(
        `${v} !== undefined && ${v}.length > 0`,
        packed ? ["const list = w.written", ...loop, "w.close(list)", key(2)] : loop
      )
    }
    const wire = f.kind === "message" ? 2 : f.scalar.wire
    const set =
      f.oneof || f.kind === "message"
        ? `${v} !== undefined`
        : f.kind === "bytes"
          ? `${v} !== undefined && ${v}.length > 0`
          : `${v} !== undefined && ${v} !== ${f.scalar.zero}`
    return block(set, [...one(f, v), key(wire)])
  })
  return `${exported}function write$${name}(w: Writer, i: Init<${name}>${needsDepth(type) ? ", depth: number" : ""}): void {\n  if (i.unknown !== undefined) w.raw(i.unknown)\n${blocks.map((b) => `${b}\n`).join("")}}\n`
}

const emitInfo = (f, ref) => {
  const parts = [
    `name: "${f.name}"`,
    `property: "${f.property}"`,
    `number: ${f.number}`,
    `kind: "${f.kind}"`,
    `repeated: ${f.list}`
  ]
  if (f.map) parts.push('mapKey: "string"')
  if (f.oneof) parts.push(`oneof: "${f.oneof}"`)
  if (f.kind === "message") parts.push(`message: () => ${ref("", f.type)}`)
  if (f.kind === "enum") parts.push(`enum: () => ${ref("", f.type)}Info`)
  return `{ ${parts.join(", ")} }`
}

const emitCodec = (name, type, fields, ref) => {
  const depth = needsDepth(type) ? ", 0" : ""
  const table = fields.length === 0 ? "[]" : `[\n${fields.map((f) => `    ${emitInfo(f, ref)}`).join(",\n")}\n  ]`
  return `export const ${name}: MessageType<${name}> = {
  typeName: "${fullName(type)}",
  fields: ${table},
  decode: (bytes) => {
    const m = blank$${name}()
    read$${name}(new Reader(bytes), m${depth})
    return m
  },
  encode: (value) => {
    const w = borrowWriter()
    write$${name}(w, value${depth})
    return returnWriter(w)
  },
  create: (value) => (value === undefined ? blank$${name}() : fill$${name}(value))
}
`
}

/** `shared(type)`: whether another module's messages hold this one. */
export const emitMessage = (type, ref, shared) => {
  const name = localName(type)
  const fields = fieldsOf(type)
  const exported = shared(type) ? "/** @internal */\nexport " : ""
  return [
    emitInterface(name, type, fields, ref),
    emitDraft(name, fields, ref, exported),
    emitBlank(name, fields, exported),
    emitFill(name, fields, ref, exported),
    emitRead(name, type, fields, ref, exported),
    emitWrite(name, type, fields, ref, exported),
    emitCodec(name, type, fields, ref)
  ].join("\n")
}
