/** The process runtime with small programs: what it unpacks, builds, runs and refuses. */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { gzipSync } from "node:zlib"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type ArchiveFile, tarGzOf, tarOf } from "../../../src/chaincode/packages/tarWriter.js"
import { ContainerRuntime, type LaunchRequest } from "../../../src/chaincode/runtimes/ContainerRuntime.js"
import * as processRuntime from "../../../src/chaincode/runtimes/process/ProcessRuntime.js"
import { unpack } from "../../../src/chaincode/runtimes/process/unpack.js"
import * as Log from "../../../src/runtime/Log.js"
import { run } from "../support/TestPeer.js"

let folder: string
let scope: Scope.CloseableScope | undefined
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "fe-process-"))
  fs.chmodSync(folder, 0o755)
})
afterEach(async () => {
  if (scope !== undefined) await Effect.runPromise(Scope.close(scope, Exit.void))
  scope = undefined
  fs.rmSync(folder, { recursive: true, force: true })
})

const start = async (
  options: Partial<processRuntime.ProcessRuntimeOptions> = {},
  write: (line: string) => void = () => {}
) => {
  scope = await Effect.runPromise(Scope.make())
  const layer = processRuntime.layer({
    folder: path.join(folder, "runtime"),
    environment: { PATH: process.env.PATH ?? "", HOME: os.homedir() },
    networkId: "",
    peerId: "",
    ...options
  })
  const logged = Layer.provide(layer, Layer.orDie(Log.layer({ spec: "info", format: "%{message}", write })))
  return Context.get(await run(Layer.buildWithScope(logged, scope)), ContainerRuntime)
}

const file = (name: string, content: string): ArchiveFile => ({ name, content: Buffer.from(content) })
const script = (start: string, ...more: ReadonlyArray<ArchiveFile>) =>
  tarGzOf([file("src/package.json", JSON.stringify({ scripts: { start } })), ...more])

const request = (codePackage: Uint8Array, fields: Partial<LaunchRequest> = {}): LaunchRequest => ({
  name: "cc",
  version: "1.0",
  type: "NODE",
  path: "",
  codePackage,
  peerAddress: "127.0.0.1:7052",
  environment: [["CORE_CHAINCODE_ID_NAME", "cc:1.0"]],
  credentials: undefined,
  ...fields
})

const reason = (effect: Effect.Effect<unknown, { readonly message: string }>): Promise<string> =>
  run(Effect.match(effect, { onSuccess: () => "succeeded", onFailure: (error) => error.message }))

describe("a package", () => {
  const unpacked = (bytes: Uint8Array) => {
    const target = fs.mkdtempSync(path.join(folder, "target-"))
    return reason(unpack(bytes, target)).then((text) => ({ text, target }))
  }

  it("is laid out without its src/ and META-INF", async () => {
    const files = [
      file("src/a.js", "a"),
      file("/src/b/c.js", "c"),
      file("META-INF/statedb/couchdb/indexes/i.json", "{}")
    ]
    const { target, text } = await unpacked(tarGzOf(files))
    expect(text).toBe("succeeded")
    expect(fs.readFileSync(path.join(target, "a.js"), "utf8")).toBe("a")
    expect(fs.readFileSync(path.join(target, "b", "c.js"), "utf8")).toBe("c")
    expect(fs.readdirSync(target).sort()).toEqual(["a.js", "b"])
  })

  it.each([["src/../../escaped"], ["src/a/../../../escaped"], ["src//../escaped"]])(
    "that leads out by %s is refused",
    async (name) => {
      const { text } = await unpacked(tarGzOf([file(name, "x")]))
      expect(text).toBe(`cannot unpack the chaincode package: "${name}" leads out of the package`)
      expect(fs.readdirSync(folder).filter((entry) => entry.includes("escaped"))).toEqual([])
    }
  )

  it("with a link in it is refused", async () => {
    const archive = Buffer.from(tarOf([file("src/link", "")]))
    archive.write("2", 156, "latin1")
    archive.write("/etc/passwd", 157, "latin1")
    archive.fill(" ", 148, 156)
    const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0)
    archive.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1")
    expect((await unpacked(gzipSync(archive))).text).toContain('"src/link" is not a plain file')
  })

  it("that is damaged is refused with the archive's error", async () => {
    expect((await unpacked(Buffer.from("no gzip at all"))).text).toContain("gzip: invalid header")
    const whole = Buffer.from(tarGzOf([file("src/a.js", "a".repeat(5_000))]))
    expect((await unpacked(whole.subarray(0, whole.length - 20))).text).toContain("unexpected EOF")
  })
})

