/** Names, numbers and types of our messages against the npm package fabric-protos (of Fabric 2.2). */
import { readdirSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import protobuf from "protobufjs"
import { assert, describe, it } from "vitest"
import type { MessageInfo } from "../../src/wire/index.js"
import * as wire from "../../src/wire/index.js"

const home = join(dirname(createRequire(import.meta.url).resolve("fabric-protos/package.json")), "protos")
const walk = (folder: string): Array<string> =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? walk(path) : path.endsWith(".proto") ? [path] : []
  })
const root = new protobuf.Root()
root.resolvePath = (_, target) => (target.startsWith("google/") || target.startsWith("/") ? target : join(home, target))
root.loadSync(walk(home), { keepCase: true })
root.resolveAll()

/** Where 2.2 differs from 1.4 on purpose: 1.4 is what we are. */
const only14 = new Set([
  "protos.ChaincodeDeploymentSpec.exec_env",
  "protos.ChaincodeHeaderExtension.payload_visibility"
])
/** Moved from package common to protos in 2.x. */
const moved = "common.CollectionConfigPackage"
const isMessage = (value: unknown): value is MessageInfo =>
  typeof value === "object" && value !== null && "typeName" in value && "fields" in value

const ours = Object.entries(wire)
  .filter(([, module]) => typeof module === "object")
  .flatMap(([, module]) => Object.values(module as object).filter(isMessage))

const theirs = (name: string): protobuf.Type | undefined => {
  try {
    return root.lookupType(name)
  } catch {
    return undefined
  }
}

describe("our messages", () => {
  it("have Fabric's names, numbers and types", () => {
    let compared = 0
    const differences: Array<string> = []
    for (const message of ours) {
      const type = theirs(message.typeName)
      if (type === undefined) continue
      compared++
      for (const field of message.fields) {
        const where = `${message.typeName}.${field.name}`
        const other = type.fields[field.name]
        if (other === undefined) {
          if (!only14.has(where)) differences.push(`${where}: not in fabric-protos`)
          continue
        }
        other.resolve()
        const kind =
          other.resolvedType instanceof protobuf.Enum
            ? "enum"
            : other.resolvedType instanceof protobuf.Type
              ? "message"
              : other.type
        const name = other.resolvedType?.fullName.slice(1)
        const mine = field.message?.().typeName ?? field.enum?.().typeName
        if (other.id !== field.number) differences.push(`${where}: number ${field.number}, theirs ${other.id}`)
        if (kind !== field.kind) differences.push(`${where}: ${field.kind}, theirs ${kind}`)
        if (name !== mine && mine !== moved) differences.push(`${where}: type ${mine}, theirs ${name}`)
        if ((other.map || other.repeated) !== (field.repeated || field.mapKey !== undefined))
          differences.push(`${where}: repeated differs`)
        if ((other.partOf?.name ?? "") !== (field.oneof ?? "")) differences.push(`${where}: oneof differs`)
      }
    }
    assert.deepEqual(differences, [])
    assert.isAbove(compared, 150)
  })
})
