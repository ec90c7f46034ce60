/** A whole peer whose chaincode runs as another user: what that user reaches of it. Needs root: it gives away rights. */
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join as path } from "node:path"
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { tarGzOf } from "../../../src/chaincode/packages/tarWriter.js"
import { ContainerRuntime } from "../../../src/chaincode/runtimes/ContainerRuntime.js"
import { genesisBlock, nodeFolder, person } from "../support.js"
import { join, statusOf } from "./calls.js"
import { recordedBlocks, serveChain } from "./serveChain.js"
import { startPeer, tempFolder } from "./support.js"

const NOBODY = 65_534
const root = process.getuid?.() === 0
if (!root) console.log("skipped: chaincode as another user needs root")

/** A copy of the peer's material whose keys have these modes. */
const material = (folder: string, mode: number): string => {
  const copy = path(folder, "material")
  cpSync(nodeFolder("Org1MSP", "peer0"), copy, { recursive: true })
  const keystore = path(copy, "msp", "keystore")
  for (const name of readdirSync(keystore)) chmodSync(path(keystore, name), mode)
  return path(copy, "msp")
}

/** Tries what it is told to and writes down what came of it. */
const script = (attempts: ReadonlyArray<readonly [what: "read" | "list" | "write", place: string]>): string => `
  const fs = require("node:fs")
  const run = { read: fs.readFileSync, list: fs.readdirSync, write: (place) => fs.writeFileSync(place, "x") }
  const said = ${JSON.stringify(attempts)}.map(([what, place]) => {
    try { run[what](place); return what + " worked" } catch (error) { return error.code }
  })
  fs.writeFileSync(process.env.HOME + "/said", JSON.stringify({ uid: process.getuid(), gid: process.getgid(), groups: process.getgroups(), said }))
`

describe.skipIf(!root)("chaincode as another user", () => {
  it.scopedLive("reaches no key and no ledger of the peer", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      chmodSync(folder, 0o755) // as /var/hyperledger/production is: the peer itself has to keep others out
      const msp = material(folder, 0o600)
      const admin = yield* Effect.promise(() => person("Org1MSP", "Admin"))
      const orderer = yield* serveChain(recordedBlocks.slice(0, 3))
      const peer = yield* startPeer({
        folder,
        orderer: orderer.address,
        environment: { CORE_PEER_MSPCONFIGPATH: msp, CORE_VM_PROCESS_UID: String(NOBODY) }
      })
      expect(statusOf(yield* join(yield* peer.connect(), admin, genesisBlock()))).toBe("200")
      yield* peer.table.get("mychannel")?.pipeline.reached(3n) ?? Effect.die("not joined")

      const ledgers = path(folder, "ledgersData")
      const files = (place: string): ReadonlyArray<string> =>
        readdirSync(place, { withFileTypes: true }).flatMap((entry) =>
          entry.isDirectory() ? files(path(place, entry.name)) : [path(place, entry.name)]
        )
      const secrets = [...files(path(msp, "keystore")), ...files(ledgers)]
      expect(secrets.length).toBeGreaterThan(2)
      const attempts = [
        ...secrets.map((place) => ["read", place] as const),
        ["list", ledgers] as const,
        ["list", path(folder, "transientStore")] as const,
        ["write", path(folder, "chaincodes", "planted.1")] as const,
        ["write", path(folder, "planted")] as const
      ]
      const { start, wait } = yield* Effect.provide(ContainerRuntime, peer.context)
      const codePackage = tarGzOf([
        { name: "src/package.json", content: Buffer.from(JSON.stringify({ scripts: { start: "node index.js" } })) },
        { name: "src/index.js", content: Buffer.from(script(attempts)) }
      ])
      const chaincode = { name: "spy", version: "1" }
      yield* start({
        ...chaincode,
        type: "NODE",
        path: "",
        codePackage,
        peerAddress: "127.0.0.1:1",
        environment: [],
        credentials: undefined
      })
      expect(yield* wait(chaincode)).toBe(0)
      const said = JSON.parse(readFileSync(path(folder, "processes", "home", "said"), "utf8"))
      expect(said).toMatchObject({ uid: NOBODY, gid: NOBODY, groups: [NOBODY] })
      expect(said.said).toEqual(attempts.map(() => "EACCES"))
      // and the peer's folders stay closed for ledgers that come later
      expect(statSync(ledgers).mode & 0o777).toBe(0o700)
    })
  )

  it.scopedLive("does not start over keys that lie open", () =>
    Effect.gen(function* () {
      const folder = yield* tempFolder
      chmodSync(folder, 0o755)
      const msp = material(folder, 0o644)
      const failed = yield* Effect.flip(
        startPeer({ folder, environment: { CORE_PEER_MSPCONFIGPATH: msp, CORE_VM_PROCESS_UID: String(NOBODY) } })
      )
      expect(String(failed)).toContain(`vm.process.uid ${NOBODY}: this user can read the peer's keys: ${msp}/keystore/`)
      expect(existsSync(path(folder, "processes"))).toBe(false)
    })
  )

  it.scopedLive("is what the peer asks for when there is none", () =>
    Effect.gen(function* () {
      const peer = yield* startPeer({ folder: yield* tempFolder })
      expect(peer.lines.join("")).toContain(
        "Chaincode runs as the peer's own user and can read its keys and ledgers: set vm.process.uid and vm.process.gid"
      )
    })
  )
})