describe("a process", () => {
  it("runs in the unpacked src/, gets the address, and its end is told", async () => {
    const runtime = await start()
    const write =
      "require('fs').writeFileSync(process.env.HOME + '/said', JSON.stringify([process.cwd(), process.argv.slice(2)]))"
    await run(runtime.start(request(script("node index.js", file("src/index.js", `${write}; process.exit(5)`)))))
    expect(await run(runtime.wait({ name: "cc", version: "1.0" }))).toBe(5)
    const [cwd, args] = JSON.parse(fs.readFileSync(path.join(folder, "runtime", "home", "said"), "utf8"))
    expect(cwd).toMatch(/runtime\/builds\/[0-9a-f]{40}-[^/]+\/src$/)
    expect(args).toEqual(["--peer.address", "127.0.0.1:7052"])
  })

  it("ended by a signal gives 128 and its number", async () => {
    const runtime = await start()
    await run(runtime.start(request(script("kill -TERM $$"))))
    expect(await run(runtime.wait({ name: "cc", version: "1.0" }))).toBe(143)
  })

  it("of the same chaincode takes the place of the one before", async () => {
    const runtime = await start()
    const hang = request(script("sh hang.sh", file("src/hang.sh", "exec sleep 60")))
    await run(runtime.start(hang))
    const first = run(runtime.wait(hang))
    await run(runtime.start(hang))
    expect(await first).toBe(137)
    await run(runtime.stop(hang))
    expect(await run(runtime.wait(hang))).toBe(137)
    await run(runtime.stop({ name: "never", version: "1" }))
    expect(await reason(runtime.wait({ name: "never", version: "1" }))).toBe("chaincode never:1 is not running")
  })

  it("is built once; unfinished builds of a peer that died are cleared away", async () => {
    const builds = path.join(folder, "runtime", "builds")
    fs.mkdirSync(path.join(builds, ".unfinished-x"), { recursive: true })
    const runtime = await start()
    const one = request(script("true"))
    await run(runtime.start(one))
    await run(runtime.wait(one))
    const [build = ""] = fs.readdirSync(builds)
    const made = fs.statSync(path.join(builds, build)).ctimeMs
    await run(runtime.start(one))
    await run(runtime.wait(one))
    expect(fs.readdirSync(builds)).toEqual([build])
    expect(fs.statSync(path.join(builds, build)).ctimeMs).toBe(made)
  })

  it("keeps to its limits", async () => {
    const runtime = await start({ limits: { openFiles: 77 } })
    const one = request(script("sh limits.sh", file("src/limits.sh", 'ulimit -n > "$HOME/limit"')))
    await run(runtime.start(one))
    await run(runtime.wait(one))
    expect(fs.readFileSync(path.join(folder, "runtime", "home", "limit"), "utf8")).toBe("77\n")
  })

  it.skipIf(process.platform !== "linux")("that holds too much memory is ended, with all that it started", async () => {
    const lines: Array<string> = []
    const runtime = await start({ limits: { memory: 150 * 2 ** 20 } }, (line) => lines.push(line))
    // outside of the heap that the language's own limit holds down, in a child of the chaincode's
    const hoard = "const kept = []; setInterval(() => kept.push(Buffer.alloc(20 * 2 ** 20, 1)), 20)"
    const index = `
      const { spawn } = require('child_process');
      require('fs').writeFileSync(process.env.HOME + '/options', process.env.NODE_OPTIONS);
      spawn(process.execPath, ['-e', ${JSON.stringify(hoard)}], { stdio: 'ignore' });
      setInterval(() => {}, 1000)`
    const one = request(script("node index.js", file("src/index.js", index)))
    await run(runtime.start(one))
    expect(await run(runtime.wait(one))).toBe(137)
    expect(lines.join("")).toMatch(
      /Chaincode cc:1\.0 holds \d+ bytes of memory, more than the 157286400 of vm\.process\.memory: it ends/
    )
    expect(fs.readFileSync(path.join(folder, "runtime", "home", "options"), "utf8")).toBe("--max-old-space-size=112")
    // within its limit it is left alone
    const small = request(script("sh small.sh", file("src/small.sh", "sleep 1.3")), { name: "small" })
    await run(runtime.start(small))
    expect(await run(runtime.wait(small))).toBe(0)
  })

  it("of an unknown kind, and CAR, is refused with a reason", async () => {
    const runtime = await start()
    expect(await reason(runtime.start(request(script("true"), { type: "CAR" })))).toContain(
      "CAR packages need chaintool"
    )
    expect(await reason(runtime.start(request(script("true"), { type: "UNDEFINED" })))).toBe(
      "unknown chaincodeType: UNDEFINED"
    )
    expect(await reason(runtime.start(request(tarGzOf([file("src/a", "")]))))).toBe(
      "no package.json found at the root of the chaincode package"
    )
  })

  it("prebuilt for Go is run as it is", async () => {
    const prebuilt = path.join(folder, "binaries")
    fs.mkdirSync(prebuilt)
    fs.writeFileSync(path.join(prebuilt, "cc-1.0"), '#!/bin/sh\necho "$@" > "$HOME/said"\nexit 3\n', { mode: 0o755 })
    const runtime = await start({ prebuilt })
    const one = request(tarGzOf([]), { type: "GOLANG", path: "example.com/cc" })
    await run(runtime.start(one))
    expect(await run(runtime.wait(one))).toBe(3)
    expect(fs.readFileSync(path.join(folder, "runtime", "home", "said"), "utf8")).toBe("-peer.address=127.0.0.1:7052\n")
  })
})

