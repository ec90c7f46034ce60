/**
 * A Java chaincode on Hyperledger's own shim, built by a real Maven from its sources: through endorsement and commit, over
 * a crash, and over a restart of the network without building anew. Runs where a JDK, Maven and the shim's artifacts are
 * (building once by hand fetches them); one of four combinations, `npm run test:long` has all.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { toolEnvironment } from "../../../src/network/environment.js"
import * as layout from "../../../src/network/layout.js"
import { up } from "../../../src/network/Network.js"
import * as EmbeddedNodes from "../../../src/network/nodes/EmbeddedNodes.js"
import { anyPorts } from "../../../src/network/ports.js"
import { networkSpec } from "../../../src/network/spec.js"
import { toText } from "../../../src/wire/protoutil.js"
import { repository, utf8 } from "../support/TestPeer.js"

vi.setConfig({ testTimeout: 400_000 })
const fixture = path.join(repository, "test", "chaincode", "fixtures", "java")
const artifacts = path.join(os.homedir(), ".m2/repository/org/hyperledger/fabric-chaincode-java/fabric-chaincode-shim")
const runs = (command: string, option: string) => spawnSync(command, [option], { stdio: "ignore" }).status === 0
const long = process.env.FABRIC_EFFECT_LONG !== undefined
const tools = runs("javac", "-version") && runs("mvn", "-v")
const combinations = ["1.4.6", "2.2.3"]
  .flatMap((shim) => [true, false].map((tls) => ({ shim, tls })))
  .filter(({ shim, tls }) => long || (shim === "1.4.6" && tls))
  .filter(({ shim }) => tools && fs.existsSync(path.join(artifacts, shim, `fabric-chaincode-shim-${shim}.jar`)))
if (combinations.length === 0)
  console.log("skipped: Java chaincode (no JDK, no Maven, or the shim's artifacts are not here)")

let dir: string
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "java-"))
})
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }))

/** The chaincode's folder; Maven's own output is not there. */
const chaincodeOf = (shim: string): string => {
  const folder = path.join(dir, "probe")
  fs.cpSync(fixture, folder, { recursive: true })
  const pom = path.join(folder, "pom.xml")
  fs.writeFileSync(pom, fs.readFileSync(pom, "utf8").replace(/(<shim\.version>)[^<]+/, `$1${shim}`))
  return folder
}

const collections = [
  { name: "coll", policy: "OR('Org1MSP.member')", requiredPeerCount: 0, maxPeerCount: 0, memberOnlyRead: true }
]

describe.skipIf(combinations.length === 0)("Java chaincode", () => {
  it.each(combinations)("on fabric-chaincode-shim $shim, TLS $tls", ({ shim, tls }) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const folder = chaincodeOf(shim)
        const chaincodes = ["probe", "other"].map((name) => ({ path: folder, name, init: [], collections }))
        const spec = yield* networkSpec({ dir: path.join(dir, "net"), tls, batchTimeout: 20, chaincodes }, dir)
        const ports = yield* anyPorts(layout.peersOf(spec))
        const environment = toolEnvironment(process.env)
        const start = up(
          spec,
          ports,
          { configDir: path.join(repository, "config"), toolEnvironment: environment },
          { step: () => Effect.void }
        ).pipe(Effect.provide(EmbeddedNodes.layer({ logSpec: "error", toolEnvironment: environment })))
        const builds = path.join(layout.peersOf(spec)[0]?.ledger ?? "", "processes", "builds")
        const built = () =>
          fs.readdirSync(builds).map((name) => fs.statSync(path.join(builds, name, "chaincode.jar")).mtimeMs)

        const first = yield* Effect.scoped(
          Effect.gen(function* () {
            const { gateway } = yield* start
            const submit = (args: ReadonlyArray<string>, transient?: string) =>
              Effect.map(
                gateway.submit({
                  chaincode: "probe",
                  args,
                  ...(transient === undefined ? {} : { transient: new Map([["v", utf8(transient)]]) })
                }),
                ({ code, payload }) => `${code} ${toText(payload)}`
              )
            const ask = (...args: ReadonlyArray<string>) =>
              Effect.map(gateway.evaluate({ chaincode: "probe", args }), toText)
            const failing = (...args: ReadonlyArray<string>) => Effect.map(Effect.flip(ask(...args)), String)
            expect(yield* submit(["put", "a", "1"])).toBe("VALID a")
            expect(yield* submit(["put", "b", "zwei — 二"])).toBe("VALID b")
            expect(yield* ask("get", "b")).toBe("zwei — 二")
            expect(yield* submit(["range", "a", "z"])).toBe("VALID a=1 b=zwei — 二")
            expect(yield* submit(["del", "a"])).toBe("VALID a")
            expect(yield* ask("range", "a", "z")).toBe("b=zwei — 二")
            expect(yield* submit(["ppriv", "coll", "p"], "secret")).toBe("VALID p")
            expect(yield* ask("gpriv", "coll", "p")).toBe("secret")
            expect(yield* ask("prange", "coll", "a", "z")).toBe("p=secret")
            expect(yield* submit(["event", "name", "payload"])).toBe("VALID name")
            expect(yield* submit(["call", "other", "put", "far", "3"])).toBe("VALID far")
            expect(yield* ask("call", "other", "get", "far")).toBe("3")
            // old shims keep the chaincode's own words to themselves
            expect(yield* failing("fail", "on purpose")).toMatch(/on purpose|Unsuccessful response received/)
            const before = yield* ask("pid")
            expect(yield* failing("die")).toContain("chaincode stream terminated")
            // the next call starts it again, from what was built
            expect(yield* ask("range", "a", "z")).toBe("b=zwei — 二")
            const after = yield* ask("pid")
            expect(after).not.toBe(before)
            return { pid: after, built: built() }
          })
        )
        // two chaincodes of one package: built once
        expect(first.built).toHaveLength(1)
        if (process.platform === "linux") expect(fs.existsSync(`/proc/${first.pid}`)).toBe(false)

        yield* Effect.scoped(
          Effect.gen(function* () {
            const { gateway } = yield* start
            expect(toText(yield* gateway.evaluate({ chaincode: "probe", args: ["get", "b"] }))).toBe("zwei — 二")
          })
        )
        expect(built()).toEqual(first.built)
      })
    )
  )
})
