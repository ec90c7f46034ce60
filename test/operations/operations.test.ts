/** The operations service over real sockets: every path, method and TLS combination. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { makeOperations, type OperationsOptions, providerOf } from "../../src/operations/index.js"
import * as Log from "../../src/runtime/Log.js"
import * as Metrics from "../../src/runtime/Metrics.js"
import { authority, type Pair } from "../transport/material.js"

const folder = mkdtempSync(join(tmpdir(), "operations-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const inFile = (name: string, content: Uint8Array | string): string => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const ca = authority("ca.operations")
const otherCa = authority("ca.other")
const server = ca.issue("server")
const client = ca.issue("client")
const stranger = otherCa.issue("stranger")
const files = {
  certificateFile: inFile("server.crt", server.certificate),
  keyFile: inFile("server.key", server.key),
  clientRootCAFiles: [inFile("ca.crt", ca.certificate)]
}

const system = (options: Partial<OperationsOptions> = {}) =>
  Effect.gen(function* () {
    const scope = yield* Effect.acquireRelease(Scope.make(), (made, exit) => Scope.close(made, exit))
    const lines: Array<string> = []
    const log = Either.getOrThrow(Log.make({ spec: "info", format: "%{message}", write: (line) => lines.push(line) }))
    const metrics = options.prometheus === false ? Metrics.disabled : Metrics.prometheus()
    const operations = yield* makeOperations({
      listenAddress: "127.0.0.1:0",
      version: "1.4.12",
      commitSha: "abcdef",
      prometheus: true,
      ...options
    }).pipe(Effect.provideService(Metrics.Metrics, metrics), Effect.provide(Log.layerOf(log)), Scope.extend(scope))
    const port = Number(operations.address.slice(operations.address.lastIndexOf(":") + 1))
    return { ...operations, port, log, lines, close: Scope.close(scope, Exit.void) }
  })

interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

interface Ask {
  readonly method?: string
  readonly body?: string
  readonly headers?: Record<string, string>
  /** TLS with this certificate, or with none. */
  readonly tls?: Pair | "none"
}

const ask = (port: number, path: string, { body, headers = {}, method = "GET", tls }: Ask = {}) =>
  Effect.tryPromise<Answer>(
    () =>
      new Promise((resolve, reject) => {
        const options = {
          host: "127.0.0.1",
          port,
          path,
          method,
          headers: { ...headers, Connection: "close" },
          agent: false
        }
        const shown =
          tls === undefined || tls === "none" ? {} : { cert: Buffer.from(tls.certificate), key: Buffer.from(tls.key) }
        const request =
          tls === undefined
            ? http.request(options)
            : https.request({ ...options, ...shown, ca: Buffer.from(ca.certificate) })
        request.on("error", reject)
        request.on("response", (response) => {
          const chunks: Array<Buffer> = []
          response.on("data", (chunk) => chunks.push(chunk))
          response.on("error", reject)
          response.on("end", () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks).toString()
            })
          )
        })
        request.end(body)
      })
  )

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe("/healthz", () => {
  it.scopedLive("200 with the time", () =>
    Effect.gen(function* () {
      const { port } = yield* system()
      const answer = yield* ask(port, "/healthz")
      assert.strictEqual(answer.status, 200)
      assert.match(answer.body, /^\{"status":"OK","time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"\}$/)
      assert.strictEqual(answer.headers["content-type"], "application/json")
      assert.match(String(answer.headers["x-request-id"]), uuid)
    })
  )

  it.scopedLive("503 names what failed; checks run one after the other and go with their scope", () =>
    Effect.gen(function* () {
      const { port, registerChecker } = yield* system()
      const scope = yield* Scope.make()
      let running = 0
      const alone = Effect.acquireUseRelease(
        Effect.sync(() => assert.strictEqual(++running, 1)),
        () => Effect.sleep("5 millis"),
        () => Effect.sync(() => running--)
      )
      yield* registerChecker("fine", alone)
      yield* registerChecker("also", alone)
      yield* Scope.extend(
        registerChecker("couchdb", Effect.fail(new Error("failed to connect to couch db <x>"))),
        scope
      )
      yield* Scope.extend(registerChecker("dies", Effect.die("boom")), scope)
      const again = yield* Effect.flip(registerChecker("couchdb", Effect.void))
      assert.strictEqual(again.message, "'couchdb' is already registered")
      const sick = yield* ask(port, "/healthz")
      assert.strictEqual(sick.status, 503)
      const { failed_checks, status } = JSON.parse(sick.body)
      assert.strictEqual(status, "Service Unavailable")
      assert.deepStrictEqual(failed_checks, [
        { component: "couchdb", reason: "failed to connect to couch db <x>" },
        { component: "dies", reason: "boom" }
      ])
      assert.include(sick.body, "\\u003cx\\u003e")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* ask(port, "/healthz")).status, 200)
    })
  )

  it.scopedLive("408 when checks take too long, and the checks are interrupted", () =>
    Effect.gen(function* () {
      const { port, registerChecker } = yield* system({ healthTimeout: "50 millis" })
      const interrupted = yield* Deferred.make<void>()
      yield* registerChecker(
        "slow",
        Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
      )
      const answer = yield* ask(port, "/healthz")
      assert.deepStrictEqual([answer.status, answer.body], [408, ""])
      yield* Deferred.await(interrupted)
    })
  )

  it.scopedLive("405 for anything but GET", () =>
    Effect.gen(function* () {
      const { port } = yield* system()
      for (const method of ["HEAD", "POST", "PUT", "DELETE"]) {
        const answer = yield* ask(port, "/healthz", { method })
        assert.deepStrictEqual([answer.status, answer.body], [405, ""], method)
        assert.isDefined(answer.headers["x-request-id"])
      }
    })
  )
})

