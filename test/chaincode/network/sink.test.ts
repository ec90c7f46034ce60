/**
 * Every function of the shared `sink` chaincode through endorsement, ordering, validation and commit, on unmodified shims:
 * with TLS and without, launched by the peer as a process or (where a daemon answers) in a container, and started by hand.
 * Half of the combinations; `npm run test:long` has all.
 */
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { afterAll, describe, expect, it, vi } from "vitest"
import { toolEnvironment } from "../../../src/network/environment.js"
import * as layout from "../../../src/network/layout.js"
import { type RunningNetwork, up } from "../../../src/network/Network.js"
import * as EmbeddedNodes from "../../../src/network/nodes/EmbeddedNodes.js"
import { Nodes } from "../../../src/network/nodes/Nodes.js"
import { anyPorts } from "../../../src/network/ports.js"
import { networkSpec } from "../../../src/network/spec.js"
import { toText } from "../../../src/wire/protoutil.js"
import { chaincodeFolder, type ShimVersion } from "../support/chaincodes.js"
import { daemonAnswers, daemonEnvironment, makeImage, removeAll } from "../support/daemon.js"
import { repository, utf8 } from "../support/TestPeer.js"

vi.setConfig({ testTimeout: 180_000 })
const source = path.join(repository, "..", "shared", "chaincode", "sink")
const present = fs.existsSync(source)
if (!present) console.log("skipped: ../shared/chaincode/sink is not here")

interface Combination {
  readonly shim: ShimVersion
  readonly tls: boolean
  /**
   * `process`, `docker`: launched by the peer; `by hand`: in dev mode without TLS, as an accepted external process with it.
   */
  readonly mode: "process" | "docker" | "by hand"
}
const shims: ReadonlyArray<ShimVersion> = ["2.5.8", "2.2.3"]
const all = shims.flatMap((shim) =>
  [false, true].flatMap((tls) => (["process", "by hand"] as const).map((mode): Combination => ({ shim, tls, mode })))
)
const half = all.filter(({ mode, shim, tls }) => (shim === "2.5.8") === (tls === (mode === "by hand")))
const daemon = present && (await daemonAnswers())
if (present && !daemon) console.log("skipped: sink in containers (no Docker daemon answers here)")
const containers = daemon ? [false, true].map((tls): Combination => ({ shim: "2.5.8", tls, mode: "docker" })) : []
const combinations = [...(process.env.FABRIC_EFFECT_LONG === undefined ? half : all), ...containers]

/** Of containers and images made here. */
const NETWORK = `fabric-effect-test-sink-${process.pid}`
let image: Promise<string> | undefined
afterAll(async () => {
  if (image === undefined) return
  await removeAll(NETWORK)
  await removeAll(await image)
}, 60_000)

const policy = "OR('Org1MSP.member')"
const collections = ["collA", "collB"].map((name) => ({
  name,
  policy,
  requiredPeerCount: 0,
  maxPeerCount: 0,
  memberOnlyRead: true
}))

/** Waits for a file, then runs a chaincode by hand until the scope ends. */
const startByHand = (folder: string, name: string, peerFolder: string, address: string, tls: boolean) =>
  Effect.gen(function* () {
    while (!fs.existsSync(path.join(peerFolder, "chaincodes", `${name}.1.0`))) yield* Effect.sleep("20 millis")
    const files = path.join(peerFolder, "chaincode-external")
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn("npm", ["start", "--silent", "--", "--peer.address", address], {
          cwd: folder,
          stdio: "ignore",
          detached: true,
          env: {
            PATH: process.env.PATH,
            HOME: process.env.HOME,
            CORE_CHAINCODE_ID_NAME: `${name}:1.0`,
            CORE_PEER_TLS_ENABLED: String(tls),
            ...(tls
              ? {
                  CORE_TLS_CLIENT_KEY_PATH: path.join(files, "client.key"),
                  CORE_TLS_CLIENT_CERT_PATH: path.join(files, "client.crt"),
                  CORE_PEER_TLS_ROOTCERT_FILE: path.join(files, "peer.crt")
                }
              : {})
          }
        })
      ),
      (child) =>
        Effect.sync(() => {
          if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
        }).pipe(Effect.ignore)
    )
  })

/** A network of one peer with `sink` and the same again as `other`. */
const start = ({ mode, shim, tls }: Combination): Effect.Effect<RunningNetwork, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const dir = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "sink-"))),
      (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
    )
    const folder = chaincodeFolder({ shim, source, ...(mode === "docker" ? { modules: "in the image" } : {}) })
    const chaincodes = ["sink", "other"].map((name) => ({ path: folder, name, collections }))
    const spec = yield* networkSpec({ dir, tls, batchTimeout: 20, chaincodes }, dir)
    const ports = yield* anyPorts(layout.peersOf(spec))
    const [peer] = layout.peersOf(spec)
    const port = Object.values(ports.peers)[0]?.chaincode
    if (peer === undefined || port === undefined) return yield* Effect.die("no peer")
    const tools = toolEnvironment(process.env)
    image ??= mode === "docker" ? makeImage() : undefined
    const base = mode === "docker" ? yield* Effect.promise(() => image ?? makeImage()) : ""
    const modes: Readonly<Record<Combination["mode"], Readonly<Record<string, string>>>> = {
      process: {},
      docker: {
        CORE_VM_TYPE: "docker",
        ...daemonEnvironment,
        CORE_PEER_NETWORKID: NETWORK,
        CORE_CHAINCODE_BUILDER: base,
        CORE_CHAINCODE_NODE_RUNTIME: base
      },
      "by hand": {
        CORE_VM_TYPE: "user",
        ...(tls ? { CORE_CHAINCODE_ACCEPTEXTERNAL: "true" } : { CORE_CHAINCODE_MODE: "dev" })
      }
    }
    const nodes = Layer.effect(
      Nodes,
      Effect.map(Nodes, ({ orderer, peer: start }) => ({
        orderer,
        peer: (request) => start({ ...request, environment: { ...request.environment, ...modes[mode] } })
      }))
    ).pipe(Layer.provide(EmbeddedNodes.layer({ logSpec: "info", toolEnvironment: tools })))
    if (mode === "by hand")
      for (const { name } of chaincodes)
        yield* Effect.forkScoped(startByHand(folder, name, peer.ledger, `127.0.0.1:${port}`, tls))
    const environment = { configDir: path.join(repository, "config"), toolEnvironment: tools }
    return yield* up(spec, ports, environment, { step: () => Effect.void }).pipe(Effect.provide(nodes))
  })

