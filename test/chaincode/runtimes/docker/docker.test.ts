/**
 * The Docker runtime against a stand-in for the daemon: what is sent, in which order, and what is made of the answers.
 * Expected values are those of the reference (core/container/dockercontroller, core/chaincode/platforms).
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { gunzipSync } from "node:zlib"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { afterEach, describe, expect, it } from "vitest"
import { tarGzOf } from "../../../../src/chaincode/packages/tarWriter.js"
import { ContainerRuntime, type LaunchRequest } from "../../../../src/chaincode/runtimes/ContainerRuntime.js"
import * as docker from "../../../../src/chaincode/runtimes/docker/DockerRuntime.js"
import { dockerAddress } from "../../../../src/chaincode/runtimes/docker/endpoint.js"
import {
  buildStepOf,
  dockerfileOf,
  expandTemplate,
  goArch,
  type ImageSettings,
  launchCommand
} from "../../../../src/chaincode/runtimes/docker/images.js"
import { demultiplexer, progressLine } from "../../../../src/chaincode/runtimes/docker/output.js"
import { makeChaincodeCA } from "../../../../src/chaincode/server/ChaincodeCA.js"
import { decodeCore } from "../../../../src/config/index.js"
import { dockerOptions } from "../../../../src/peer/stages/ChaincodeRuntime.js"
import * as Metrics from "../../../../src/runtime/Metrics.js"
import { logsTo } from "../../../logging.js"
import { type Answer, type Behaviour, FakeDaemon, frame, type Recorded } from "./FakeDaemon.js"

const versions = { arch: "amd64", peer: "1.4.12", base: "0.4.22" }
const images: ImageSettings = {
  builder: "$(DOCKER_NS)/fabric-ccenv:$(TWO_DIGIT_VERSION)",
  runtime: {
    GOLANG: "$(BASE_DOCKER_NS)/fabric-baseos:$(ARCH)-$(BASE_VERSION)",
    CAR: "$(BASE_DOCKER_NS)/fabric-baseos:$(ARCH)-$(BASE_VERSION)",
    NODE: "$(BASE_DOCKER_NS)/fabric-baseimage:$(ARCH)-$(BASE_VERSION)",
    JAVA: "$(DOCKER_NS)/fabric-javaenv:$(TWO_DIGIT_VERSION)"
  },
  dynamicLink: false
}
const CONTAINER = "dev-peer0-cc-1.0"
const IMAGE = `${CONTAINER}-${createHash("sha256").update(CONTAINER).digest("hex")}`

const environment: LaunchRequest["environment"] = [
  ["CORE_CHAINCODE_LOGGING_LEVEL", "info"],
  ["CORE_CHAINCODE_LOGGING_SHIM", "warning"],
  ["CORE_CHAINCODE_LOGGING_FORMAT", "%{message}"],
  ["CORE_CHAINCODE_ID_NAME", "cc:1.0"],
  ["CORE_CHAINCODE_BUILDLEVEL", "1.4.12"]
]
const request = (fields: Partial<LaunchRequest> = {}): LaunchRequest => ({
  name: "cc",
  version: "1.0",
  type: "NODE",
  path: "",
  codePackage: tarGzOf([{ name: "src/package.json", content: Buffer.from("{}") }]),
  peerAddress: "peer0:7052",
  environment,
  credentials: undefined,
  ...fields
})

// ---- A daemon and a runtime ----------------------------------------------------------------------------------------

let daemon: FakeDaemon | undefined
let scope: Scope.CloseableScope | undefined
let lines: Array<string> = []
let metrics: Metrics.MetricsShape
afterEach(async () => {
  if (scope !== undefined) await Effect.runPromise(Scope.close(scope, Exit.void))
  await daemon?.close()
  scope = undefined
  daemon = undefined
  lines = []
})

/** A daemon with containers that can be made when `images` has their image; special answers come first. */
const serve = async (special: Behaviour = () => undefined, known: ReadonlyArray<string> = [IMAGE]) => {
  const there = new Set(known)
  daemon = await FakeDaemon.open(async (asked): Promise<Answer | undefined> => {
    const answer = await special(asked)
    if (answer !== undefined) return answer
    const { method, path: place } = asked
    if (place === "/_ping") return { status: 200, body: Buffer.from("OK") }
    if (place === "/containers/create") {
      const { Image } = JSON.parse(asked.body.toString())
      if (there.has(Image)) return { status: 201, body: { Id: asked.query.name ?? "builder", Warnings: [] } }
      return { status: 404, body: { message: `No such image: ${Image}` } }
    }
    if (place.startsWith("/images/") && place.endsWith("/json")) {
      const image = decodeURIComponent(place.slice("/images/".length, -"/json".length))
      return there.has(image) ? { status: 200, body: { Id: image } } : { status: 404, body: { message: "no image" } }
    }
    if (place === "/images/create") {
      there.add(asked.query.fromImage ?? "")
      return { status: 200, body: Buffer.from('{"status":"Pulling"}\r\n{"status":"Downloaded"}\r\n') }
    }
    if (place === "/build") {
      there.add(asked.query.t ?? "")
      return { status: 200, body: Buffer.from('{"stream":"Step 1/3"}\n{"stream":"Successfully built"}\n') }
    }
    if (place.endsWith("/attach")) return { status: 200, body: frame(1, "some output\n") }
    if (place.endsWith("/wait")) return { status: 200, body: { StatusCode: 0 } }
    if (place.endsWith("/archive") && method === "GET") return { status: 200, body: Buffer.from("what was built") }
    if (place.endsWith("/archive")) return { status: 200 }
    if (/^\/containers\/[^/]+(\/(stop|kill|start))?$/.test(place)) return { status: 204 }
    return undefined
  })
  return daemon
}