describe("/logspec", () => {
  it.scopedLive("reads and sets the spec of this node", () =>
    Effect.gen(function* () {
      const { log, port } = yield* system()
      const put = (body: string) => ask(port, "/logspec", { method: "PUT", body })
      const get = Effect.map(ask(port, "/logspec"), ({ body }) => body)
      assert.strictEqual(yield* get, '{"spec":"info"}\n')
      const set = yield* put('{"spec":"gossip=debug:warning"}')
      assert.deepStrictEqual([set.status, set.body], [204, ""])
      assert.strictEqual(yield* get, '{"spec":"gossip=debug:warn"}\n')
      assert.strictEqual(log.specText, "gossip=debug:warn")
      assert.strictEqual((yield* put("{}")).status, 204)
      assert.strictEqual(yield* get, '{"spec":"info"}\n')
      assert.strictEqual((yield* put('{"SPEC":"debug","x":1} trailing')).status, 204)
      assert.strictEqual(yield* get, '{"spec":"debug"}\n')
      assert.strictEqual((yield* put("null")).status, 204)
    })
  )

  it.scopedLive("400 in Go's words", () =>
    Effect.gen(function* () {
      const { log, port } = yield* system()
      const cases: ReadonlyArray<readonly [string, string]> = [
        ["", "EOF"],
        ["  ", "EOF"],
        ["{", "unexpected EOF"],
        ['{"spec', "unexpected EOF"],
        ['{"spec":', "unexpected EOF"],
        ["nonsense", "invalid character 'o' in literal null (expecting 'u')"],
        ['{"spec":"\\x"}', "invalid character 'x' in string escape code"],
        ['{"spec":-}', "invalid character '}' in numeric literal"],
        ['{"spec":1.}', "invalid character '}' after decimal point in numeric literal"],
        ["x", "invalid character 'x' looking for beginning of value"],
        ["{x", "invalid character 'x' looking for beginning of object key string"],
        ['{"spec" "x"}', `invalid character '"' after object key`],
        ['{"spec":"a" "b"}', `invalid character '"' after object key:value pair`],
        ["[1 2]", "invalid character '2' after array element"],
        ["[]", "json: cannot unmarshal array into Go value of type httpadmin.LogSpec"],
        ["1", "json: cannot unmarshal number into Go value of type httpadmin.LogSpec"],
        ['{"spec":1}', "json: cannot unmarshal number into Go struct field LogSpec.spec of type string"],
        ['{"spec":true}', "json: cannot unmarshal bool into Go struct field LogSpec.spec of type string"],
        ['{"spec":"bad=nonsense"}', "invalid logging specification 'bad=nonsense': bad segment 'bad=nonsense'"],
        ['{"spec":"=debug"}', "invalid logging specification '=debug': no logger specified in segment '=debug'"]
      ]
      for (const [body, error] of cases) {
        const answer = yield* ask(port, "/logspec", { method: "PUT", body })
        assert.strictEqual(answer.status, 400, body)
        assert.deepStrictEqual(JSON.parse(answer.body), { error }, body)
        assert.isTrue(answer.body.endsWith("\n"))
      }
      assert.strictEqual(log.specText, "info")
      for (const method of ["POST", "DELETE"]) {
        const answer = yield* ask(port, "/logspec", { method })
        assert.deepStrictEqual([answer.status, answer.body], [400, `{"error":"invalid request method: ${method}"}\n`])
      }
      const large = yield* ask(port, "/logspec", { method: "PUT", body: `{"spec":"${"x".repeat(2 * 1024 * 1024)}"}` })
      assert.strictEqual(large.status, 413)
    })
  )
})

