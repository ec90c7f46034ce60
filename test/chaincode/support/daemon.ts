/**
 * The machine's Docker daemon for tests: `DOCKER_HOST` when it names a socket, Docker's own otherwise. Nothing is pulled:
 * the one image that builder and runtime need is made of this machine's node, npm, shell and the repository's shim.
 */
import { execFileSync, spawn } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import * as os from "node:os"
import * as path from "node:path"
import { repository } from "./TestPeer.js"

const given = process.env.DOCKER_HOST ?? ""
const socketPath = given.startsWith("unix://") ? given.slice("unix://".length) : "/var/run/docker.sock"
/** For `vm.endpoint`. */
export const endpoint = `unix://${socketPath}`

interface Answer {
  readonly status: number
  readonly body: string
}

/** A request of the daemon, beside the code under test. */
export const askDaemon = (method: string, place: string, body?: NodeJS.ReadableStream): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "Content-Type": "application/x-tar" }
    const asked = http.request({ socketPath, method, path: place, headers }, (response) => {
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