const start = async (further: Partial<docker.DockerRuntimeOptions> = {}) => {
  scope = await Effect.runPromise(Scope.make())
  const layer = docker
    .layer({
      networkId: "dev",
      peerId: "peer0",
      daemon: { endpoint: daemon?.endpoint ?? "", tls: undefined },
      attachStdout: false,
      hostConfig: { NetworkMode: "host", LogConfig: {}, RestartPolicy: {} },
      networkMode: "host",
      pull: false,
      images,
      versions,
      ...further
    })
    .pipe(Layer.provideMerge(Metrics.layer({ provider: "prometheus" })), Layer.provide(logsTo(() => lines)))
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  metrics = Context.get(context, Metrics.Metrics)
  return Context.get(context, ContainerRuntime)
}

const outcome = (effect: Effect.Effect<unknown, { readonly message: string }>): Promise<string> =>
  Effect.runPromise(Effect.match(effect, { onSuccess: () => "succeeded", onFailure: (error) => error.message }))

const json = (recorded: Recorded | undefined): unknown => JSON.parse(recorded?.body.toString() ?? "null")
const ofPath = (place: string): Recorded | undefined => daemon?.requests.find(({ path: found }) => found === place)

/** Names, owners, modes and contents of an archive. */
const entriesOf = (tar: Uint8Array) => {
  const found: Array<{ name: string; mode: string; uid: string; mtime: string; content: Buffer }> = []
  const bytes = Buffer.from(tar)
  for (let at = 0; at < bytes.length && bytes[at] !== 0; ) {
    const text = (from: number, length: number) =>
      bytes.toString("latin1", at + from, at + from + length).split("\0")[0] ?? ""
    const size = Number.parseInt(text(124, 11), 8)
    const content = bytes.subarray(at + 512, at + 512 + size)
    found.push({ name: text(0, 100), mode: text(100, 8), uid: text(108, 8), mtime: text(136, 12), content })
    at += 512 + Math.ceil(size / 512) * 512
  }
  return found
}

// ---- Starting ------------------------------------------------------------------------------------------------------

