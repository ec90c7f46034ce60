/** Starting with a local MSP folder: what loads, what does not, and why (sheet acceptance check 16). */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { afterAll, describe, expect, it } from "vitest"
import { encodePrivateKey, generateKey, keyFileName } from "../../src/crypto/index.js"
import { parseFolderSettings } from "../../src/msp/folderSettings.js"
import { LocalMsp, type LocalMspOptions, loadLocalMsp, readMspFolder, verifyingMspConfig } from "../../src/msp/index.js"
import { ca, crl, DAY, type Holder, issue, pem, subCa, textOf } from "./support.js"

const base = mkdtempSync(join(tmpdir(), "msp-"))
afterAll(() => rmSync(base, { recursive: true }))
let count = 0

const NOW = Date.now()
const root = ca({ notBefore: NOW - 100 * DAY })
const issueNow = (options: Parameters<typeof issue>[1] = {}) => issue(root, { notBefore: NOW - 10 * DAY, ...options })

const put = (dir: string, folder: string, name: string, content: Uint8Array | string): void => {
  mkdirSync(join(dir, folder), { recursive: true })
  writeFileSync(join(dir, folder, name), content)
}

/** A complete folder: one root, the signer itself as admin. */
const folder = (signer: Holder = issueNow()): string => {
  const dir = join(base, `msp${count++}`)
  put(dir, "cacerts", "ca.pem", pem(root))
  put(dir, "signcerts", "cert.pem", pem(signer))
  put(dir, "keystore", keyFileName(signer.key), encodePrivateKey(signer.key))
  put(dir, "admincerts", "admin.pem", pem(signer))
  return dir
}

const start = (dir: string, options: Partial<LocalMspOptions> = {}) =>
  Effect.runPromise(Effect.either(loadLocalMsp({ dir, mspId: "Org1MSP", ...options })))
const failure = async (dir: string, options: Partial<LocalMspOptions> = {}): Promise<string> =>
  textOf(await start(dir, options))
const without = (dir: string, name: string): string => {
  rmSync(join(dir, name), { recursive: true })
  return dir
}
const emptied = (dir: string, name: string): string => {
  without(dir, name)
  mkdirSync(join(dir, name))
  return dir
}
const around = (dir: string, detail: string) =>
  `error when setting up MSP of type bccsp from directory ${dir}: ${detail}`