const hasGo = (() => {
  try {
    execFileSync("go", ["version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

describe.skipIf(!hasGo)("a Go package", () => {
  const main = 'package main\n\nimport (\n\t"os"\n\n\t"%LIB%"\n)\n\nfunc main() { os.Exit(lib.Code) }\n'
  const lib = "package lib\n\nconst Code = 9\n"

  it("is built from what it vendors, in GOPATH manner", async () => {
    const runtime = await start()
    const codePackage = tarGzOf([
      file("src/example.com/cc/main.go", main.replace("%LIB%", "example.com/lib")),
      file("src/example.com/cc/vendor/example.com/lib/lib.go", lib)
    ])
    const one = request(codePackage, { type: "GOLANG", path: "example.com/cc" })
    await run(runtime.start(one))
    expect(await run(runtime.wait(one))).toBe(9)
  }, 60_000)

  it("with a go.mod is built as a module", async () => {
    const runtime = await start()
    const codePackage = tarGzOf([
      file("src/example.com/cc/go.mod", "module example.com/cc\n\ngo 1.20\n"),
      file("src/example.com/cc/main.go", main.replace("%LIB%", "example.com/cc/lib")),
      file("src/example.com/cc/lib/lib.go", lib)
    ])
    const one = request(codePackage, { type: "GOLANG", path: "example.com/cc" })
    await run(runtime.start(one))
    expect(await run(runtime.wait(one))).toBe(9)
  }, 60_000)

  it("that does not compile fails with the compiler's words", async () => {
    const runtime = await start()
    const codePackage = tarGzOf([file("src/example.com/cc/main.go", "package main\n\nfunc main() { undefined() }\n")])
    const text = await reason(runtime.start(request(codePackage, { type: "GOLANG", path: "example.com/cc" })))
    expect(text).toMatch(/^"go build .*" ended with 1: [\s\S]*undefined: undefined/)
    expect(await reason(runtime.start(request(codePackage, { type: "GOLANG", path: "../../etc" })))).toContain(
      "could not decode url"
    )
  }, 60_000)
})

describe.skipIf(process.getuid?.() !== 0)("another user", () => {
  it("runs the chaincode, which reads no key and no ledger and cannot change its own code", async () => {
    const keystore = path.join(folder, "msp", "keystore")
    const ledger = path.join(folder, "ledgersData")
    fs.mkdirSync(keystore, { recursive: true, mode: 0o700 })
    fs.mkdirSync(ledger, { mode: 0o700 })
    fs.writeFileSync(path.join(keystore, "key_sk"), "secret", { mode: 0o600 })
    fs.writeFileSync(path.join(ledger, "data.mdb"), "state", { mode: 0o600 })
    const attempts = `
      const fs = require('fs');
      const attempt = (what, f) => { try { f(); return what + ' worked'; } catch (e) { return e.code; } };
      fs.writeFileSync(process.env.HOME + '/said', JSON.stringify([
        process.getuid(), process.getgid(),
        attempt('key', () => fs.readFileSync(${JSON.stringify(path.join(keystore, "key_sk"))})),
        attempt('ledger', () => fs.readdirSync(${JSON.stringify(ledger)})),
        attempt('code', () => fs.writeFileSync('index.js', '')),
        attempt('marks', () => fs.readdirSync(${JSON.stringify(path.join(folder, "runtime", "running"))})),
        attempt('own key', () => fs.readFileSync(process.env.CORE_TLS_CLIENT_KEY_PATH))
      ]))`
    const runtime = await start({ uid: 65_534, gid: 65_534 })
    const one = request(script("node index.js", file("src/index.js", attempts)), {
      credentials: { clientKey: "key", clientCertificate: "cert", rootCertificate: Buffer.from("root") }
    })
    await run(runtime.start(one))
    expect(await run(runtime.wait(one))).toBe(0)
    expect(JSON.parse(fs.readFileSync(path.join(folder, "runtime", "home", "said"), "utf8"))).toEqual([
      65_534,
      65_534,
      "EACCES",
      "EACCES",
      "EACCES",
      "EACCES",
      "own key worked"
    ])
  })
})

describe("a Java package", () => {
  /** A build tool of the test's own on the search path: what matters is what the runtime makes of its outcome. */
  const tools = (script: string) => {
    const bin = path.join(folder, "bin")
    fs.mkdirSync(bin)
    fs.writeFileSync(path.join(bin, "mvn"), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    fs.writeFileSync(path.join(bin, "java"), '#!/bin/sh\necho "$@" > "$HOME/said"\nexit 4\n', { mode: 0o755 })
    return { environment: { PATH: `${bin}:${process.env.PATH}` } }
  }
  const pom = request(tarGzOf([file("src/pom.xml", "<project/>"), file("src/src/main/A.java", "")]), { type: "JAVA" })

  it("is built by its own tool and run as one archive", async () => {
    const runtime = await start(tools("mkdir target && touch target/cc-1.0.jar"))
    await run(runtime.start(pom))
    expect(await run(runtime.wait(pom))).toBe(4)
    expect(fs.readFileSync(path.join(folder, "runtime", "home", "said"), "utf8")).toMatch(
      /^-jar \/.*\/builds\/[^/]+\/chaincode\.jar --peerAddress 127\.0\.0\.1:7052\n$/
    )
  })

  it("says what went wrong", async () => {
    const runtime = await start(tools("echo compilation failed; exit 1"))
    expect(await reason(runtime.start(pom))).toBe('"mvn -B -q package -DskipTests" ended with 1: compilation failed')
    const nothing = request(tarGzOf([file("src/src/main/A.java", "")]), { type: "JAVA" })
    expect(await reason(runtime.start(nothing))).toBe("Not build.gradle nor pom.xml found in chaincode source")
  })

  it.skipIf(process.getuid?.() !== 0)("is built with a home for a user who has none", async () => {
    const said = '"$@" "$GRADLE_USER_HOME" "$HOME"'
    const runtime = await start({
      ...tools(`echo ${said} > args; mkdir target; cp args target/cc-1.0.jar`),
      uid: 65_534
    })
    const home = path.join(folder, "runtime", "home")
    await run(runtime.start(pom))
    const builds = path.join(folder, "runtime", "builds")
    const [built = ""] = fs.readdirSync(builds)
    expect(fs.readFileSync(path.join(builds, built, "chaincode.jar"), "utf8").trim()).toBe(
      `-B -q package -DskipTests -Duser.home=${home} ${home}/.gradle ${home}`
    )
  })

  it("must leave one archive", async () => {
    const runtime = await start(tools("mkdir target && touch target/a.jar target/b.jar"))
    expect(await reason(runtime.start(pom))).toBe("the build must leave chaincode.jar in target, found [a.jar b.jar]")
  })
})
