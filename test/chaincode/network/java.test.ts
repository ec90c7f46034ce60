/**
 * A Java chaincode on Hyperledger's own shim, built by a real Maven or Gradle from its sources: through endorsement and
 * commit, over a crash, and over a restart of the network without building anew. Runs where a JDK, the build tool and the
 * shim's artifacts are (building once by hand fetches them); one of four combinations of shim and TLS, `npm run test:long`
 * has all.
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
const runs = (command: string, option: string) => spawnSync(command, [option], { stdio: "ignore" }).status === 0
const long = process.env.FABRIC_EFFECT_LONG !== undefined

interface BuildTool {
  readonly command: "mvn" | "gradle"
  /** Where it keeps what it fetched of the shim, below a folder for each version. */
  readonly artifacts: string
  /** What the other tools' files are: the first tool found in a package builds it. */
  readonly others: ReadonlyArray<string>
}
const tools: ReadonlyArray<BuildTool> = [
  {
    command: "mvn",
    artifacts: path.join(os.homedir(), ".m2/repository/org/hyperledger/fabric-chaincode-java/fabric-chaincode-shim"),
    others: ["build.gradle", "settings.gradle"]
  },
  {
    command: "gradle",
    artifacts: path.join(
      process.env.GRADLE_USER_HOME ?? path.join(os.homedir(), ".gradle"),
      "caches/modules-2/files-2.1/org.hyperledger.fabric-chaincode-java/fabric-chaincode-shim"
    ),
    others: ["pom.xml"]
  }
]
const hasJava = runs("javac", "-version")
const combinations = tools.flatMap((tool) => {
  const there = hasJava && runs(tool.command, "-v")
  const found = ["1.4.6", "2.2.3"]
    .flatMap((shim) => [true, false].map((tls) => ({ tool, command: tool.command, shim, tls })))
    .filter(({ shim, tls }) => long || (shim === "1.4.6" && tls))
    .filter(({ shim }) => there && fs.existsSync(path.join(tool.artifacts, shim)))
  if (found.length === 0)
    console.log(
      `skipped: Java chaincode of ${tool.command} (no JDK, no ${tool.command}, or the shim's artifacts are not here)`
    )
  return found
})

let dir: string
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "java-"))
})
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }))

/** The chaincode's folder, for one tool alone and without what it has built. */
const chaincodeOf = ({ others }: BuildTool, shim: string): string => {
  const folder = path.join(dir, "probe")
  fs.cpSync(fixture, folder, { recursive: true })
  for (const name of others) fs.rmSync(path.join(folder, name))
  for (const name of ["pom.xml", "build.gradle"].filter((file) => !others.includes(file))) {
    const file = path.join(folder, name)
    fs.writeFileSync(
      file,
      fs.readFileSync(file, "utf8").replace(/(<shim\.version>|shimVersion = ")[\d.]+/, `$1${shim}`)
    )
  }
  return folder
}

const collections = [
  { name: "coll", policy: "OR('Org1MSP.member')", requiredPeerCount: 0, maxPeerCount: 0, memberOnlyRead: true }
]

describe.skipIf(combinations.length === 0)("Java chaincode", () => {
  it.each(combinations)("of $command on fabric-chaincode-shim $shim, TLS $tls", ({ shim, tls, tool }) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const folder = chaincodeOf(tool, shim)
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
