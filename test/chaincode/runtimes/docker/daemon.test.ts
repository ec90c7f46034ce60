/** The Docker runtime on a real daemon: images and containers as they come to be, what runs in them, how they end. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import { tarGzOf } from "../../../../src/chaincode/packages/tarWriter.js"
import { ContainerRuntime, type LaunchRequest } from "../../../../src/chaincode/runtimes/ContainerRuntime.js"
import * as docker from "../../../../src/chaincode/runtimes/docker/DockerRuntime.js"
import { imageName } from "../../../../src/chaincode/runtimes/names.js"
import * as Metrics from "../../../../src/runtime/Metrics.js"
import { logsTo } from "../../../logging.js"
import { askDaemon, containersOf, daemon, daemonAnswers, makeImage, removeAll } from "../../support/daemon.js"

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })
const answers = await daemonAnswers()
if (!answers) console.log("skipped: no Docker daemon answers here")

const NETWORK = `fabric-effect-test-${process.pid}`
const PARTS = { networkId: NETWORK, peerId: "peer0" }
const CONTAINER = `${NETWORK}-peer0-cc-1.0`

let image = ""
let scope: Scope.CloseableScope | undefined
let lines: Array<string> = []
beforeAll(async () => {
  if (answers) image = await makeImage()
})
afterEach(async () => {
  if (scope !== undefined) await Effect.runPromise(Scope.close(scope, Exit.void))
  scope = undefined
  lines = []
  if (answers) await removeAll(NETWORK)
})
afterAll(async () => {
  if (answers) await removeAll(image)
})

const start = async (further: Partial<docker.DockerRuntimeOptions> = {}) => {
  scope = await Effect.runPromise(Scope.make())
  const layer = docker
    .layer({
      ...PARTS,
      daemon,
      attachStdout: true,
      hostConfig: {
        NetworkMode: "host",
        Memory: 536_870_912,
        CpuShares: 512,
        CapDrop: ["MKNOD"],
        ReadonlyRootfs: false,
        LogConfig: { Type: "json-file", Config: { "max-size": "1m", "max-file": "2" } },
        RestartPolicy: {}
      },
      networkMode: "host",
      pull: false,
      images: { builder: image, runtime: { NODE: image, GOLANG: image, JAVA: image, CAR: image }, dynamicLink: false },
      versions: { arch: "amd64", peer: "1.4.12", base: "0.4.22" },
      ...further
    })
    .pipe(Layer.provide(Metrics.layer({ provider: "disabled" })), Layer.provide(logsTo(() => lines)))
  return Context.get(await Effect.runPromise(Layer.buildWithScope(layer, scope)), ContainerRuntime)
}

const packageOf = (program: string, packageJson: string = JSON.stringify({ scripts: { start: "node index.js" } })) =>
  tarGzOf([
    { name: "src/package.json", content: Buffer.from(packageJson) },
    { name: "src/index.js", content: Buffer.from(program) }
  ])
const request = (fields: Partial<LaunchRequest> = {}): LaunchRequest => ({
  name: "cc",
  version: "1.0",
  type: "NODE",
  path: "",
  codePackage: packageOf("setInterval(() => {}, 1000)"),
  peerAddress: "127.0.0.1:7052",
  environment: [
    ["CORE_CHAINCODE_ID_NAME", "cc:1.0"],
    ["CORE_CHAINCODE_BUILDLEVEL", "1.4.12"]
  ],
  credentials: undefined,
  ...fields
})
const cc = { name: "cc", version: "1.0" }

const outcome = (effect: Effect.Effect<unknown, { readonly message: string }>): Promise<string> =>
  Effect.runPromise(Effect.match(effect, { onSuccess: () => "succeeded", onFailure: (error) => error.message }))
const inspect = async (place: string): Promise<unknown> => JSON.parse((await askDaemon("GET", place)).body)
const said = () =>
  lines.flatMap((line) => (line.includes(`[peer.chaincode.${CONTAINER}] `) ? [line.split("] ")[1]?.trim()] : []))
const builds = () => lines.filter((line) => line.includes("Building the image")).length

describe.skipIf(!answers)("a real daemon", () => {
  it("is healthy, and knows no container that was never made", async () => {
    const runtime = await start()
    expect(await outcome(runtime.healthy)).toBe("succeeded")
    await Effect.runPromise(runtime.stop({ name: "never", version: "1" }))
    const absent = `No such container: ${NETWORK}-peer0-never-1`
    expect(await outcome(runtime.wait({ name: "never", version: "1" }))).toBe(absent)
    expect(lines.filter((line) => line.includes(`container result: ${absent}`))).toHaveLength(3)
  })

  it.skipIf(daemon.tls === undefined)("over TLS trusts its authority alone, and shows itself", async () => {
    const { endpoint, tls } = daemon
    if (tls === undefined) return
    for (const scheme of ["tcp", "https"]) {
      const place = endpoint.replace(/^https/, scheme)
      expect(await outcome((await start({ daemon: { endpoint: place, tls } })).healthy)).toBe("succeeded")
    }
    const plain = await start({ daemon: { endpoint: endpoint.replace(/^https/, "tcp"), tls: undefined } })
    expect(await outcome(plain.healthy)).toMatch(
      /^failed to ping to Docker daemon: API error \(400\): Client sent an HTTP request to an HTTPS server\.\s*$/
    )
    const nameless = await start({ daemon: { endpoint, tls: { ...tls, cert: "/none", key: "/none" } } })
    expect(await outcome(nameless.healthy)).toMatch(/^failed to ping to Docker daemon: .*(certificate|alert)/i)
    const distrustful = await start({ daemon: { endpoint, tls: { ...tls, ca: "/none" } } })
    expect(await outcome(distrustful.healthy)).toMatch(/^failed to ping to Docker daemon: .*certificate/)
  })

  it("builds an image once and runs it with environment, limits, labels and the files of TLS", async () => {
    const program = `
      const fs = require("fs")
      const files = ["CORE_TLS_CLIENT_KEY_PATH", "CORE_TLS_CLIENT_CERT_PATH", "CORE_PEER_TLS_ROOTCERT_FILE"]
      console.log(process.cwd(), process.argv.slice(2).join(" "), process.env.CORE_CHAINCODE_BUILDLEVEL)
      console.error(files.map((name) => fs.readFileSync(process.env[name], "utf8")).join(" "))
      setInterval(() => {}, 1000)`
    const credentials = { clientKey: "key", clientCertificate: "certificate", rootCertificate: Buffer.from("root") }
    const wanted = request({ codePackage: packageOf(program), credentials })
    const runtime = await start()
    expect(await outcome(runtime.start(wanted))).toBe("succeeded")
    await expect
      .poll(said, { timeout: 60_000 })
      .toEqual(expect.arrayContaining(["/usr/local/src --peer.address 127.0.0.1:7052 1.4.12", "key certificate root"]))
    const labels = {
      "org.hyperledger.fabric.chaincode.id.name": "cc",
      "org.hyperledger.fabric.chaincode.id.version": "1.0",
      "org.hyperledger.fabric.chaincode.type": "NODE",
      "org.hyperledger.fabric.version": "1.4.12",
      "org.hyperledger.fabric.base.version": "0.4.22"
    }
    const own = imageName(PARTS, "cc", "1.0")
    expect(await inspect(`/images/${own}/json`)).toMatchObject({ Config: { Labels: labels } })
    const first = await inspect(`/containers/${CONTAINER}/json`)
    expect(first).toMatchObject({
      State: { Running: true },
      HostConfig: {
        NetworkMode: "host",
        Memory: 536_870_912,
        CpuShares: 512,
        CapDrop: ["MKNOD"],
        LogConfig: { Type: "json-file", Config: { "max-size": "1m", "max-file": "2" } }
      },
      Config: {
        Image: own,
        Labels: labels,
        Cmd: ["/bin/sh", "-c", "cd /usr/local/src; npm start -- --peer.address 127.0.0.1:7052"],
        Env: expect.arrayContaining([
          "CORE_CHAINCODE_ID_NAME=cc:1.0",
          "CORE_PEER_TLS_ENABLED=true",
          "CORE_CHAINCODE_BUILDLEVEL=1.4.12"
        ])
      }
    })
    expect(builds()).toBe(1)
    // the same again takes the place of what runs, from the image that is there
    expect(await outcome(runtime.start(wanted))).toBe("succeeded")
    expect(builds()).toBe(1)
    const second = await inspect(`/containers/${CONTAINER}/json`)
    expect(second).toMatchObject({ State: { Running: true } })
    expect(second).not.toMatchObject({ Id: Reflect.get(Object(first), "Id") })
    // no container of the build is left
    expect(await containersOf(NETWORK)).toEqual([CONTAINER])
  })

  it("tells the end: by itself with its code, by a stop at once; what ended is replaced", async () => {
    const runtime = await start()
    const dying = packageOf("console.log('last words'); process.exitCode = 5")
    expect(await outcome(runtime.start(request({ codePackage: dying })))).toBe("succeeded")
    expect(await Effect.runPromise(runtime.wait(cc))).toBe(5)
    await expect.poll(said).toContain("last words")
    await expect.poll(() => lines.join("")).toContain(`Container ${CONTAINER} has closed its IO channel`)
    expect(await containersOf(NETWORK)).toEqual([CONTAINER])
    await Effect.runPromise(runtime.stop(cc))
    expect(lines.join("")).toContain(`stop container result: Container not running: ${CONTAINER}`)
    expect(await containersOf(NETWORK)).toEqual([])

    const other = { name: "cc", version: "2.0" }
    expect(await outcome(runtime.start(request(other)))).toBe("succeeded")
    const code = Effect.runPromise(runtime.wait(other))
    await expect
      .poll(async () => inspect(`/containers/${NETWORK}-peer0-cc-2.0/json`))
      .toMatchObject({
        State: { Running: true }
      })
    await Effect.runPromise(runtime.stop(other))
    expect([137, 143]).toContain(await code)
    expect(await containersOf(NETWORK)).toEqual([])
    // a peer that ends leaves containers alone, as the reference does
    expect(await outcome(runtime.start(request(other)))).toBe("succeeded")
    await Effect.runPromise(runtime.stopAll)
    expect(await containersOf(NETWORK)).toEqual([`${NETWORK}-peer0-cc-2.0`])
  })

  it("says what a failed build printed and leaves nothing of it", async () => {
    const before = await containersOf("")
    const runtime = await start()
    expect(await outcome(runtime.start(request({ codePackage: packageOf("", "{ broken") })))).toMatch(
      /^Failed to generate platform-specific docker build: Error returned from build: 1 "npm [\s\S]*EJSONPARSE[\s\S]*"$/
    )
    expect(await containersOf("")).toEqual(before)
    // the same name can be built once its package is whole
    expect(await outcome(runtime.start(request()))).toBe("succeeded")
  })

  it("says which image cannot be had, to build in and to run on, and what it does not take", async () => {
    const nowhere = "fabric-effect.invalid/no-such-image:1"
    const runtime = { NODE: nowhere, GOLANG: image, JAVA: image, CAR: image }
    const unbuilt = await start({ images: { builder: nowhere, runtime, dynamicLink: false } })
    expect(await outcome(unbuilt.start(request()))).toMatch(
      new RegExp(
        `^Failed to generate platform-specific docker build: Failed to pull ${nowhere}: API error \\(\\d+\\): `
      )
    )
    const unrun = await start({ images: { builder: image, runtime, dynamicLink: false } })
    expect(await outcome(unrun.start(request()))).toContain("fabric-effect.invalid")
    const odd = await start({ hostConfig: { NetworkMode: "host", CapAdd: ["NO_SUCH_CAPABILITY"] } })
    expect(await outcome(odd.start(request()))).toMatch(/^API error \(400\): .*NO_SUCH_CAPABILITY/)
  })

  it("gets contexts of many megabytes while the peer goes on", async () => {
    const program = "require('fs').statSync('large').size === 60e6 && console.log('all there')"
    const fill = "node -e \"require('fs').writeFileSync('large', require('crypto').randomBytes(60e6))\""
    const packageJson = JSON.stringify({ scripts: { start: "node index.js", postinstall: fill } })
    const runtime = await start()
    let longest = 0
    let last = performance.now()
    const beat = setInterval(() => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }, 5)
    expect(await outcome(runtime.start(request({ codePackage: packageOf(program, packageJson) })))).toBe("succeeded")
    clearInterval(beat)
    expect(await Effect.runPromise(runtime.wait(cc))).toBe(0)
    await expect.poll(said).toContain("all there")
    // compressing alone takes over a second; the limit is far above what a busy machine adds
    expect(longest).toBeLessThan(1_000)
  })
})