describe.skipIf(!present).each(combinations)("sink on fabric-shim $shim, TLS $tls, $mode", (combination) => {
  it("commits every function", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const { gateway } = yield* start(combination)
          const transientOf = (value: string | undefined) =>
            value === undefined ? {} : { transient: new Map([["v", utf8(value)]]) }
          /** Endorsed, ordered and valid; gives what the chaincode returned. */
          const submit = (args: ReadonlyArray<string>, transient?: string) =>
            Effect.map(gateway.submit({ chaincode: "sink", args, ...transientOf(transient) }), ({ code, payload }) =>
              `${code} ${toText(payload)}`.trim()
            )
          const ask = (...args: ReadonlyArray<string>) =>
            Effect.map(gateway.evaluate({ chaincode: "sink", args }), toText)

          expect(yield* submit(["init"])).toBe("VALID")
          expect(yield* submit(["noop"])).toBe("VALID ok")
          expect(yield* submit(["put", "a", "1"])).toBe("VALID a")
          expect(yield* submit(["mput", "b", "2", "c", "3"])).toBe("VALID 2")
          expect(yield* submit(["get", "b"])).toBe("VALID 2")
          expect(yield* submit(["rmw", "a", "5"])).toBe("VALID 6")
          expect(yield* submit(["range", "a", "c"])).toBe('VALID [["a","6"],["b","2"]]')
          expect(yield* submit(["rangePut", "a", "d", "e", "x"])).toBe("VALID 3")
          expect(yield* submit(["del", "c"])).toBe("VALID c")
          expect(yield* ask("range", "a", "z")).toBe('[["a","6"],["b","2"],["e","x"]]')
          // pages are for queries: what follows a page may not write, what was read is not checked at commit
          expect(JSON.parse(yield* ask("page", "a", "z", "2"))).toMatchObject({ n: 2, bookmark: "e" })
          const history = JSON.parse(yield* ask("hist", "a"))
          expect(history.map((change: ReadonlyArray<unknown>) => change.slice(1))).toEqual([
            ["1", false],
            ["6", false]
          ])
          expect(yield* submit(["ckput", "t", "v1", "x", "y"])).toBe("VALID")
          expect(yield* submit(["ckput", "t", "v2", "x", "z"])).toBe("VALID")
          expect(yield* submit(["ckrange", "t", "x"])).toBe('VALID [[["x","y"],"v1"],[["x","z"],"v2"]]')

          expect(yield* submit(["ppriv", "collA", "p"], "secret")).toBe("VALID p")
          expect(yield* ask("gpriv", "collA", "p")).toBe("secret")
          expect(yield* ask("hpriv", "collA", "p")).toBe(createHash("sha256").update("secret").digest("hex"))
          expect(yield* submit(["prmw", "collA", "p"])).toBe("VALID ok")
          expect(yield* ask("gpriv", "collA", "p")).toBe("secret+")
          expect(yield* submit(["dpriv", "collA", "p"])).toBe("VALID p")
          expect(yield* ask("gpriv", "collA", "p")).toBe("")
          const failing = (...args: ReadonlyArray<string>) => Effect.map(Effect.flip(ask(...args)), String)
          // sink takes the result for an iterator, which it is in neither shim: the call's own failure
          expect(yield* failing("prange", "collA", "a", "z")).toContain("it.next is not a function")

          expect(yield* submit(["sbe", "a", "Org1MSP"])).toBe("VALID a")
          expect(yield* ask("gsbe", "a")).toMatch(/^[0-9a-f]{20,}$/)
          expect(yield* submit(["put", "a", "7"])).toBe("VALID a") // under its own policy now
          expect(yield* submit(["ppriv", "collB", "q"], "x")).toBe("VALID q")
          expect(yield* submit(["psbe", "collB", "q", "Org1MSP"])).toBe("VALID q")
          expect(yield* submit(["ev", "name", "payload", "k"])).toBe("VALID name")
          expect(yield* submit(["call", "other", "", "put", "far", "1"])).toBe("VALID far")
          expect(yield* ask("call", "other", "mychannel", "get", "far")).toBe("1")
          expect(toText(yield* gateway.evaluate({ chaincode: "other", args: ["get", "far"] }))).toBe("1")
          expect(JSON.parse(yield* ask("who"))).toMatchObject({ msp: "Org1MSP", ch: "mychannel" })
          expect(yield* submit(["slow", "50"])).toBe("VALID awake")
          expect(yield* submit(["big", "large", "3000000"])).toBe("VALID 3000000")
          expect((yield* ask("get", "large")).length).toBe(3_000_000)
          expect(yield* failing("fail", "on purpose: ünïcode")).toContain("on purpose: ünïcode")
          expect(yield* failing("absent")).toContain("no function absent")
          expect(yield* failing("gpriv", "nowhere", "x")).toContain(
            "collection mychannel/sink/nowhere could not be found"
          )
        })
      )
    ))
})