describe("a start", () => {
  it("ends what is there, makes the container and starts it", async () => {
    await serve()
    const runtime = await start()
    expect(await outcome(runtime.start(request()))).toBe("succeeded")
    expect(daemon?.calls).toEqual([
      `POST /containers/${CONTAINER}/stop`,
      `POST /containers/${CONTAINER}/kill`,
      `DELETE /containers/${CONTAINER}`,
      "POST /containers/create",
      `POST /containers/${CONTAINER}/start`
    ])
    expect(ofPath(`/containers/${CONTAINER}/stop`)?.query).toEqual({ t: "0" })
    expect(daemon?.requests[2]?.query).toEqual({ force: "true" })
    const create = ofPath("/containers/create")
    expect(create?.query).toEqual({ name: CONTAINER })
    expect(create?.type).toBe("application/json")
    expect(json(create)).toEqual({
      Cmd: ["/bin/sh", "-c", "cd /usr/local/src; npm start -- --peer.address peer0:7052"],
      Image: IMAGE,
      Env: [
        "CORE_CHAINCODE_LOGGING_LEVEL=info",
        "CORE_CHAINCODE_LOGGING_SHIM=warning",
        "CORE_CHAINCODE_LOGGING_FORMAT=%{message}",
        "CORE_CHAINCODE_ID_NAME=cc:1.0",
        "CORE_PEER_TLS_ENABLED=false"
      ],
      HostConfig: { NetworkMode: "host", LogConfig: {}, RestartPolicy: {} }
    })
  })

  it("with TLS puts the files into the container before it starts", async () => {
    await serve()
    const runtime = await start()
    const credentials = { clientKey: "a2V5", clientCertificate: "Y2VydA==", rootCertificate: Buffer.from("root\n") }
    expect(await outcome(runtime.start(request({ credentials })))).toBe("succeeded")
    expect(daemon?.calls.slice(3)).toEqual([
      "POST /containers/create",
      `PUT /containers/${CONTAINER}/archive`,
      `POST /containers/${CONTAINER}/start`
    ])
    expect(json(ofPath("/containers/create"))).toMatchObject({
      Env: expect.arrayContaining([
        "CORE_PEER_TLS_ENABLED=true",
        "CORE_TLS_CLIENT_KEY_PATH=/etc/hyperledger/fabric/client.key",
        "CORE_TLS_CLIENT_CERT_PATH=/etc/hyperledger/fabric/client.crt",
        "CORE_PEER_TLS_ROOTCERT_FILE=/etc/hyperledger/fabric/peer.crt"
      ])
    })
    const upload = ofPath(`/containers/${CONTAINER}/archive`)
    expect(upload?.query).toEqual({ path: "/" })
    const shown = entriesOf(gunzipSync(upload?.body ?? "")).map((entry) => ({
      ...entry,
      content: entry.content.toString()
    }))
    const file = (name: string, content: string) => ({
      name: `/etc/hyperledger/fabric/${name}`,
      mode: "0100644",
      uid: "0000000",
      mtime: "00000000000",
      content
    })
    expect(shown).toEqual([file("client.key", "a2V5"), file("client.crt", "Y2VydA=="), file("peer.crt", "root\n")])
  })

  it("builds the image that is missing: in a container of the builder's image, then on the runtime image", async () => {
    const builder = "hyperledger/fabric-ccenv:1.4"
    await serve(undefined, [])
    const runtime = await start()
    expect(await outcome(runtime.start(request()))).toBe("succeeded")
    expect(daemon?.calls.slice(3)).toEqual([
      "POST /containers/create",
      `GET /images/${encodeURIComponent(builder).replace("%2F", "/").replace("%3A", ":")}/json`,
      "POST /images/create",
      "POST /containers/create",
      "PUT /containers/builder/archive",
      "POST /containers/builder/attach",
      "POST /containers/builder/start",
      "POST /containers/builder/wait",
      "GET /containers/builder/archive",
      "DELETE /containers/builder",
      "POST /build",
      "POST /containers/create",
      `POST /containers/${CONTAINER}/start`
    ])
    expect(ofPath("/images/create")?.query).toEqual({ fromImage: builder })
    const made = daemon?.requests.filter(({ path: found }) => found === "/containers/create") ?? []
    expect(made[1]?.query).toEqual({})
    expect(json(made[1])).toEqual({
      Image: builder,
      Cmd: [
        "/bin/sh",
        "-c",
        "cp -R /chaincode/input/src/. /chaincode/output && cd /chaincode/output && npm install --production"
      ],
      AttachStdout: true,
      AttachStderr: true,
      HostConfig: { NetworkMode: "host", LogConfig: {}, RestartPolicy: {} }
    })
    const [input, output] = (daemon?.requests ?? []).filter(
      ({ path: found }) => found === "/containers/builder/archive"
    )
    expect(input?.query).toEqual({ path: "/chaincode/input" })
    expect(input?.body.equals(Buffer.from(request().codePackage))).toBe(true)
    expect(output?.query).toEqual({ path: "/chaincode/output/." })
    const build = ofPath("/build")
    expect(build?.query).toEqual({ t: IMAGE, networkmode: "host" })
    expect(build?.type).toBe("application/tar")
    const context = entriesOf(gunzipSync(build?.body ?? ""))
    expect(context.map(({ name, uid }) => [name, uid])).toEqual([
      ["Dockerfile", "0000000"],
      ["binpackage.tar", "0000000"]
    ])
    expect(context[0]?.content.toString()).toBe(dockerfileOf("NODE", "cc", "1.0", images, versions))
    expect(context[1]?.content.toString()).toBe("what was built")
    const { body } = (await Effect.runPromise(metrics.exposition)) ?? expect.fail("no metrics")
    expect(body).toContain(
      'dockercontroller_chaincode_container_build_duration_count{chaincode="cc:1.0",success="true"} 1'
    )
  })

  it("says what the build printed when it fails, and makes no container", async () => {
    await serve(
      (asked) => {
        if (asked.path.endsWith("/attach"))
          return { status: 200, body: Buffer.concat([frame(1, "npm "), frame(2, "ERR! 404\n")]) }
        return asked.path.endsWith("/wait") ? { status: 200, body: { StatusCode: 7 } } : undefined
      },
      ["hyperledger/fabric-ccenv:1.4"]
    )
    const runtime = await start()
    expect(await outcome(runtime.start(request()))).toBe(
      'Failed to generate platform-specific docker build: Error returned from build: 7 "npm ERR! 404\n"'
    )
    expect(daemon?.calls.at(-1)).toBe("DELETE /containers/builder")
    expect(lines.join("")).toContain("Build Output:\n********************\nnpm ERR! 404\n\n********************")
  })

  it("says why an image could not be built or pulled", async () => {
    await serve(
      (asked) =>
        asked.path === "/build"
          ? {
              status: 200,
              body: Buffer.from(
                '{"stream":"Step 1/3 : FROM x"}\n{"errorDetail":{"message":"manifest unknown"},"error":"manifest unknown"}\n'
              )
            }
          : undefined,
      ["hyperledger/fabric-ccenv:1.4"]
    )
    const runtime = await start({ pull: true })
    expect(await outcome(runtime.start(request()))).toBe("manifest unknown")
    expect(ofPath("/build")?.query).toEqual({ t: IMAGE, networkmode: "host", pull: "true" })
    expect(lines.join("")).toContain("Step 1/3 : FROM x")
    await daemon?.close()
    await serve(
      (asked) => (asked.path === "/images/create" ? { status: 500, body: { message: "registry is away" } } : undefined),
      []
    )
    const second = await start()
    expect(await outcome(second.start(request()))).toBe(
      "Failed to generate platform-specific docker build: Failed to pull hyperledger/fabric-ccenv:1.4: API error (500): registry is away"
    )
  })

  it("has a connection for each request: none that the daemon may just have closed", async () => {
    await serve(undefined, [])
    const runtime = await start()
    expect(await outcome(runtime.start(request()))).toBe("succeeded")
    expect(daemon?.connections).toBe(daemon?.requests.length)
  })

  it("passes on what the daemon refuses", async () => {
    await serve((asked) =>
      asked.path.endsWith("/start") ? { status: 500, body: { message: "no space left on device" } } : undefined
    )
    const runtime = await start()
    expect(await outcome(runtime.start(request()))).toBe("API error (500): no space left on device")
    await daemon?.close()
    await serve((asked) =>
      asked.path === "/containers/create" ? { status: 409, body: { message: "in use" } } : undefined
    )
    const second = await start()
    expect(await outcome(second.start(request()))).toBe("container already exists")
    await daemon?.close()
    await serve((asked) => (asked.method === "PUT" ? { status: 403, body: { message: "read-only" } } : undefined))
    const third = await start()
    const credentials = { clientKey: "k", clientCertificate: "c", rootCertificate: Buffer.from("r") }
    expect(await outcome(third.start(request({ credentials })))).toBe(
      `Error uploading files to the container instance ${CONTAINER}: API error (403): read-only`
    )
  })

  it("refuses what is no platform and what gives no image name", async () => {
    await serve()
    const runtime = await start()
    expect(await outcome(runtime.start(request({ type: "UNDEFINED" })))).toBe("unknown chaincodeType: UNDEFINED")
    expect(daemon?.calls).toEqual([])
    const odd = await start({ networkId: "-dev" })
    const hash = createHash("sha256").update("-dev-peer0-cc-1.0").digest("hex")
    // the log names what it was made of, the answer what was made
    expect(await outcome(odd.start(request()))).toBe(
      `Error constructing Docker VM Name. '-dev-peer0-cc-1.0-${hash}' breaks Docker's repository naming rules`
    )
    expect(lines.join("")).toContain("Docker VM Name. '-dev-peer0-cc-1.0' breaks")
  })

  it("that gives up lets the build go on; the next start takes its image", async () => {
    let finish: () => void = () => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    await serve(
      async (asked) => {
        if (!asked.path.endsWith("builder/wait")) return undefined
        await finished
        return { status: 200, body: { StatusCode: 0 } }
      },
      ["hyperledger/fabric-ccenv:1.4"]
    )
    const runtime = await start()
    const fiber = Effect.runFork(runtime.start(request()))
    await expect.poll(() => daemon?.calls.includes("POST /containers/builder/wait")).toBe(true)
    await Effect.runPromise(Fiber.interrupt(fiber))
    await Effect.runPromise(runtime.stop(request()))
    const second = outcome(runtime.start(request())) // waits for the same build
    finish()
    expect(await second).toBe("succeeded")
    expect(daemon?.calls.filter((call) => call === "POST /build")).toHaveLength(1)
    expect(daemon?.calls.at(-1)).toBe(`POST /containers/${CONTAINER}/start`)
  })
})