describe("a local MSP", () => {
  it("loads, and is a layer", async () => {
    const dir = folder()
    const program = Effect.map(LocalMsp, ({ msp, signer }) => [msp.mspId, msp.version, signer.mspId])
    const loaded = await Effect.runPromise(Effect.provide(program, LocalMsp.layer({ dir, mspId: "Org1MSP" })))
    expect(loaded).toEqual(["Org1MSP", "1.4.3", "Org1MSP"])
    const failed = Layer.build(LocalMsp.layer({ dir: join(base, "none"), mspId: "Org1MSP" }))
    const exit = await Effect.runPromise(Effect.either(Effect.scoped(failed)))
    expect(Either.isLeft(exit) && exit.left._tag).toBe("MspFolderMissing")
  })

  it("signs as the freshly encoded certificate, not as the bytes of its file", async () => {
    const signer = issueNow()
    const dir = folder(signer)
    put(dir, "signcerts", "cert.pem", Buffer.concat([Buffer.from("Certificate:\n  text\n"), pem(signer)]))
    const local = Either.getOrThrow(await start(dir))
    expect(Buffer.from(local.signer.serialized).includes("text")).toBe(false)
    expect(Buffer.from(local.signer.serialized).includes(Buffer.from(pem(signer)))).toBe(true)
  })

  it("takes the first certificate in byte order, and skips what is no PEM", async () => {
    const signer = issueNow()
    const dir = folder(signer)
    put(dir, "signcerts", "Z.pem", pem(issueNow()))
    put(dir, "signcerts", "0.txt", "no pem")
    mkdirSync(join(dir, "signcerts", "AA"))
    writeFileSync(join(dir, "signcerts", "B.pem"), pem(signer))
    const local = Either.getOrThrow(await start(dir))
    expect(local.signer.identity.certificate.serialNumber).toBe(signer.certificate.serialNumber)
  })

  it("finds its key under any name and in SEC1", async () => {
    const signer = issueNow()
    const dir = emptied(folder(signer), "keystore")
    put(dir, "keystore", "priv.pem", signer.key.signing.key.export({ format: "pem", type: "sec1" }).toString())
    expect(await failure(dir)).toBe("")
    const elsewhere = without(folder(signer), "keystore")
    const keys = join(base, `keys${count++}`)
    put(keys, ".", keyFileName(signer.key), encodePrivateKey(signer.key))
    expect(await failure(elsewhere, { bccsp: { sw: { fileKeyStore: { keyStore: keys } } } })).toBe("")
  })

  it("does not start without a folder, an ID, or with another type", async () => {
    const dir = folder()
    expect(await failure(join(base, "none"))).toBe(`cannot init crypto, folder "${join(base, "none")}" does not exist`)
    expect(await failure(dir, { mspId: "" })).toBe(around(dir, "the local MSP must have an ID"))
    expect(await failure(dir, { type: "idemix" })).toBe("Unsupported msp type idemix")
    expect(await failure(dir, { type: "x" })).toBe("unknown MSP type 'x'")
    expect(await failure(dir, { type: "bccsp" })).toBe("")
    const refused = await start(dir, { type: "idemix" })
    expect(Either.isLeft(refused) && refused.left._tag).toBe("MspTypeUnsupported")
  })

  it("refuses crypto providers by name", async () => {
    const dir = folder()
    const refused = await start(dir, { bccsp: { default: "PKCS11" } })
    expect(Either.isLeft(refused) && refused.left).toMatchObject({ _tag: "ProviderUnsupported", provider: "PKCS11" })
    expect(textOf(refused)).toMatch(/Could not find default `PKCS11` BCCSP/)
    expect(await failure(dir, { bccsp: { default: "PLUGIN" } })).toMatch(/Could not find default `PLUGIN` BCCSP/)
    expect(await failure(dir, { bccsp: { default: "SW", sw: { hash: "MD5", security: 256 } } })).toMatch(
      /Hash Family not supported \[MD5\]/
    )
    expect(await failure(dir, { bccsp: { sw: { hash: "SHA2", security: 1 } } })).toMatch(
      /Security level not supported \[1\]/
    )
    expect(await failure(dir, { bccsp: { default: "", sw: { hash: "SHA3", security: 384 } } })).toBe("")
  })

  it("does not start without certificates", async () => {
    for (const [name, what] of [
      ["signcerts", "signer"],
      ["cacerts", "ca"]
    ] as const) {
      const missing = without(folder(), name)
      const path = join(missing, name)
      expect(await failure(missing)).toBe(
        around(
          missing,
          `could not load a valid ${what} certificate from directory ${path}: stat ${path}: no such file or directory`
        )
      )
      const empty = emptied(folder(), name)
      expect(await failure(empty)).toBe(around(empty, "Setup error: nil conf reference"))
    }
  })

  it("does not start without its key", async () => {
    const none = without(folder(), "keystore")
    expect(await failure(none)).toBe(around(none, "KeyMaterial not found in SigningIdentityInfo"))
    expect(readdirSync(none)).toContain("keystore")
    const wrong = emptied(folder(), "keystore")
    const other = generateKey()
    put(wrong, "keystore", keyFileName(other), encodePrivateKey(other))
    expect(await failure(wrong)).toBe(around(wrong, "KeyMaterial not found in SigningIdentityInfo"))
    const signer = issueNow()
    const misnamed = emptied(folder(signer), "keystore")
    put(misnamed, "keystore", keyFileName(signer.key), encodePrivateKey(other))
    expect(await failure(misnamed)).toMatch(/belongs to another certificate/)
  })

  it("does not start with an expired signing certificate", async () => {
    const dir = folder(issueNow({ notAfter: Date.now() - 90_000 }))
    expect(await failure(dir)).toMatch(/signing identity expired 1m3\d(\.\d+)?s ago$/)
  })

  it("needs admins or an admin unit", async () => {
    const text = "administrators must be declared when no admin ou classification is set"
    const missing = without(folder(), "admincerts")
    expect(await failure(missing)).toBe(around(missing, text))
    const classified = without(folder(issueNow({ ous: [["client"]] })), "admincerts")
    put(
      classified,
      ".",
      "config.yaml",
      "NodeOUs:\n  Enable: true\n  AdminOUIdentifier: {OrganizationalUnitIdentifier: admin}\n  ClientOUIdentifier:\n    OrganizationalUnitIdentifier: client\n"
    )
    expect(await failure(classified)).toBe("")
  })

  it("reads every folder there is", () => {
    const dir = folder()
    const sub = subCa(root)
    put(dir, "intermediatecerts", "sub.pem", pem(sub))
    put(dir, "crls", "list.pem", crl(root, []))
    put(dir, "tlscacerts", "tls.pem", pem(root))
    put(dir, "tlsintermediatecerts", "sub.pem", pem(sub))
    put(
      dir,
      ".",
      "config.yaml",
      "Unknown: 1\nOrganizationalUnitIdentifiers:\n  - Certificate: cacerts/ca.pem\n    OrganizationalUnitIdentifier: dept\n"
    )
    const warnings: Array<string> = []
    const config = Either.getOrThrow(readMspFolder(dir, "M", { signing: true, warn: (text) => warnings.push(text) }))
    expect([
      config.intermediateCerts.length,
      config.revocationList.length,
      config.tlsRootCerts.length,
      config.tlsIntermediateCerts.length,
      config.organizationalUnitIdentifiers.map((unit) => [unit.organizationalUnitIdentifier, unit.certificate.length]),
      config.cryptoConfig?.signatureHashFamily,
      config.cryptoConfig?.identityIdentifierHashFunction
    ]).toEqual([1, 1, 1, 1, [["dept", pem(root).length]], "SHA2", "SHA256"])
    expect(warnings).toEqual([])
    rmSync(join(dir, "tlscacerts", "tls.pem"))
    expect(Either.getOrThrow(readMspFolder(dir, "M", { signing: true })).tlsIntermediateCerts).toHaveLength(0)
    put(
      dir,
      ".",
      "config.yaml",
      "OrganizationalUnitIdentifiers:\n  - Certificate: cacerts/none.pem\n    OrganizationalUnitIdentifier: dept\n"
    )
    expect(textOf(readMspFolder(dir, "M", { signing: true }))).toMatch(
      /failed loading OrganizationalUnit certificate at/
    )
    expect(textOf(verifyingMspConfig(dir, "M", "idemix"))).toBe("Unsupported msp type idemix")
  })

  it("only warns about a unit's certificate that it cannot read, and drops units without a name", () => {
    const dir = folder()
    put(
      dir,
      ".",
      "config.yaml",
      "NodeOUs:\n  Enable: true\n  ClientOUIdentifier: {Certificate: cacerts/none.pem, OrganizationalUnitIdentifier: client}\n  PeerOUIdentifier: {Certificate: cacerts/ca.pem}\n"
    )
    const warnings: Array<string> = []
    const config = Either.getOrThrow(readMspFolder(dir, "M", { signing: true, warn: (text) => warnings.push(text) }))
    expect(config.fabricNodeOus?.peerOuIdentifier).toBeUndefined()
    expect(config.fabricNodeOus?.clientOuIdentifier).toMatchObject({ organizationalUnitIdentifier: "client" })
    expect(config.fabricNodeOus?.clientOuIdentifier?.certificate).toHaveLength(0)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(/^Failed loading ClientOU certificate at \[.*none\.pem\]/)
  })

  it("leaves a read-only folder as it is", async () => {
    const dir = without(folder(), "keystore")
    chmodSync(dir, 0o555)
    expect(await failure(dir)).toMatch(/KeyMaterial not found/)
    chmodSync(dir, 0o755)
  })
})

