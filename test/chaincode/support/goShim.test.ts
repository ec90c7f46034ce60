/** A chaincode on Fabric 1.4's Go shim, built by the runtime. Needs Go, and the shim's source under GOPATH. */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { recognisePackage } from "../../../src/chaincode/packages/ChaincodePackage.js"
import { tarGzOf } from "../../../src/chaincode/packages/tarWriter.js"
import { sha256 } from "../../../src/crypto/hash.js"
import { protos } from "../../../src/wire/index.js"
import { repository, TestPeer } from "./TestPeer.js"

const gopath = (process.env.GOPATH ?? "").split(path.delimiter).filter((place) => place !== "")
const shim = path.join("src", "github.com", "hyperledger", "fabric", "core", "chaincode", "shim")
const present = gopath.some((place) => fs.existsSync(path.join(place, shim)))
if (!present) console.log("skipped: no Fabric 1.4 Go shim under GOPATH")

describe.skipIf(!present).each([
  { tlsEnabled: false, keepalive: 0 },
  { tlsEnabled: true, keepalive: 0 },
  { tlsEnabled: false, keepalive: 100 }
])("the Go shim with %o", (settings) => {
  let peer: TestPeer
  beforeAll(async () => {
    const environment = Object.fromEntries(
      Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined)
    )
    peer = await TestPeer.start({ settings: { ...settings, startupTimeout: 280_000 }, process: { environment } })
    const source = fs.readFileSync(path.join(repository, "test", "chaincode", "fixtures", "gocc", "main.go"))
    const bytes = protos.ChaincodeDeploymentSpec.encode({
      chaincodeSpec: { type: 1, chaincodeId: { name: "gocc", version: "1.0", path: "example.com/gocc" } },
      codePackage: tarGzOf([{ name: "src/example.com/gocc/main.go", content: source }])
    })
    const found = Either.getOrThrow(recognisePackage(bytes, sha256))
    await Effect.runPromise(peer.packages.put(found))
    peer.instantiate(found)
    expect(await peer.init(found, [])).toMatchObject({ status: 200 })
    await expect(peer.init(found, ["refuse"])).rejects.toThrow("transaction returned with failure: init refused")
  }, 300_000)
  afterAll(() => peer?.stop())

  it("serves", async () => {
    const ask = async (...args: ReadonlyArray<string>) => {
      const { message, payload, status } = await peer.invoke("gocc", args)
      return status === 200 ? payload : message
    }
    expect(await ask("put", "a", "1")).toBe("a")
    expect(await ask("get", "a")).toBe("1")
    for (let i = 0; i < 250; i++) peer.channel().put("gocc", `k${i}`, "v")
    expect(await ask("count", "k", "l")).toBe("250")
    expect(await ask("nothing")).toBe("no function nothing")
    const { event } = await peer.invoke("gocc", ["event", "e", "p"])
    expect(event).toMatchObject({ eventName: "e", chaincodeId: "gocc" })
    if (settings.keepalive > 0) {
      await new Promise((resolve) => setTimeout(resolve, 350)) // three of them are echoed meanwhile
      expect(await ask("get", "a")).toBe("1")
    }
  })
})