describe("output", () => {
  it("of the container goes to its log, line by line, when it is asked for", async () => {
    await serve((asked) =>
      asked.path.endsWith("/attach")
        ? { status: 200, body: Buffer.concat([frame(1, "one\ntw"), frame(2, "o\n"), frame(1, "three")]) }
        : undefined
    )
    const runtime = await start({ attachStdout: true })
    expect(await outcome(runtime.start(request()))).toBe("succeeded")
    await expect.poll(() => ofPath(`/containers/${CONTAINER}/attach`)).toBeDefined()
    expect(ofPath(`/containers/${CONTAINER}/attach`)?.query).toEqual({
      logs: "true",
      stream: "true",
      stdout: "true",
      stderr: "true"
    })
    expect(json(ofPath("/containers/create"))).toMatchObject({ AttachStdout: true, AttachStderr: true })
    await expect.poll(() => lines.some((line) => line.includes("has closed its IO channel"))).toBe(true)
    expect(lines.filter((line) => line.includes(`[peer.chaincode.${CONTAINER}]`)).map((line) => line.trim())).toEqual(
      ["one", "two", "three"].map((text) => `INFO [peer.chaincode.${CONTAINER}] ${text}`)
    )
  })

  it("is taken apart frame by frame however it arrives; what is not framed is passed on", () => {
    const whole = Buffer.concat([frame(1, "a"), frame(2, ""), frame(2, "bcd"), frame(1, "e".repeat(300))])
    for (const size of [1, 3, 8, 9, 1000]) {
      let text = ""
      const take = demultiplexer((bytes) => {
        text += bytes.toString()
      })
      for (let at = 0; at < whole.length; at += size) take(whole.subarray(at, at + size))
      expect(text).toBe(`abcd${"e".repeat(300)}`)
    }
    let plain = ""
    demultiplexer((bytes) => {
      plain += bytes.toString()
    })(Buffer.from("a terminal's output"))
    expect(plain).toBe("a terminal's output")
  })

  it("of builds is read line by line", () => {
    expect(progressLine('{"stream":"Step 1"}')).toEqual({ text: "Step 1", error: undefined })
    expect(progressLine('{"status":"Pulling"}')).toEqual({ text: "Pulling", error: undefined })
    expect(progressLine('{"error":"no"}')).toEqual({ text: "no", error: "no" })
    for (const odd of ["null", "7", "not json", '{"stream":5}']) expect(progressLine(odd).error).toBeUndefined()
  })
})