describe("/version, /metrics and the rest", () => {
  it.scopedLive("version", () =>
    Effect.gen(function* () {
      const { port } = yield* system()
      const answer = yield* ask(port, "/version")
      assert.deepStrictEqual([answer.status, answer.body], [200, '{"CommitSHA":"abcdef","Version":"1.4.12"}'])
      assert.strictEqual(answer.headers["content-type"], "application/json")
      const put = yield* ask(port, "/version", { method: "PUT" })
      assert.deepStrictEqual([put.status, put.body], [400, '{"Error":"invalid request method: PUT"}'])
    })
  )

  it.scopedLive("metrics, with the version and the log counters", () =>
    Effect.gen(function* () {
      const { log, port } = yield* system()
      log.log("info", "test", "test", "hello", {})
      log.log("debug", "test", "test", "quiet", {})
      const answer = yield* ask(port, "/metrics")
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
      assert.include(answer.body, 'fabric_version{version="1.4.12"} 1\n')
      assert.include(answer.body, 'logging_entries_written{level="info"} 1\n')
      assert.notInclude(answer.body, 'logging_entries_written{level="debug"}')
      assert.include(answer.body, "# HELP fabric_version The active version of Fabric.\n")
      assert.match(String(answer.headers["x-request-id"]), uuid)
    })
  )

  it.scopedLive("404 for other paths, and for metrics without Prometheus", () =>
    Effect.gen(function* () {
      const { port } = yield* system({ prometheus: false })
      for (const path of ["/", "/metrics", "/healthz/", "/nothing", "/logspec/x"]) {
        const answer = yield* ask(port, path)
        assert.deepStrictEqual([answer.status, answer.body], [404, "404 page not found\n"], path)
        assert.strictEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
        assert.isUndefined(answer.headers["x-request-id"])
      }
    })
  )

  it.scopedLive("the caller's request id comes back", () =>
    Effect.gen(function* () {
      const { port } = yield* system()
      const answer = yield* ask(port, "/healthz?x=1", { headers: { "X-Request-Id": "mine" } })
      assert.deepStrictEqual([answer.status, answer.headers["x-request-id"]], [200, "mine"])
      const empty = yield* ask(port, "/healthz", { headers: { "X-Request-Id": "" } })
      assert.match(String(empty.headers["x-request-id"]), uuid)
    })
  )

  it("providers", () => {
    assert.deepStrictEqual(providerOf("prometheus"), { provider: "prometheus" })
    assert.deepStrictEqual(providerOf("statsd"), { provider: "statsd" })
    assert.deepStrictEqual(providerOf("disabled"), { provider: "disabled" })
    assert.deepStrictEqual(providerOf("x"), {
      provider: "disabled",
      warning: "Unknown provider type: x; metrics disabled"
    })
  })
})

