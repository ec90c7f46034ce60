// Makes src/wire/gen/*.ts (one module per proto package) from protos/**/*.proto. Parsing is protobufjs's; the code that
// comes out follows Go's decoding rules (see src/wire/codec.ts). Run by `npm run generate`.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import protobuf from "protobufjs"

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..")
const protos = join(root, "protos")
const out = join(root, "src", "wire", "gen")

const walk = (folder) =>
  readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name)
      return statSync(path).isDirectory() ? walk(path) : path.endsWith(".proto") ? [path] : []
    })

const all = new protobuf.Root()
all.resolvePath = (_, target) => (target.startsWith("google/") ? target : resolve(protos, target))
all.loadSync(walk(protos), { keepCase: true })
all.resolveAll()

// ---- Names -------------------------------------------------------------------------------------------------------

const camel = (name) => name[0].toLowerCase() + name.slice(1).replace(/_([a-z0-9])/gi, (_, c) => c.toUpperCase())
const packageOf = (type) => {
  let at = type.parent
  while (at instanceof protobuf.Type) at = at.parent
  return at.fullName.slice(1)
}
const moduleOf = (pkg) => (pkg === "google.protobuf" ? "google" : pkg.replace(/\./g, "_"))
const localName = (type) =>
  type.parent instanceof protobuf.Type ? `${localName(type.parent)}_${type.name}` : type.name

const scalar = {
  double: { ts: "number", wire: 1, zero: "0", read: "r.double(end)", write: (v) => `w.double(${v})` },
  float: { ts: "number", wire: 5, zero: "0", read: "r.float(end)", write: (v) => `w.float(${v})` },
  int32: { ts: "number", wire: 0, zero: "0", read: "r.varint32(end)", write: (v) => `w.int32(${v})` },
  uint32: { ts: "number", wire: 0, zero: "0", read: "r.varint32(end) >>> 0", write: (v) => `w.uint32(${v})` },
  sint32: {
    ts: "number",
    wire: 0,
    zero: "0",
    read: "zigzag32(r.varint32(end))",
    write: (v) => `w.uint32(((${v} << 1) ^ (${v} >> 31)) >>> 0)`
  },
  fixed32: { ts: "number", wire: 5, zero: "0", read: "r.fixed32(end) >>> 0", write: (v) => `w.fixed32(${v})` },
  sfixed32: { ts: "number", wire: 5, zero: "0", read: "r.fixed32(end)", write: (v) => `w.fixed32(${v})` },
  int64: {
    ts: "bigint",
    wire: 0,
    zero: "0n",
    read: "BigInt.asIntN(64, r.varint64(end))",
    write: (v) => `w.uint64(${v})`
  },
  uint64: { ts: "bigint", wire: 0, zero: "0n", read: "r.varint64(end)", write: (v) => `w.uint64(${v})` },
  fixed64: { ts: "bigint", wire: 1, zero: "0n", read: "r.fixed64(end)", write: (v) => `w.fixed64(${v})` },
  sfixed64: {
    ts: "bigint",
    wire: 1,
    zero: "0n",
    read: "BigInt.asIntN(64, r.fixed64(end))",
    write: (v) => `w.fixed64(${v})`
  },
  bool: {
    ts: "boolean",
    wire: 0,
    zero: "false",
    read: "r.varint64(end) !== 0n",
    write: (v) => `w.uint32(${v} ? 1 : 0)`
  },
  string: { ts: "string", wire: 2, zero: '""', read: null, write: (v) => `w.string(${v})` },
  bytes: { ts: "Uint8Array", wire: 2, zero: "EMPTY", read: "r.bytes(end)", write: (v) => `w.bytes(${v})` },
  enum: { ts: "number", wire: 0, zero: "0", read: "r.varint32(end)", write: (v) => `w.int32(${v})` }
}

// ---- One module --------------------------------------------------------------------------------------------------