describe("the end", () => {
  it("is waited for, by name", async () => {
    await serve((asked) => (asked.path.endsWith("/wait") ? { status: 200, body: { StatusCode: 137 } } : undefined))
    const runtime = await start()
    expect(await Effect.runPromise(runtime.wait({ name: "cc", version: "1.0" }))).toBe(137)
    expect(daemon?.calls).toEqual([`POST /containers/${CONTAINER}/wait`])
    await daemon?.close()
    await serve((asked) =>
      asked.path.endsWith("/wait") ? { status: 404, body: { message: "No such container" } } : undefined
    )
    const second = await start()
    expect(await outcome(second.wait({ name: "cc", version: "1.0" }))).toBe(`No such container: ${CONTAINER}`)
  })

  it("can be brought about, whatever the daemon says; the peer's own end leaves containers alone", async () => {
    await serve((asked) => ({ status: 500, body: { message: asked.path } }))
    const runtime = await start()
    await Effect.runPromise(runtime.stop({ name: "cc", version: "1.0" }))
    expect(daemon?.calls).toHaveLength(3)
    await Effect.runPromise(runtime.stopAll)
    expect(daemon?.calls).toHaveLength(3)
  })

  it("of a wait by interruption does not wait for the daemon", async () => {
    await serve((asked) =>
      asked.path.endsWith("/wait") ? { status: 200, body: Buffer.from("{"), hang: true } : undefined
    )
    const runtime = await start()
    const fiber = Effect.runFork(runtime.wait({ name: "cc", version: "1.0" }))
    await expect.poll(() => daemon?.calls.length).toBe(1)
    const exit = await Effect.runPromise(Fiber.interrupt(fiber).pipe(Effect.timeout(Duration.seconds(5))))
    expect(Exit.isInterrupted(exit)).toBe(true)
  })
})

