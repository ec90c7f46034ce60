/** Making packages: from folders, from Go sources, signed by owners. */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { carPayload, javaPayload, nodePayload } from "../../../src/chaincode/packages/build.js"
import { golangPayload } from "../../../src/chaincode/packages/buildGo.js"
import { openSignedSpec, recognisePackage } from "../../../src/chaincode/packages/ChaincodePackage.js"
import { gunzip } from "../../../src/chaincode/packages/gzip.js"
import { codePackageFault } from "../../../src/chaincode/packages/platforms.js"
import { addSignature, collateSignedPackages, createSignedPackage } from "../../../src/chaincode/packages/signing.js"
import { finish, TarReader } from "../../../src/chaincode/packages/tar.js"
import { sha256 } from "../../../src/crypto/hash.js"
import { protos } from "../../../src/wire/index.js"
import { run } from "../support/TestPeer.js"

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

let folder: string
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "fe-making-"))
})
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

const write = (files: Readonly<Record<string, string>>) => {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    fs.writeFileSync(path.join(folder, name), content)
  }
}

const names = (bytes: Uint8Array): ReadonlyArray<string> => {
  const source = gunzip(bytes)
  if (typeof source === "string") throw new Error(source)
  const archive = new TarReader(source)
  const found: Array<string> = []
  for (;;) {
    const entry = finish(archive.next())
    if (typeof entry === "string") return found
    expect(entry.mode).toBe(0o100644n)
    found.push(entry.name)
  }
}

const INDEX = '{"index":{"fields":["owner"]},"ddoc":"d","name":"n","type":"json"}'
const reason = (effect: Effect.Effect<unknown, { readonly message: string }>): Promise<string> =>
  run(Effect.match(effect, { onSuccess: () => "succeeded", onFailure: (error) => error.message }))

describe("a Node folder", () => {
  const files = {
    "package.json": "{}",
    "lib/b.js": "b",
    "lib/a.js": "a",
    "lib/node_modules/kept.js": "",
    "node_modules/left/out.js": "",
    ".gitignore": "",
    ".npmrc": "",
    "META-INF/statedb/couchdb/indexes/i.json": INDEX,
    "META-INF/statedb/couchdb/indexes/.hidden": ""
  }

  it("is packed without its modules, in order, the same each time", async () => {
    write(files)
    const bytes = await run(nodePayload(`${folder}/`))
    expect(names(bytes)).toEqual([
      "src/.npmrc",
      "META-INF/statedb/couchdb/indexes/i.json",
      "src/lib/a.js",
      "src/lib/b.js",
      "src/lib/node_modules/kept.js",
      "src/package.json"
    ])
    expect(finish(codePackageFault("NODE", bytes))).toBeUndefined()
    fs.utimesSync(path.join(folder, "package.json"), 1, 1)
    expect(Buffer.from(await run(nodePayload(folder))).equals(Buffer.from(bytes))).toBe(true)
  })

  it("is refused with the reference's words", async () => {
    expect(await reason(nodePayload(""))).toBe("ChaincodeSpec's path cannot be empty")
    const prefix = "Error writing Chaincode package contents:"
    expect(await reason(nodePayload(folder))).toBe(`${prefix} no source files found in '${folder}'`)
    expect(await reason(nodePayload(path.join(folder, "absent")))).toContain(
      `${prefix} lstat ${path.join(folder, "absent")}: no such file or directory`
    )
    write({ "META-INF/statedb/couchdb/indexes/i.json": "not json", "package.json": "{}" })
    expect(await reason(nodePayload(folder))).toBe(
      `${prefix} Index metadata file [META-INF/statedb/couchdb/indexes/i.json] is not a valid JSON`
    )
  })
})

describe("a Java folder and a CAR file", () => {
  it("are packed by their own rules", async () => {
    write({
      "build.gradle": "",
      "src/main/java/A.java": "",
      "src/main/java/A.class": "",
      "build/x": "",
      "target/x": "",
      "out/x": "",
      "src/build/kept": ""
    })
    const bytes = await run(javaPayload(folder))
    expect(names(bytes)).toEqual(["src/build.gradle", "src/src/build/kept", "src/src/main/java/A.java"])
    expect(finish(codePackageFault("JAVA", bytes))).toBeUndefined()
    fs.writeFileSync(path.join(folder, "x.car"), "car")
    expect(Buffer.from(await run(carPayload(path.join(folder, "x.car")))).toString()).toBe("car")
  })
})

