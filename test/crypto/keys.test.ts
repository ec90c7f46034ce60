import { generateKeyPairSync } from "node:crypto"
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Either from "effect/Either"
import { afterAll, describe, expect, it } from "vitest"
import { hex } from "../../src/crypto/der.js"
import {
  createKeyStore,
  encodePrivateKey,
  findKey,
  generateKey,
  keyFileName,
  parsePrivateKeyPem,
  sha256,
  sign,
  verify
} from "../../src/crypto/index.js"

const folder = mkdtempSync(join(tmpdir(), "keys-"))
afterAll(() => rmSync(folder, { recursive: true }))
let count = 0
const store = (): string => {
  const path = join(folder, `store${count++}`)
  createKeyStore(path)
  return path
}
const message = Buffer.from("x")
const reason = (result: Either.Either<unknown, { readonly message: string }>) =>
  Either.getOrThrow(Either.flip(result)).message

describe("private keys", () => {
  const key = generateKey()
  const pemOf = (type: "sec1" | "pkcs8") => Buffer.from(key.signing.key.export({ format: "pem", type }).toString())

  it("have the SHA-256 of the uncompressed point as SKI", () => {
    expect(key.publicKey.point[0]).toBe(4)
    expect(key.publicKey.point).toHaveLength(65)
    expect(hex(key.ski)).toBe(hex(sha256(key.publicKey.point)))
    expect(keyFileName(key)).toBe(`${hex(key.ski)}_sk`)
  })

  it.each(["sec1", "pkcs8"] as const)("are read from %s, whatever the label", (type) => {
    for (const pem of [
      pemOf(type),
      Buffer.from(
        pemOf(type)
          .toString()
          .replace(/(BEGIN|END) [A-Z ]+/g, "$1 SOMETHING")
      )
    ]) {
      const read = Either.getOrThrow(parsePrivateKeyPem(pem))
      expect(hex(read.ski)).toBe(hex(key.ski))
    }
  })

  it("are written as PKCS#8", () => {
    const pem = encodePrivateKey(key)
    expect(Buffer.from(pem).toString()).toMatch(/^-----BEGIN PRIVATE KEY-----\n/)
    const read = Either.getOrThrow(parsePrivateKeyPem(pem))
    if ("kind" in read) throw new Error("not an ECDSA key")
    expect(verify(key.publicKey, message, sign(read, message))).toBe(true)
  })

  it("are not found behind a block of EC parameters", () => {
    const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    expect(Either.isLeft(parsePrivateKeyPem(Buffer.concat([Buffer.from(parameters), pemOf("sec1")])))).toBe(true)
  })

  it("are refused with a reason when encrypted, empty, garbage or of another kind", () => {
    const encrypted =
      "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n"
    expect(reason(parsePrivateKeyPem(Buffer.from(encrypted)))).toBe("Encrypted Key. Need a password")
    expect(reason(parsePrivateKeyPem(new Uint8Array()))).toBe("Invalid PEM. It must be different from nil.")
    expect(reason(parsePrivateKeyPem(Buffer.from("garbage")))).toContain("Failed decoding PEM")
    const ed = generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" })
    expect(Either.isLeft(parsePrivateKeyPem(Buffer.from(ed.toString())))).toBe(true)
    const other = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey.export({
      format: "pem",
      type: "pkcs8"
    })
    expect(Either.isLeft(parsePrivateKeyPem(Buffer.from(other.toString())))).toBe(true)
  })
})

describe("a key store", () => {
  it("finds the key by its name, by its content under any name, and through links", () => {
    const key = generateKey()
    const other = generateKey()
    const named = store()
    writeFileSync(join(named, keyFileName(key)), encodePrivateKey(key))
    expect(hex(Either.getOrThrow(findKey(named, key.ski)).ski)).toBe(hex(key.ski))
    const any = store()
    writeFileSync(join(any, "aaa.pem"), encodePrivateKey(other))
    writeFileSync(join(any, "priv.key"), key.signing.key.export({ format: "pem", type: "sec1" }))
    mkdirSync(join(any, "folder"))
    writeFileSync(join(any, "junk"), "junk")
    expect(hex(Either.getOrThrow(findKey(any, key.ski)).ski)).toBe(hex(key.ski))
    const linked = store()
    symlinkSync(join(any, "priv.key"), join(linked, "link"))
    expect(hex(Either.getOrThrow(findKey(linked, key.ski)).ski)).toBe(hex(key.ski))
  })

  it("passes over files above 64 KiB", () => {
    const key = generateKey()
    const path = store()
    writeFileSync(join(path, "large"), Buffer.concat([encodePrivateKey(key), Buffer.alloc(70_000, "\n")]))
    expect(reason(findKey(path, key.ski))).toBe(`Key with SKI ${hex(key.ski)} not found in ${path}`)
  })

  it("ends at a file that carries the name and holds no key", () => {
    const key = generateKey()
    const path = store()
    writeFileSync(join(path, keyFileName(key)), "junk")
    writeFileSync(join(path, "zzz"), encodePrivateKey(key))
    expect(reason(findKey(path, key.ski))).toContain(`Failed loading secret key [${hex(key.ski)}]`)
  })

  it("answers for a folder that is not there, and makes one", () => {
    const path = join(folder, "a", "b")
    expect(Either.isLeft(findKey(path, generateKey().ski))).toBe(true)
    createKeyStore(path)
    expect(existsSync(path)).toBe(true)
    chmodSync(path, 0o755)
  })
})