describe("health", () => {
  it("is the daemon's", async () => {
    await serve()
    expect(await outcome((await start()).healthy)).toBe("succeeded")
    expect(daemon?.calls).toEqual(["GET /_ping"])
    await daemon?.close()
    await serve((asked) => ({ status: 500, body: { message: `${asked.path} hurts` } }))
    expect(await outcome((await start()).healthy)).toBe(
      "failed to ping to Docker daemon: API error (500): /_ping hurts"
    )
  })
  it("says when nobody listens, and when nobody can be asked", async () => {
    const socket = path.join(os.tmpdir(), "no-such-docker.sock")
    const away = await start({ daemon: { endpoint: `unix://${socket}`, tls: undefined } })
    expect(await outcome(away.healthy)).toBe(
      `failed to ping to Docker daemon: Get "http://unix.sock/_ping": dial unix ${socket}: connect: no such file or directory`
    )
    expect(await outcome(away.start(request()))).toBe(
      `Post "http://unix.sock/containers/create?name=${CONTAINER}": dial unix ${socket}: connect: no such file or directory`
    )
    const closed = await start({ daemon: { endpoint: "tcp://127.0.0.1:1", tls: undefined } })
    expect(await outcome(closed.healthy)).toBe("failed to ping to Docker daemon: cannot connect to Docker endpoint")
    const odd = await start({ daemon: { endpoint: "carrier://pigeon", tls: undefined } })
    expect(await outcome(odd.healthy)).toBe("failed to connect to Docker daemon: invalid endpoint")
    expect(await outcome(odd.start(request()))).toBe("invalid endpoint")
  })
})

describe("TLS to the daemon", () => {
  it("shows the client's certificate and trusts the given authority alone", async () => {
    const own = makeChaincodeCA({ now: Date.now, randomBytes: (size) => crypto.getRandomValues(new Uint8Array(size)) })
    const server = own.serverPair("127.0.0.1")
    const client = own.clientPair()
    const key = Buffer.from(server.key).toString().replaceAll("EC PRIVATE KEY", "PRIVATE KEY")
    daemon = await FakeDaemon.open(() => ({ status: 200, body: Buffer.from("OK") }), {
      cert: Buffer.from(server.certificate),
      key,
      ca: Buffer.from(own.certificate),
      requestCert: true,
      rejectUnauthorized: true
    })
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "docker-tls-"))
    try {
      const file = (name: string, content: Uint8Array | string) => {
        const place = path.join(folder, name)
        fs.writeFileSync(place, content)
        return place
      }
      const tls = {
        ca: file("ca.pem", own.certificate),
        cert: file("cert.pem", client.certificate),
        key: file("key.pem", Buffer.from(client.key).toString().replaceAll("EC PRIVATE KEY", "PRIVATE KEY"))
      }
      const { endpoint } = daemon
      expect(await outcome((await start({ daemon: { endpoint, tls } })).healthy)).toBe("succeeded")
      const other = makeChaincodeCA({
        now: Date.now,
        randomBytes: (size) => crypto.getRandomValues(new Uint8Array(size))
      })
      const strange = { ...tls, ca: file("other.pem", other.certificate) }
      expect(await outcome((await start({ daemon: { endpoint, tls: strange } })).healthy)).toMatch(
        /^failed to ping to Docker daemon: .*certificate/
      )
      const bare = { ...tls, cert: path.join(folder, "none"), key: path.join(folder, "none") }
      expect(await outcome((await start({ daemon: { endpoint, tls: bare } })).healthy)).toMatch(
        /^failed to ping to Docker daemon: /
      )
    } finally {
      fs.rmSync(folder, { recursive: true })
    }
  })
})

