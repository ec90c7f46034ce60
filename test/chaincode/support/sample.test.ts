/** The sample chaincode as a user gets it: packaged, its dependencies installed by npm from the lock file, run. */
import * as fs from "node:fs"
import * as path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { common } from "../../../src/wire/index.js"
import { repository, TestPeer, utf8 } from "./TestPeer.js"

const folder = path.join(repository, "samples", "chaincode", "asset-transfer")

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly version?: string; readonly integrity?: string; readonly resolved?: string }>
  >
}
const lockOf = (place: string): Lock => JSON.parse(fs.readFileSync(path.join(place, "package-lock.json"), "utf8"))

/** `name@version#integrity` of everything in a lock file. */
const contents = (lock: Lock): ReadonlyArray<string> =>
  Object.entries(lock.packages)
    .filter(([place]) => place !== "")
    .map(([place, { integrity, version }]) => `${place.split("node_modules/").at(-1)}@${version}#${integrity}`)

describe("the sample's lock file", () => {
  it("holds nothing that the repository's own has not, and no registry", () => {
    const own = lockOf(folder)
    const root = new Set(contents(lockOf(repository)))
    expect(contents(own).length).toBeGreaterThan(50)
    expect(contents(own).filter((one) => !root.has(one))).toEqual([])
    expect(Object.values(own.packages).filter(({ resolved }) => resolved !== undefined)).toEqual([])
  })
})

describe("the sample", () => {
  let peer: TestPeer
  const lines: Array<string> = []
  beforeAll(async () => {
    peer = await TestPeer.start({ settings: { startupTimeout: 60_000 }, log: (line) => lines.push(line) })
    const found = await peer.install(folder, "asset-transfer")
    peer.instantiate(
      found,
      "mychannel",
      common.CollectionConfigPackage.create({
        config: [
          {
            staticCollectionConfig: {
              name: "appraisals",
              memberOrgsPolicy: { signaturePolicy: { rule: { signedBy: 0 }, identities: [{ principal: utf8("x") }] } }
            }
          }
        ]
      })
    )
    await peer.init(found, [])
  }, 90_000)
  afterAll(() => peer.stop())

  const invoke = async (...args: ReadonlyArray<string>) => {
    const ran = await peer.invoke("asset-transfer", args)
    return ran.status === 200 ? ran.payload : ran.message
  }

  it("keeps assets", async () => {
    expect(await invoke("InitLedger")).toBe("3")
    expect(await invoke("CreateAsset", "a9", "pink", "7", "Ann", "5")).toBe(
      '{"color":"pink","id":"a9","owner":"Ann","size":7,"value":5}'
    )
    expect(await invoke("AssetExists", "a9")).toBe("true")
    expect(await invoke("TransferAsset", "a9", "Bob")).toBe("Ann")
    expect(JSON.parse(await invoke("ReadAsset", "a9"))).toMatchObject({ owner: "Bob" })
    const owners = JSON.parse(await invoke("GetAssetHistory", "a9")).map(({ owner }: { owner: string }) => owner)
    expect(owners).toEqual(["Ann", "Bob"])
    await invoke("DeleteAsset", "a9")
    expect(await invoke("AssetExists", "a9")).toBe("false")
    const all: ReadonlyArray<{ readonly id: string }> = JSON.parse(await invoke("GetAllAssets"))
    expect(all.map(({ id }) => id)).toEqual(["asset1", "asset2", "asset3"])
  })

  it("sends events and fails with its own words", async () => {
    const { event } = await peer.invoke("asset-transfer", ["TransferAsset", "asset1", "Max"])
    expect(event).toMatchObject({ eventName: "TransferAsset", chaincodeId: "asset-transfer" })
    expect(await invoke("ReadAsset", "none")).toBe("The asset none does not exist")
    expect(await invoke("Fail", "as asked")).toBe("as asked")
  })

  it("keeps appraisals private", async () => {
    const transient = new Map([["appraisal", utf8("1000")]])
    await peer.invoke("asset-transfer", ["SetAppraisal", "asset1"], { transient })
    expect(await invoke("GetAppraisal", "asset1")).toBe("1000")
    expect(await invoke("SetAppraisal", "asset1")).toBe('The transient field "appraisal" is missing')
  })

  it("shares its dependencies with packages of the same lock file", async () => {
    const modules = path.join(peer.folder, "chaincode-runtime", "modules")
    expect(fs.readdirSync(modules)).toHaveLength(1)
    const copy = path.join(peer.folder, "copy")
    fs.cpSync(folder, copy, { recursive: true, filter: (place) => !place.includes("node_modules") })
    fs.appendFileSync(path.join(copy, "index.js"), "\n// another package, the same dependencies\n")
    peer.instantiate(await peer.install(copy, "second"))
    const since = performance.now()
    await peer.invoke("second", ["AssetExists", "x"])
    expect(performance.now() - since).toBeLessThan(10_000)
    expect(fs.readdirSync(modules)).toHaveLength(1)
    expect(fs.readdirSync(path.join(peer.folder, "chaincode-runtime", "builds"))).toHaveLength(2)
  })
})