const hasGo = (() => {
  try {
    execFileSync("go", ["version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

describe.skipIf(!hasGo)("a Go package", () => {
  it("takes along what it needs and what is not provided", async () => {
    const source = (imports: ReadonlyArray<string>, pkg = "main") =>
      `package ${pkg}\nimport (\n${imports.map((name) => `_ "${name}"\n`).join("")})\n`
    write({
      "src/example.com/cc/main.go": `${source(["fmt", "example.com/lib", "github.com/hyperledger/fabric/core/chaincode/shim"])}func main() {}\n`,
      "src/example.com/cc/README.md": "",
      "src/example.com/cc/sub/sub.go": "package sub\n",
      "src/example.com/cc/META-INF/statedb/couchdb/indexes/i.json": INDEX,
      "src/example.com/lib/lib.go": source(["example.com/deep"], "lib"),
      "src/example.com/deep/deep.go": "package deep\n",
      "src/example.com/unused/unused.go": "package unused\n",
      "src/github.com/hyperledger/fabric/core/chaincode/shim/shim.go": "package shim\n"
    })
    const environment = { PATH: process.env.PATH ?? "", HOME: os.homedir(), GOPATH: folder, GOFLAGS: "" }
    const bytes = await run(golangPayload("example.com/cc", environment))
    expect(names(bytes)).toEqual([
      "META-INF/statedb/couchdb/indexes/i.json",
      "src/example.com/cc/main.go",
      "src/example.com/cc/vendor/example.com/deep/deep.go",
      "src/example.com/cc/vendor/example.com/lib/lib.go"
    ])
    expect(finish(codePackageFault("GOLANG", bytes))).toBeUndefined()
    expect(await reason(golangPayload("example.com/absent", environment))).toContain(
      "code does not exist Could not open file"
    )
    expect(await reason(golangPayload("", environment))).toBe("Cannot collect files from empty chaincode path")
  }, 60_000)
})

describe("owners", () => {
  const owner = (name: string) => ({
    serialized: utf8(name),
    sign: (bytes: Uint8Array) => utf8(`${name} signs ${Buffer.from(sha256(bytes)).toString("hex")}`)
  })
  const spec = protos.ChaincodeDeploymentSpec.encode({
    chaincodeSpec: { type: 2, chaincodeId: { name: "cc", version: "1" } },
    codePackage: utf8("code")
  })
  const policy = utf8("policy")
  const endorsements = (bytes: Uint8Array) =>
    Either.getOrThrow(openSignedSpec(bytes)).signed.ownerEndorsements.map(({ endorser, signature }) => [
      Buffer.from(endorser).toString(),
      Buffer.from(signature).toString()
    ])
  const signs = (name: string) => {
    const digest = sha256(Buffer.concat([spec, policy, utf8(name)]))
    return [name, `${name} signs ${Buffer.from(digest).toString("hex")}`]
  }

  it("sign spec, policy and their own identity; each signature changes the fingerprint", () => {
    const first = createSignedPackage(spec, policy, owner("a"), 7n)
    expect(endorsements(first)).toEqual([signs("a")])
    const second = Either.getOrThrow(addSignature(first, owner("b"), 8n))
    expect(endorsements(second)).toEqual([signs("a"), signs("b")])
    const id = (bytes: Uint8Array) => Buffer.from(Either.getOrThrow(recognisePackage(bytes, sha256)).id).toString("hex")
    expect(id(first)).not.toBe(id(second))
    expect(id(createSignedPackage(spec, policy, owner("a"), 99n))).toBe(id(first))
  })

  it("add to signed packages only", () => {
    const unsigned = createSignedPackage(spec, policy, undefined, 7n)
    expect(endorsements(unsigned)).toEqual([])
    const refused = (bytes: Uint8Array) =>
      Either.match(addSignature(bytes, owner("b"), 8n), { onLeft: (e) => e.message, onRight: () => "ok" })
    expect(refused(unsigned)).toBe("invalid signed deployment spec")
    expect(refused(utf8("\xff"))).toBe("failed to unmarshal envelope from bytes")
  })

  it("who signed apart are put together when they signed the same", () => {
    const collate = (...packages: ReadonlyArray<Uint8Array>) =>
      Either.match(collateSignedPackages(packages, 9n), { onLeft: (e) => e.message, onRight: endorsements })
    const by = (name: string) => createSignedPackage(spec, policy, owner(name), 7n)
    expect(collate(by("a"), by("b"), by("c"))).toEqual([signs("a"), signs("b"), signs("c")])
    expect(collate()).toBe("no packages provided to collate")
    expect(collate(by("a"), createSignedPackage(spec, policy, undefined, 7n))).toBe(
      "endorsements should either be both nil or not nil"
    )
    expect(collate(by("a"), createSignedPackage(spec, utf8("longer policy"), owner("b"), 7n))).toBe(
      "Rule-all instantiation policies should match(6, 13)"
    )
    expect(collate(by("a"), createSignedPackage(utf8("spec"), policy, owner("b"), 7n))).toBe(
      `Rule-all deployment specs should match(${spec.length}, 4)`
    )
  })
})
