/** The install store: bytes as given, the lists, the new lifecycle's packages, the policy check. */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { recognisePackage } from "../../../src/chaincode/packages/ChaincodePackage.js"
import * as packageStore from "../../../src/chaincode/packages/PackageStore.js"
import { PackageStore } from "../../../src/chaincode/packages/PackageStore.js"
import { createSignedPackage } from "../../../src/chaincode/packages/signing.js"
import { tarGzOf } from "../../../src/chaincode/packages/tarWriter.js"
import { sha256 } from "../../../src/crypto/hash.js"
import { protos } from "../../../src/wire/index.js"
import { run } from "../support/TestPeer.js"

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
// no text: a signed package of nothing but text reads as a plain one too, and disk goes by the plain reading (T19)
const signer = { serialized: utf8("owner"), sign: () => Uint8Array.of(0xff, 0xfe) }

let root: string
let folder: string
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "fe-store-"))
  folder = path.join(root, "chaincodes")
})
afterEach(() => fs.rmSync(root, { recursive: true, force: true }))

const open = (place = folder) =>
  run(Effect.scoped(Effect.map(Layer.build(packageStore.layer(place, sha256)), (context) => context))).then((context) =>
    Effect.runSync(Effect.provide(PackageStore, context))
  )

const spec = (name: string, version: string, code = "code") =>
  protos.ChaincodeDeploymentSpec.encode({
    chaincodeSpec: { type: 2, chaincodeId: { name, version, path: "p" } },
    codePackage: utf8(code)
  })
const packageOf = (bytes: Uint8Array) => Either.getOrThrow(recognisePackage(bytes, sha256))
const reason = (effect: Effect.Effect<unknown, { readonly message: string }>): Promise<string> =>
  run(Effect.match(effect, { onSuccess: () => "succeeded", onFailure: (error) => error.message }))

describe("the folder", () => {
  it("is made when it is missing, but not its parents", async () => {
    await open()
    expect(fs.statSync(folder).mode & 0o777).toBe(0o755 & ~process.umask())
    await open()
    const deep = path.join(root, "a", "b")
    await expect(open(deep)).rejects.toThrow(
      `Could not create chaincodes install path: mkdir ${deep}: no such file or directory`
    )
    fs.writeFileSync(path.join(root, "file"), "")
    await expect(open(path.join(root, "file"))).rejects.toThrow(`chaincode path exists but not a dir: ${root}/file`)
  })
})

describe("a package", () => {
  it.each(["plain", "signed"])("that is %s is kept byte by byte and recognised again", async (form) => {
    const store = await open()
    const bytes =
      form === "plain" ? spec("cc", "1.0") : createSignedPackage(spec("cc", "1.0"), utf8("policy"), signer, 1n)
    const found = packageOf(bytes)
    await run(store.put(found))
    const file = path.join(folder, "cc.1.0")
    expect(Buffer.from(fs.readFileSync(file)).equals(Buffer.from(bytes))).toBe(true)
    expect(fs.statSync(file).mode & 0o777).toBe(0o644 & ~process.umask())
    expect(fs.readdirSync(root)).toEqual(["chaincodes"])
    const again = await run(store.get("cc", "1.0"))
    expect(again).toMatchObject({
      format: form === "plain" ? "CDS" : "SignedCDS",
      name: "cc",
      version: "1.0",
      type: "NODE"
    })
    expect(Buffer.from(again.id).equals(Buffer.from(found.id))).toBe(true)
    expect(Buffer.from(await run(store.codePackage("cc", "1.0"))).toString()).toBe("code")
    expect(store.isInstalled("cc:1.0")).toBe(true)
    expect(store.isInstalled("cc:2.0")).toBe(false)
    expect(await reason(store.put(found))).toBe(`chaincode ${file} exists`)
  })

  it("that is not there has the system's reason", async () => {
    const store = await open()
    expect(await reason(store.get("cc", "1.0"))).toBe(`open ${folder}/cc.1.0: no such file or directory`)
    expect(await reason(store.codePackage("cc", "1.0"))).toBe(
      "code package not found for chaincode with name 'cc', version '1.0'"
    )
    expect(await reason(store.get("../../etc/passwd", "x"))).toContain("no such file or directory")
    expect(store.isInstalled("../../etc/passwd")).toBe(false)
  })

  it("of the new lifecycle comes first when code is wanted", async () => {
    const store = await open()
    const bytes = tarGzOf([
      { name: "Chaincode-Package-Metadata.json", content: utf8('{"Type":"node","Path":"p"}') },
      { name: "code.tar.gz", content: utf8("newer code") }
    ])
    const hash = createHash("sha256").update(bytes).digest("hex")
    fs.writeFileSync(path.join(folder, `${hash}.json`), '{"Name":"cc","Version":"1.0"}')
    expect(await reason(store.codePackage("cc", "1.0"))).toContain(
      "error loading code package from ChaincodeInstallPackage"
    )
    fs.writeFileSync(path.join(folder, `${hash}.bin`), bytes)
    expect(Buffer.from(await run(store.codePackage("cc", "1.0"))).toString()).toBe("newer code")
    fs.writeFileSync(path.join(folder, `${hash}.bin`), "no archive at all")
    expect(await reason(store.codePackage("cc", "1.0"))).toBe(
      "error parsing chaincode package: error reading as gzip stream: gzip: invalid header"
    )
  })
})

describe("the lists", () => {
  it("differ in what they forgive", async () => {
    const store = await open()
    for (const [name, version] of [
      ["b", "2"],
      ["a", "1.0"],
      ["a", "1"]
    ] as const) {
      await run(store.put(packageOf(spec(name, version))))
    }
    fs.mkdirSync(path.join(folder, "folder.x"))
    fs.writeFileSync(path.join(folder, "nodot"), "")
    const names = (list: ReadonlyArray<{ readonly name: string; readonly version: string }>) =>
      list.map(({ name, version }) => `${name}:${version}`)
    expect(names(await run(store.list))).toEqual(["a:1", "a:1.0", "b:2"])
    expect(names(await run(store.listStrict))).toEqual(["a:1", "a:1.0", "b:2"])
    fs.renameSync(path.join(folder, "b.2"), path.join(folder, "b.3"))
    fs.writeFileSync(path.join(folder, "damaged.1"), "damaged")
    expect(names(await run(store.list))).toEqual(["a:1", "a:1.0"])
    expect(await reason(store.listStrict)).toMatch(/^failed obtaining information about damaged, version 1: /)
  })
})

describe("the instantiation policy check", () => {
  it("compares the package's policy with the ledger's and remembers the package", async () => {
    const store = await open()
    await run(store.put(packageOf(createSignedPackage(spec("signed", "1"), utf8("policy"), signer, 1n))))
    await run(store.put(packageOf(spec("plain", "1"))))
    const check = (name: string, policy: string) => reason(store.checkInstantiationPolicy(name, "1", utf8(policy)))
    expect(await check("signed", "policy")).toBe("succeeded")
    expect(await check("signed", "other")).toBe("Instantiation policy mismatch for cc signed/1")
    expect(await check("plain", "anything")).toBe("succeeded")
    expect(await check("absent", "policy")).toBe(
      `cannot retrieve package for chaincode absent/1, error open ${folder}/absent.1: no such file or directory`
    )
    fs.rmSync(path.join(folder, "signed.1"))
    expect(await check("signed", "policy")).toBe("succeeded")
    expect(await check("signed", "other")).toBe("Instantiation policy mismatch for cc signed/1")
  })
})
