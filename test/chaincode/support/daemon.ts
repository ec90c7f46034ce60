/**
 * The machine's Docker daemon for tests: `DOCKER_HOST` when it names a socket, or a TCP address whose TLS files are in
 * `DOCKER_CERT_PATH` (`ca.pem`, `cert.pem`, `key.pem`, as for Docker's own client), Docker's own socket otherwise. Nothing is pulled:
 * the one image that builder and runtime need is made of this machine's node, npm, shell and the repository's shim.
 */
import { execFileSync, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import * as os from "node:os"
import * as path from "node:path"
import type { DaemonSettings } from "../../../src/chaincode/runtimes/docker/DockerClient.js"
import { repository } from "./TestPeer.js"

const given = process.env.DOCKER_HOST ?? ""
const certificates = process.env.DOCKER_CERT_PATH ?? ""
const remote = given.startsWith("tcp://") && certificates !== "" ? new URL(given.replace(/^tcp/, "https")) : undefined
const socketPath = given.startsWith("unix://") ? given.slice("unix://".length) : "/var/run/docker.sock"
const pem = (name: string): string => path.join(certificates, `${name}.pem`)

/** For `vm.endpoint` and `vm.docker.tls`. */
export const daemon: DaemonSettings =
  remote === undefined
    ? { endpoint: `unix://${socketPath}`, tls: undefined }
    : { endpoint: remote.origin, tls: { ca: pem("ca"), cert: pem("cert"), key: pem("key") } }

/** The same as the peer's variables. */
export const daemonEnvironment: Readonly<Record<string, string>> = {
  CORE_VM_ENDPOINT: daemon.endpoint,
  ...(daemon.tls === undefined
    ? {}
    : {
        CORE_VM_DOCKER_TLS_ENABLED: "true",
        CORE_VM_DOCKER_TLS_CA_FILE: daemon.tls.ca,
        CORE_VM_DOCKER_TLS_CERT_FILE: daemon.tls.cert,
        CORE_VM_DOCKER_TLS_KEY_FILE: daemon.tls.key
      })
}

/** Where requests beside the code under test go. */
const target = (): https.RequestOptions => {
  const { tls } = daemon
  if (remote === undefined || tls === undefined) return { socketPath }
  const [ca, cert, key] = [tls.ca, tls.cert, tls.key].map((file) => fs.readFileSync(file))
  return { host: remote.hostname, port: remote.port, ca, cert, key }
}

interface Answer {
  readonly status: number
  readonly body: string
}

/** A request of the daemon, beside the code under test. */
export const askDaemon = (method: string, place: string, body?: NodeJS.ReadableStream): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "Content-Type": "application/x-tar" }
    const client = remote === undefined ? http : https
    const asked = client.request({ ...target(), method, path: place, headers }, (response) => {
      let text = ""
      response.on("data", (bytes: Buffer) => {
        text += bytes.toString()
      })
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }))
    })
    asked.on("error", reject)
    if (body === undefined) asked.end()
    else body.pipe(asked)
  })

/** Whether a daemon answers; tests skip with one line where none does. */
export const daemonAnswers = (): Promise<boolean> =>
  askDaemon("GET", "/_ping").then(
    ({ status }) => status === 200,
    () => false
  )

const which = (name: string): string => fs.realpathSync(execFileSync("which", [name]).toString().trim())

/** Packages below node_modules that a package needs at run time, itself included. */
const closureOf = (name: string, modules: string, found = new Set<string>()): ReadonlySet<string> => {
  if (found.has(name) || !fs.existsSync(path.join(modules, name, "package.json"))) return found
  found.add(name)
  const { dependencies = {} }: { dependencies?: Readonly<Record<string, string>> } = JSON.parse(
    fs.readFileSync(path.join(modules, name, "package.json"), "utf8")
  )
  for (const needed of Object.keys(dependencies)) closureOf(needed, modules, found)
  return found
}

/** Fills a folder with what an image needs so that `npm install` and `npm start` run in it. */
const stage = (folder: string): void => {
  const put = (from: string, to: string) => {
    fs.mkdirSync(path.dirname(path.join(folder, to)), { recursive: true })
    fs.cpSync(from, path.join(folder, to), { recursive: true, dereference: true })
  }
  const programs = [which("sh"), which("cp"), process.execPath]
  put(which("sh"), "/bin/sh")
  put(which("cp"), "/bin/cp")
  put(process.execPath, "/usr/local/bin/node")
  const libraries = programs.flatMap((program) => execFileSync("ldd", [program]).toString().match(/\/\S+/g) ?? [])
  for (const library of new Set(libraries)) put(library, library)
  const npm = path.dirname(path.dirname(which("npm")))
  put(npm, "/opt/npm")
  fs.writeFileSync(path.join(folder, "usr/local/bin/npm"), '#!/bin/sh\nexec node /opt/npm/bin/npm-cli.js "$@"\n', {
    mode: 0o755
  })
  const modules = path.join(repository, "node_modules")
  for (const name of closureOf("fabric-shim", modules)) put(path.join(modules, name), `/usr/local/node_modules/${name}`)
  for (const empty of ["tmp", "root", "etc", "chaincode/input", "chaincode/output", "usr/local/src"])
    fs.mkdirSync(path.join(folder, empty), { recursive: true })
}

/** Makes the image; its name is for `chaincode.builder` and `chaincode.node.runtime`. */
export const makeImage = async (): Promise<string> => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "fe-image-"))
  try {
    stage(folder)
    const image = `fabric-effect-test-base:${process.pid}`
    const [repo, tag] = image.split(":")
    const tar = spawn("tar", ["-C", folder, "-c", "."], { stdio: ["ignore", "pipe", "inherit"] })
    const { body, status } = await askDaemon("POST", `/images/create?fromSrc=-&repo=${repo}&tag=${tag}`, tar.stdout)
    if (status !== 200 || body.includes('"error"')) throw new Error(`the image could not be made: ${body}`)
    return image
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

const listed = async (place: string): Promise<ReadonlyArray<Readonly<Record<string, unknown>>>> =>
  JSON.parse((await askDaemon("GET", place)).body)

const texts = (value: unknown): ReadonlyArray<string> =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : []

/** Containers by name, `prefix` before it. */
export const containersOf = async (prefix: string): Promise<ReadonlyArray<string>> =>
  (await listed("/containers/json?all=1"))
    .flatMap(({ Names }) => texts(Names))
    .map((name) => name.replace(/^\//, ""))
    .filter((name) => name.startsWith(prefix))
    .sort()

/** Takes containers and images whose names begin so away: those of tests alone. */
export const removeAll = async (prefix: string): Promise<void> => {
  if (!prefix.startsWith("fabric-effect-test-")) throw new Error(`"${prefix}" is not of a test`)
  for (const name of await containersOf(prefix)) await askDaemon("DELETE", `/containers/${name}?force=1`)
  const tags = (await listed("/images/json")).flatMap(({ RepoTags }) => texts(RepoTags))
  for (const tag of tags.filter((one) => one.startsWith(prefix))) await askDaemon("DELETE", `/images/${tag}?force=1`)
}