describe("config.yaml", () => {
  const read = (text: string) => parseFolderSettings(text, "f")

  it("may be empty, and switches units off", () => {
    expect(Either.getOrThrow(read(""))).toEqual({ ouIdentifiers: [], nodeOus: undefined })
    expect(Either.getOrThrow(read("NodeOUs:\n  Enable: no\n")).nodeOus?.enable).toBe(false)
    expect(Either.getOrThrow(read("NodeOUs:\n  Enable: yes\n")).nodeOus?.enable).toBe(true)
    expect(Either.getOrThrow(read("NodeOUs:\n")).nodeOus).toBeUndefined()
  })

  it("keeps the characters of a name that looks like a number", () => {
    const text = "NodeOUs:\n  PeerOUIdentifier: {OrganizationalUnitIdentifier: 007}\n"
    expect(Either.getOrThrow(read(text)).nodeOus?.peer?.name).toBe("007")
  })

  it("is refused when it is not what it should be", () => {
    for (const text of [
      "- 1\n",
      "NodeOUs: 1\n",
      "NodeOUs: {Enable: maybe}\n",
      "OrganizationalUnitIdentifiers: {a: 1}\n",
      "NodeOUs: {PeerOUIdentifier: x}\n",
      "a: [\n"
    ]) {
      expect(textOf(Either.mapLeft(read(text), (message) => ({ message })))).toMatch(
        /^failed unmarshalling configuration file at \[f\]: /
      )
    }
  })
})