// ---- Pure parts ----------------------------------------------------------------------------------------------------

describe("images", () => {
  it("are named by templates", () => {
    expect(expandTemplate(images.builder, versions)).toBe("hyperledger/fabric-ccenv:1.4")
    expect(expandTemplate(images.runtime.NODE, versions)).toBe("hyperledger/fabric-baseimage:amd64-0.4.22")
    expect(expandTemplate("a:$(PROJECT_VERSION)-$(NOTHING)", versions)).toBe("a:1.4.12-$(NOTHING)")
    expect(expandTemplate("$(TWO_DIGIT_VERSION)", { ...versions, peer: "latest" })).toBe("latest")
    expect([goArch("x64"), goArch("arm64"), goArch("s390x")]).toEqual(["amd64", "arm64", "s390x"])
  })

  it.each([
    ["GOLANG", "hyperledger/fabric-baseos:amd64-0.4.22", "/usr/local/bin"],
    ["CAR", "hyperledger/fabric-baseos:amd64-0.4.22", "/usr/local/bin"],
    ["NODE", "hyperledger/fabric-baseimage:amd64-0.4.22", "/usr/local/src"],
    ["JAVA", "hyperledger/fabric-javaenv:1.4", "/root/chaincode-java/chaincode"]
  ] as const)("of %s have this Dockerfile", (platform, from, place) => {
    expect(dockerfileOf(platform, "my-cc", "2.0", images, versions)).toBe(
      `FROM ${from}
ADD binpackage.tar ${place}
LABEL org.hyperledger.fabric.chaincode.id.name="my-cc" \\
      org.hyperledger.fabric.chaincode.id.version="2.0" \\
      org.hyperledger.fabric.chaincode.type="${platform}" \\
      org.hyperledger.fabric.version="1.4.12" \\
      org.hyperledger.fabric.base.version="0.4.22"
ENV CORE_CHAINCODE_BUILDLEVEL=1.4.12`
    )
  })

  it("are built so", () => {
    const step = (platform: Parameters<typeof buildStepOf>[0], place = "", settings = images) =>
      buildStepOf(platform, place, settings, versions)
    const ccenv = "hyperledger/fabric-ccenv:1.4"
    expect(step("GOLANG", "github.com/me/cc/")).toEqual({
      image: ccenv,
      command:
        "GOPATH=/chaincode/input:$GOPATH go build  -ldflags \"-linkmode external -extldflags '-static'\" -o /chaincode/output/chaincode github.com/me/cc"
    })
    expect(step("GOLANG", "https://github.com/me/cc", { ...images, dynamicLink: true })).toEqual({
      image: ccenv,
      command: "GOPATH=/chaincode/input:$GOPATH go build   -o /chaincode/output/chaincode github.com/me/cc"
    })
    expect(step("JAVA")).toEqual({ image: "hyperledger/fabric-javaenv:1.4", command: "./build.sh" })
    expect(step("CAR")).toMatchObject({
      command:
        "java -jar /usr/local/bin/chaintool buildcar /chaincode/input/codepackage.car -o /chaincode/output/chaincode"
    })
    expect(step("GOLANG", "x")).toBe("could not decode url: ChaincodeSpec's path/URL invalid")
    expect(step("GOLANG", "a; rm -rf")).toBe('could not decode url: "a; rm -rf" is no import path')
  })

  it("run so", () => {
    expect(launchCommand("GOLANG", "p:1")).toEqual(["chaincode", "-peer.address=p:1"])
    expect(launchCommand("CAR", "p:1")).toEqual(["chaincode", "-peer.address=p:1"])
    expect(launchCommand("JAVA", "p:1")).toEqual(["/root/chaincode-java/start", "--peerAddress", "p:1"])
  })
})