const emitPackage = (pkg, items) => {
  const used = new Set()
  const ref = (type) => {
    const other = packageOf(type)
    if (other === pkg) return localName(type)
    used.add(moduleOf(other))
    return `${moduleOf(other)}.${localName(type)}`
  }
  const kindOf = (field) =>
    field.resolvedType instanceof protobuf.Enum
      ? "enum"
      : field.resolvedType instanceof protobuf.Type
        ? "message"
        : field.type
  const tsOf = (field) => (kindOf(field) === "message" ? ref(field.resolvedType) : scalar[kindOf(field)].ts)
  const oneofOf = (field) => field.partOf ?? undefined

  const emitEnum = (e) => {
    const name = localName(e)
    const values = Object.entries(e.values).map(([k, v]) => `  ${k}: ${v}`)
    return `export const ${name} = {\n${values.join(",\n")}\n} as const\nexport const ${name}Info: EnumInfo = enumInfo("${pkg}.${name.replace(/_/g, ".")}", ${name})\n`
  }

  const emitMessage = (type) => {
    const name = localName(type)
    const full = type.fullName.slice(1)
    const fields = [...type.fieldsArray].sort((a, b) => a.id - b.id)
    const prop = (f) => camel(f.name)

    const members = fields.map((f) => {
      const ts = tsOf(f)
      if (f.map) return `  readonly ${prop(f)}: ReadonlyMap<${scalar[f.keyType].ts}, ${ts}>`
      if (f.repeated) return `  readonly ${prop(f)}: ReadonlyArray<${ts}>`
      if (oneofOf(f) || kindOf(f) === "message") return `  readonly ${prop(f)}: ${ts} | undefined`
      return `  readonly ${prop(f)}: ${ts}`
    })
    let text = `export interface ${name} {\n${members.join("\n")}${members.length ? "\n" : ""}  /** Fields that this message does not define, as received. */\n  readonly unknown: Uint8Array | undefined\n}\n\n`

    // create
    const filled = fields.map((f) => {
      const p = prop(f)
      if (f.map)
        return kindOf(f) === "message"
          ? `  ${p}: i?.${p} === undefined ? new Map() : new Map([...i.${p}].map(([k, v]) => [k, ${ref(f.resolvedType)}.create(v)]))`
          : `  ${p}: i?.${p} ?? new Map()`
      if (f.repeated)
        return kindOf(f) === "message"
          ? `  ${p}: i?.${p} === undefined ? [] : i.${p}.map((v) => ${ref(f.resolvedType)}.create(v))`
          : `  ${p}: i?.${p} ?? []`
      if (kindOf(f) === "message")
        return `  ${p}: i?.${p} === undefined ? undefined : ${ref(f.resolvedType)}.create(i.${p})`
      if (oneofOf(f)) return `  ${p}: i?.${p}`
      return `  ${p}: i?.${p} ?? ${scalar[kindOf(f)].zero}`
    })
    text += `const create${name} = (i?: Init<${name}>): ${name} => ({\n${[...filled, "  unknown: i?.unknown"].join(",\n")}\n})\n\n`

    // read
    const read = fields.flatMap((f) => {
      const p = prop(f)
      const kind = kindOf(f)
      const value =
        kind === "string" ? `r.string(end, "${full}.${f.name}")` : kind === "message" ? null : scalar[kind].read
      const clear = oneofOf(f)
        ? oneofOf(f)
            .fieldsArray.filter((o) => o !== f)
            .map((o) => `m.${prop(o)} = undefined`)
        : []
      const lines = (key, body) =>
        `      case ${key}: {\n${[...clear, ...body].map((l) => `        ${l}`).join("\n")}\n        break\n      }`
      const nestedRead = (target) => [
        `const to = r.span(end)`,
        `const v = ${target}`,
        `${ref(f.resolvedType)}.read(r, to, v, r.nested(depth))`
      ]
      if (f.map) {
        const keyRead =
          f.keyType === "string" ? `r.string(to, "${full}.${f.name}.key")` : scalar[f.keyType].read.replace("end", "to")
        const keyTag = 8 + scalar[f.keyType].wire
        const body = [
          `const to = r.span(end)`,
          `let k: ${scalar[f.keyType].ts} = ${scalar[f.keyType].zero}`,
          kind === "message" ? `const v = ${ref(f.resolvedType)}.create()` : `let v: ${tsOf(f)} = ${scalar[kind].zero}`,
          `while (r.p < to) {`,
          `  const inner = r.key(to)`,
          `  if (inner === ${keyTag}) k = ${keyRead}`,
          kind === "message"
            ? `  else if (inner === 18) {\n          const valueEnd = r.span(to)\n          ${ref(f.resolvedType)}.read(r, valueEnd, v, r.nested(depth))\n          }`
            : `  else if (inner === ${16 + scalar[kind].wire}) v = ${kind === "string" ? `r.string(to, "${full}.${f.name}.value")` : scalar[kind].read.replace("end", "to")}`,
          `  else r.unknown(inner, to, "${full}", undefined)`,
          `}`,
          `m.${p} = new Map(m.${p}).set(k, v)`
        ]
        return [lines((f.id << 3) | 2, body)]
      }
      if (f.repeated) {
        if (kind === "message")
          return [lines((f.id << 3) | 2, [...nestedRead(`${ref(f.resolvedType)}.create()`), `push(m.${p}, v)`])]
        if (kind === "string" || kind === "bytes") return [lines((f.id << 3) | 2, [`push(m.${p}, ${value})`])]
        return [
          lines((f.id << 3) | scalar[kind].wire, [`push(m.${p}, ${value})`]),
          lines((f.id << 3) | 2, [
            `const to = r.span(end)`,
            `while (r.p < to) push(m.${p}, ${value.replace("end", "to")})`
          ])
        ]
      }
      if (kind === "message") {
        // Singular messages merge; a oneof's member is read afresh each time, as Go does.
        const target = oneofOf(f) ? `${ref(f.resolvedType)}.create()` : `m.${p} ?? ${ref(f.resolvedType)}.create()`
        return [lines((f.id << 3) | 2, [...nestedRead(target), `m.${p} = v`])]
      }
      return [lines((f.id << 3) | scalar[kind].wire, [`m.${p} = ${value}`])]
    })
    text += `const read${name} = (r: Reader, end: number, m: Mutable<${name}>, ${read.join("").includes("depth") ? "depth" : "_depth"}: number): void => {\n  while (r.p < end) {\n    const key = r.key(end)\n`
    text +=
      read.length > 0
        ? `    switch (key) {\n${read.join("\n")}\n      default:\n        m.unknown = r.unknown(key, end, "${full}", m.unknown)\n    }\n  }\n}\n\n`
        : `    m.unknown = r.unknown(key, end, "${full}", m.unknown)\n  }\n}\n\n`

    // write: descending, because the writer goes from the end to the front
    const write = [...fields].reverse().map((f) => {
      const p = prop(f)
      const kind = kindOf(f)
      const key = (wire) => `w.uint32(${((f.id << 3) | wire) >>> 0})`
      const message = (v) => `const at = w.written; ${ref(f.resolvedType)}.write(w, ${v}); w.length(at); ${key(2)}`
      if (f.map)
        return `  if (i.${p} !== undefined) for (const k of sortedKeys(i.${p}).reverse()) {\n    const v = i.${p}.get(k)\n    if (v === undefined) continue\n    const entry = w.written\n    ${
          kind === "message"
            ? `{ const at = w.written; ${ref(f.resolvedType)}.write(w, v); w.length(at); w.uint32(18) }`
            : `${scalar[kind].write("v")}; w.uint32(${16 + scalar[kind].wire})`
        }\n    w.string(k); w.uint32(10)\n    w.length(entry); ${key(2)}\n  }`
      if (f.repeated) {
        const loop = `for (let n = i.${p}.length - 1; n >= 0; n--) {\n      const v = i.${p}[n]\n      if (v === undefined) continue\n      `
        if (kind === "message") return `  if (i.${p} !== undefined) {\n    ${loop}${message("v")}\n    }\n  }`
        if (kind === "string" || kind === "bytes")
          return `  if (i.${p} !== undefined) {\n    ${loop}${scalar[kind].write("v")}; ${key(2)}\n    }\n  }`
        return `  if (i.${p} !== undefined && i.${p}.length > 0) {\n    const at = w.written\n    ${loop}${scalar[kind].write("v")}\n    }\n    w.length(at); ${key(2)}\n  }`
      }
      if (kind === "message") return `  if (i.${p} !== undefined) { ${message(`i.${p}`)} }`
      const set = oneofOf(f)
        ? `i.${p} !== undefined`
        : kind === "string" || kind === "bytes"
          ? `i.${p} !== undefined && i.${p}.length > 0`
          : kind === "bool"
            ? `i.${p} === true`
            : kind === "double" || kind === "float"
              ? `i.${p} !== undefined && !Object.is(i.${p}, 0)`
              : `i.${p} !== undefined && i.${p} !== ${scalar[kind].zero}`
      return `  if (${set}) { ${scalar[kind].write(`i.${p}`)}; ${key(scalar[kind].wire)} }`
    })
    text += `const write${name} = (w: Writer, i: Init<${name}>): void => {\n  if (i.unknown !== undefined) w.raw(i.unknown)\n${write.join("\n")}\n}\n\n`

    const infos = fields.map((f) => {
      const kind = kindOf(f)
      const parts = [
        `name: "${f.name}"`,
        `property: "${prop(f)}"`,
        `number: ${f.id}`,
        `kind: "${kind}"`,
        `repeated: ${f.repeated === true && !f.map}`
      ]
      if (f.map) parts.push(`mapKey: "${f.keyType}"`)
      if (oneofOf(f)) parts.push(`oneof: "${oneofOf(f).name}"`)
      if (kind === "message") parts.push(`message: () => ${ref(f.resolvedType)}`)
      if (kind === "enum") parts.push(`enum: () => ${ref(f.resolvedType)}Info`)
      return `  { ${parts.join(", ")} }`
    })
    text += `export const ${name}: MessageType<${name}> = messageType("${full}", create${name}, read${name}, write${name}, () => [\n${infos.join(",\n")}\n])\n`
    return text
  }

  const body = items.map((item) => (item instanceof protobuf.Enum ? emitEnum(item) : emitMessage(item))).join("\n")
  const helpers = []
  if (body.includes("push("))
    helpers.push("const push = <T>(list: ReadonlyArray<T>, value: T): void => void (list as Array<T>).push(value)\n")
  if (body.includes("zigzag32(")) helpers.push("const zigzag32 = (n: number): number => (n >>> 1) ^ -(n & 1)\n")
  const types = ["EnumInfo", "Init", "MessageType", "Mutable", "Reader", "Writer"].filter((t) =>
    new RegExp(`\\b${t}\\b`).test(body)
  )
  const values = ["EMPTY", "enumInfo", "messageType", "sortedKeys"].filter((t) => new RegExp(`\\b${t}\\b`).test(body))
  const imports = [
    `import type { ${types.join(", ")} } from "../codec.js"`,
    ...(values.length > 0 ? [`import { ${values.join(", ")} } from "../codec.js"`] : []),
    ...[...used].sort().map((m) => `import * as ${m} from "./${m}.js"`)
  ]
  return `// Generated by scripts/generate-wire.mjs from protos/: do not edit.\n${imports.join("\n")}\n\n${helpers.join("")}${body}`
}