describe("TLS", () => {
  const paths = ["/healthz", "/version", "/logspec", "/metrics"]
  const statuses = (port: number, tls: Pair | "none") =>
    Effect.forEach(paths, (path) =>
      ask(port, path, { tls }).pipe(
        Effect.map(({ status }): number | string => status),
        Effect.orElseSucceed(() => "refused")
      )
    )

  it.scopedLive("certificates not demanded: open pages open, the others 401, a bad certificate refused", () =>
    Effect.gen(function* () {
      const { port } = yield* system({ tls: { ...files, clientAuthRequired: false } })
      assert.deepStrictEqual(yield* statuses(port, "none"), [200, 200, 401, 401])
      assert.deepStrictEqual(yield* statuses(port, client), [200, 200, 200, 200])
      assert.deepStrictEqual(yield* statuses(port, stranger), ["refused", "refused", "refused", "refused"])
      const denied = yield* ask(port, "/logspec", { tls: "none" })
      assert.strictEqual(denied.body, "")
      assert.isUndefined(denied.headers["x-request-id"])
      assert.isTrue(Exit.isFailure(yield* Effect.exit(ask(port, "/healthz"))))
    })
  )

  it.scopedLive("certificates demanded: nothing without one", () =>
    Effect.gen(function* () {
      const { port } = yield* system({ tls: { ...files, clientAuthRequired: true } })
      assert.deepStrictEqual(yield* statuses(port, "none"), ["refused", "refused", "refused", "refused"])
      assert.deepStrictEqual(yield* statuses(port, client), [200, 200, 200, 200])
      assert.deepStrictEqual(yield* statuses(port, stranger), ["refused", "refused", "refused", "refused"])
    })
  )

  it.scopedLive("without roots nobody is trusted, not even public authorities", () =>
    Effect.gen(function* () {
      const { port } = yield* system({ tls: { ...files, clientRootCAFiles: [], clientAuthRequired: false } })
      assert.deepStrictEqual(yield* statuses(port, "none"), [200, 200, 401, 401])
      assert.deepStrictEqual(yield* statuses(port, client), ["refused", "refused", "refused", "refused"])
    })
  )

  it.scopedLive("bad material fails the start", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(system({ tls: { ...files, keyFile: "/no/such", clientAuthRequired: false } }))
      assert.strictEqual(missing.message, "open /no/such: no such file or directory")
      const garbage = inFile("garbage", "x")
      const bad = yield* Effect.flip(system({ tls: { ...files, keyFile: garbage, clientAuthRequired: false } }))
      assert.match(bad.message, /^tls: /)
    })
  )
})

describe("its life", () => {
  it.scopedLive("a taken port fails in Go's words", () =>
    Effect.gen(function* () {
      const { address } = yield* system()
      const taken = yield* Effect.flip(system({ listenAddress: address }))
      assert.strictEqual(taken.message, `listen tcp ${address}: bind: address already in use`)
      const anywhere = yield* system({ listenAddress: "" })
      assert.match(anywhere.address, /^127\.0\.0\.1:\d+$/)
    })
  )

  it.scopedLive("ends quickly with idle connections open, and takes none afterwards", () =>
    Effect.gen(function* () {
      const { close, port } = yield* system()
      const socket = net.connect(port, "127.0.0.1")
      socket.on("error", () => {})
      yield* Effect.promise(() => new Promise((resolve) => socket.once("connect", resolve)))
      const agent = new http.Agent({ keepAlive: true })
      yield* Effect.promise(
        () =>
          new Promise((resolve) =>
            http.get({ host: "127.0.0.1", port, path: "/healthz", agent }, (response) =>
              response.resume().on("end", resolve)
            )
          )
      )
      const start = performance.now()
      yield* close
      assert.isBelow(performance.now() - start, 1000)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(ask(port, "/healthz"))))
      agent.destroy()
      socket.destroy()
    })
  )

  it.scopedLive(
    "ends quickly under TLS too, with a connection that never shakes hands; requests under way end first",
    () =>
      Effect.gen(function* () {
        const { close, port, registerChecker } = yield* system({ tls: { ...files, clientAuthRequired: false } })
        const socket = net.connect(port, "127.0.0.1")
        socket.on("error", () => {})
        yield* Effect.promise(() => new Promise((resolve) => socket.once("connect", resolve)))
        const begun = yield* Deferred.make<void>()
        yield* registerChecker("slow", Effect.zipRight(Deferred.succeed(begun, undefined), Effect.sleep("100 millis")))
        const pending = yield* Effect.fork(ask(port, "/healthz", { tls: "none" }))
        yield* Deferred.await(begun)
        const start = performance.now()
        yield* close
        assert.isBelow(performance.now() - start, 1500)
        assert.strictEqual((yield* Fiber.join(pending)).status, 200)
        socket.destroy()
      })
  )

  it.scopedLive("garbage on the wire is answered with 400 and harms nobody", () =>
    Effect.gen(function* () {
      const { port } = yield* system()
      const heard = yield* Effect.promise(
        () =>
          new Promise<string>((resolve) => {
            const socket = net.connect(port, "127.0.0.1")
            let text = ""
            socket.on("data", (chunk) => (text += chunk.toString()))
            socket.on("close", () => resolve(text))
            socket.write("NONSENSE\r\n\r\n")
          })
      )
      assert.match(heard, /^HTTP\/1\.1 400 Bad Request/)
      assert.strictEqual((yield* ask(port, "/version")).status, 200)
    })
  )
})