describe("a CAR package", () => {
  it("is handed to the builder as a file in a tar", async () => {
    await serve(undefined, ["hyperledger/fabric-ccenv:1.4"])
    const runtime = await start()
    expect(await outcome(runtime.start(request({ type: "CAR", codePackage: Buffer.from("car") })))).toBe("succeeded")
    const input = entriesOf(ofPath("/containers/builder/archive")?.body ?? Buffer.alloc(0))
    expect(input.map(({ content, name }) => [name, content.toString()])).toEqual([["codepackage.car", "car"]])
  })
})

describe("the endpoint", () => {
  it.each([
    ["unix:///var/run/docker.sock", false, { socketPath: "/var/run/docker.sock" }],
    ["unix:///var/run/docker.sock", true, { socketPath: "/var/run/docker.sock" }],
    ["http://localhost:2375", false, { protocol: "http", host: "localhost", port: 2375 }],
    ["https://localhost:2376", false, { protocol: "https", host: "localhost", port: 2376 }],
    ["tcp://10.0.0.1:2376", true, { protocol: "https", host: "10.0.0.1", port: 2376 }],
    ["10.0.0.1:2375", false, { protocol: "http", host: "10.0.0.1", port: 2375 }],
    ["http://host:80", false, { protocol: "http", host: "host", port: 80 }],
    ["tcp://[::1]:2375", false, { protocol: "http", host: "::1", port: 2375 }],
    ["ftp://x:1", false, undefined],
    ["tcp://x:99999", false, undefined],
    ["tcp://x:0", false, undefined],
    ["unix://", false, undefined],
    ["", false, undefined]
  ])("%s (TLS %s)", (endpoint, tls, expected) => {
    expect(dockerAddress(endpoint, tls)).toEqual(expected)
  })
})

describe("core.yaml", () => {
  const optionsOf = (yaml: string) => {
    const { chaincode, peer, vm } = Either.getOrThrow(decodeCore("/x/core.yaml", yaml, { env: {}, cwd: "/x" }))
    return dockerOptions(peer, vm, chaincode)
  }
  it("says it all", () => {
    const options = optionsOf(`
peer: { id: peer0, networkId: net }
vm:
  endpoint: tcp://docker:2376
  docker:
    tls: { enabled: true, ca: { file: ca.pem }, cert: { file: /abs/cert.pem }, key: { file: key.pem } }
    attachStdout: true
    hostConfig:
      NetworkMode: fabric_default
      Dns: [ 192.168.0.1 ]
      ExtraHosts: [ "a:1.2.3.4" ]
      LogConfig: { Type: json-file, Config: { max-size: "50m", max-file: "5" } }
      Memory: 2147483648
      CpuShares: 7
      CapDrop: [ ALL ]
      ReadonlyRootfs: true
chaincode: { pull: true, builder: b, node: { runtime: n }, golang: { runtime: g, dynamicLink: true } }
`)
    expect(options).toMatchObject({
      networkId: "net",
      peerId: "peer0",
      daemon: { endpoint: "tcp://docker:2376", tls: { ca: "/x/ca.pem", cert: "/abs/cert.pem", key: "/x/key.pem" } },
      attachStdout: true,
      networkMode: "fabric_default",
      pull: true,
      images: { builder: "b", runtime: { NODE: "n", GOLANG: "g" }, dynamicLink: true }
    })
    expect(options.hostConfig).toEqual({
      NetworkMode: "fabric_default",
      Dns: ["192.168.0.1"],
      ExtraHosts: ["a:1.2.3.4"],
      LogConfig: { Type: "json-file", Config: { "max-size": "50m", "max-file": "5" } },
      Memory: 2147483648,
      CpuShares: 7,
      CapDrop: ["ALL"],
      ReadonlyRootfs: true,
      RestartPolicy: {}
    })
  })
  it("may leave the network out: it is the host's", () => {
    expect(optionsOf("vm: { docker: { hostConfig: { NetworkMode: '' } } }")).toMatchObject({
      networkMode: "host",
      daemon: { endpoint: "unix:///var/run/docker.sock", tls: undefined },
      hostConfig: { NetworkMode: "host" }
    })
  })
})