// ---- All of them -------------------------------------------------------------------------------------------------

const packages = new Map()
const collect = (namespace) => {
  for (const item of namespace.nestedArray) {
    if (item instanceof protobuf.Type || item instanceof protobuf.Enum) {
      const pkg = packageOf(item)
      if (!packages.has(pkg)) packages.set(pkg, [])
      packages.get(pkg).push(item)
    }
    if (item instanceof protobuf.Type || item.constructor === protobuf.Namespace) collect(item)
  }
}
collect(all)

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
for (const [pkg, items] of packages) writeFileSync(join(out, `${moduleOf(pkg)}.ts`), emitPackage(pkg, items))

// Services as plain data: src/transport gives them raw codecs.
const services = []
const collectServices = (namespace) => {
  for (const item of namespace.nestedArray) {
    if (item instanceof protobuf.Service) services.push(item)
    else if (item.constructor === protobuf.Namespace) collectServices(item)
  }
}
collectServices(all)
const serviceText = services.map((service) => {
  const full = service.fullName.slice(1)
  const methods = service.methodsArray.map(
    (m) =>
      `    ${m.name}: { path: "/${full}/${m.name}", requestStream: ${m.requestStream === true}, responseStream: ${m.responseStream === true} }`
  )
  return `export const ${full.replace(".", "_")} = {\n  name: "${full}",\n  methods: {\n${methods.join(",\n")}\n  }\n} as const\n`
})
writeFileSync(
  join(out, "services.ts"),
  `// Generated by scripts/generate-wire.mjs from protos/: do not edit.\n${serviceText.join("\n")}`
)
writeFileSync(
  join(out, "index.ts"),
  `// Generated by scripts/generate-wire.mjs from protos/: do not edit.\n${[...packages.keys()]
    .map((pkg) => `export * as ${moduleOf(pkg)} from "./${moduleOf(pkg)}.js"`)
    .sort()
    .join("\n")}\n`
)
readFileSync(join(out, "index.ts"))
console.log(`generated ${packages.size} modules, ${services.length} services`)
