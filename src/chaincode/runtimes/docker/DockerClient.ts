/**
 * The requests that the peer makes of a Docker daemon, as effects over dockerode. A client is made for each piece of work,
 * so that new TLS files are taken up; dockerode itself is loaded with the first one.
 * Source: chaincode.md R14, R100; core/container/util/dockerutil.go.
 */
import * as fs from "node:fs/promises"
import * as http from "node:http"
import * as https from "node:https"
import * as net from "node:net"
import { Readable } from "node:stream"
import type Docker from "dockerode"
import * as Effect from "effect/Effect"
import { textOf } from "../../../runtime/Stage.js"
import { Lines } from "../lines.js"
import { dockerAddress } from "./endpoint.js"
import { ClientInvalid, DockerFailed } from "./errors.js"
import type { JsonObject } from "./hostConfig.js"
import { progressLine } from "./output.js"

export interface DaemonSettings {
  /** `vm.endpoint`. */
  readonly endpoint: string
  /** `vm.docker.tls`, paths of PEM files; undefined without TLS. A file that is not there is done without. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | undefined
}

type Ask<A> = Effect.Effect<A, DockerFailed>

export interface DockerClient {
  readonly ping: Ask<void>
  /** Gives the container's id. Fails with status 404 when there is no such image, with 409 when the name is taken. */
  readonly createContainer: (name: string | undefined, body: JsonObject) => Ask<string>
  /** Unpacks a tar (gzip or plain) in a container. */
  readonly upload: (container: string, path: string, archive: Uint8Array) => Ask<void>
  /** A tar of what lies in a container. */
  readonly download: (container: string, path: string) => Ask<Uint8Array>
  readonly start: (container: string) => Ask<void>
  /** Output from the beginning; framed, see output.ts. Ends with the container. */
  readonly attach: (container: string) => Ask<Readable>
  /** The exit code, once it has ended. */
  readonly wait: (container: string) => Ask<number>
  /** Ends it at once. */
  readonly stop: (container: string) => Ask<void>
  readonly kill: (container: string) => Ask<void>
  readonly remove: (container: string, force: boolean) => Ask<void>
  readonly hasImage: (image: string) => Ask<boolean>
  readonly pull: (image: string, line: (text: string) => void) => Ask<void>
  /** Builds and names an image; `line` gets what the build prints. */
  readonly build: (
    image: string,
    context: Uint8Array,
    options: { readonly pull: boolean; readonly networkMode: string },
    line: (text: string) => void
  ) => Ask<void>
}

/** What a container may leave behind as its build's result. */
const MAX_DOWNLOAD = 2 ** 31 - 1

/** A request of the reference's client, whose name and address stand in the text of a failed connection. */
interface Asked {
  readonly method: "Get" | "Post" | "Delete"
  readonly path: string
}

const systemReason = (error: unknown, asked: Asked | undefined): string | undefined => {
  if (!(error instanceof Error) || !("code" in error)) return undefined
  const where = "address" in error && typeof error.address === "string" ? error.address : ""
  const what = asked === undefined ? "" : `${asked.method} "http://unix.sock${asked.path}": `
  switch (error.code) {
    case "ECONNREFUSED":
      return "cannot connect to Docker endpoint"
    case "ENOENT":
      return `${what}dial unix ${where}: connect: no such file or directory`
    case "EACCES":
      return `${what}dial unix ${where}: connect: permission denied`
    default:
      return undefined
  }
}

const messageOf = (json: unknown): string | undefined =>
  typeof json === "object" && json !== null && "message" in json && typeof json.message === "string"
    ? json.message
    : undefined

/** Texts for statuses, where the reference's client has its own. */
type Words = Readonly<Record<number, string>>

/** A failure of dockerode in the words of the reference's client. */
const failureOf = (error: unknown, asked?: Asked, words: Words = {}): DockerFailed => {
  if (error instanceof DockerFailed) return error
  const text = textOf(error)
  if (error instanceof Error && "statusCode" in error && typeof error.statusCode === "number") {
    const status = error.statusCode
    const said = "json" in error ? error.json : undefined
    const raw = Buffer.isBuffer(said) ? said.toString("utf8") : undefined
    // streamed answers leave their body in the text alone
    const streamed = /^\(HTTP code \d+\) .*? - ([\s\S]*) $/.exec(text)?.[1]
    return new DockerFailed({
      reason: words[status] ?? `API error (${status}): ${messageOf(said) ?? raw ?? streamed ?? text}`,
      status
    })
  }
  return new DockerFailed({ reason: systemReason(error, asked) ?? text, status: undefined })
}

const ask = <A>(request: (signal: AbortSignal) => Promise<A>, asked?: Asked, words?: Words): Ask<A> =>
  Effect.tryPromise({ try: request, catch: (error) => failureOf(error, asked, words) })

const absent = (container: string): Words => ({ 404: `No such container: ${container}` })
const idle = (container: string): Words => {
  const text = `Container not running: ${container}`
  return { ...absent(container), 304: text, 409: text }
}

/** Reads a stream to its end. Destroyed on interruption. */
const consume = (stream: NodeJS.ReadableStream, chunk: (bytes: Buffer) => void, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const source = stream instanceof Readable ? stream : Readable.from(stream)
    const abort = () => source.destroy(new Error("interrupted"))
    signal.addEventListener("abort", abort, { once: true })
    source.on("data", (bytes: Buffer) => {
      try {
        chunk(bytes)
      } catch (error) {
        source.destroy(error instanceof Error ? error : new Error(String(error)))
      }
    })
    source.once("error", reject)
    source.once("end", resolve)
    source.once("close", () => reject(new Error("the daemon ended its answer early")))
  })

/** A progress stream to its end; its error is the request's. */
const progress = async (
  stream: NodeJS.ReadableStream,
  line: (text: string) => void,
  signal: AbortSignal
): Promise<void> => {
  let failure: string | undefined
  const lines = new Lines((text) => {
    if (text.trim() === "") return
    const { error, text: shown } = progressLine(text)
    failure ??= error
    line(shown)
  }, 1024 * 1024)
  await consume(stream, (bytes) => lines.add(bytes.toString("utf8")), signal)
  lines.end()
  if (failure !== undefined) throw new DockerFailed({ reason: failure, status: undefined })
}

const idOf = (answer: { readonly id: string }): string => answer.id

const exitCode = (answer: unknown): number => {
  if (typeof answer === "object" && answer !== null && "StatusCode" in answer && typeof answer.StatusCode === "number")
    return answer.StatusCode
  throw new DockerFailed({ reason: "the daemon gave no exit code", status: undefined })
}

const NAME_TAKEN = "container already exists"

const clientOf = (docker: Docker): DockerClient => ({
  ping: ask(
    async () => {
      await docker.ping()
    },
    { method: "Get", path: "/_ping" }
  ),
  createContainer: (name, body) =>
    ask(
      async (abortSignal) => {
        const options: Docker.ContainerCreateOptions & { readonly _query: object; readonly _body: object } = {
          _query: name === undefined ? {} : { name },
          _body: body,
          abortSignal
        }
        return idOf(await docker.createContainer(options))
      },
      { method: "Post", path: `/containers/create?${name === undefined ? "" : `name=${encodeURIComponent(name)}`}` },
      { 404: "no such image", 409: NAME_TAKEN }
    ),
  upload: (container, path, archive) =>
    ask(async (abortSignal) => {
      await docker.getContainer(container).putArchive(Buffer.from(archive), { path, abortSignal })
    }),
  download: (container, path) =>
    ask(async (abortSignal) => {
      const stream = await docker.getContainer(container).getArchive({ path, abortSignal })
      const chunks: Array<Buffer> = []
      let size = 0
      const keep = (bytes: Buffer) => {
        size += bytes.length
        if (size > MAX_DOWNLOAD) throw new DockerFailed({ reason: "the result is too large", status: undefined })
        chunks.push(bytes)
      }
      await consume(stream, keep, abortSignal)
      return Buffer.concat(chunks)
    }),
  start: (container) =>
    ask(
      async (abortSignal) => {
        await docker.getContainer(container).start({ abortSignal })
      },
      { method: "Post", path: `/containers/${container}/start` },
      { 304: `Container already running: ${container}` }
    ),
  attach: (container) =>
    ask(async (abortSignal) => {
      const stream = await docker
        .getContainer(container)
        .attach({ logs: true, stream: true, stdout: true, stderr: true, abortSignal })
      return stream instanceof Readable ? stream : Readable.from(stream)
    }),
  wait: (container) =>
    ask(
      async (abortSignal) => {
        const answer: unknown = await docker.getContainer(container).wait({ abortSignal })
        return exitCode(answer)
      },
      { method: "Post", path: `/containers/${container}/wait` },
      absent(container)
    ),
  stop: (container) =>
    ask(
      async (abortSignal) => {
        await docker.getContainer(container).stop({ t: 0, abortSignal })
      },
      { method: "Post", path: `/containers/${container}/stop?t=0` },
      idle(container)
    ),
  kill: (container) =>
    ask(
      async () => {
        await docker.getContainer(container).kill()
      },
      { method: "Post", path: `/containers/${container}/kill?` },
      idle(container)
    ),
  remove: (container, force) =>
    ask(
      async () => {
        await docker.getContainer(container).remove(force ? { force } : {})
      },
      { method: "Delete", path: `/containers/${container}?${force ? "force=1" : ""}` },
      absent(container)
    ),
  hasImage: (image) =>
    ask(() => docker.getImage(image).inspect(), { method: "Get", path: `/images/${image}/json` }).pipe(
      Effect.as(true),
      Effect.catchIf(
        (error) => error.status === 404,
        () => Effect.succeed(false)
      )
    ),
  pull: (image, line) =>
    ask(async (abortSignal) => {
      const [fromImage = image, digest] = image.split("@")
      const options = { fromImage, ...(digest === undefined ? {} : { tag: digest }), abortSignal }
      await progress(await docker.createImage(options), line, abortSignal)
    }),
  build: (image, context, { networkMode, pull }, line) =>
    ask(async (abortSignal) => {
      const options = { t: image, networkmode: networkMode, ...(pull ? { pull } : {}), abortSignal }
      await progress(await docker.buildImage(Readable.from([Buffer.from(context)]), options), line, abortSignal)
    })
})

const optional = async (file: string): Promise<Buffer | undefined> => {
  if (file === "") return undefined
  try {
    return await fs.readFile(file)
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined
    throw error
  }
}

/** A client for the daemon as it is configured and as the TLS files are now. */
export const dockerClient = ({ endpoint, tls }: DaemonSettings): Effect.Effect<DockerClient, ClientInvalid> =>
  Effect.tryPromise({
    try: async () => {
      const address = dockerAddress(endpoint, tls !== undefined)
      if (address === undefined) throw new Error("invalid endpoint")
      const { default: Dockerode } = await import("dockerode")
      const secure = "protocol" in address && address.protocol === "https"
      // a connection for each request, as the reference's client has it: a kept one may be closed just as it is used
      const agent = secure ? new https.Agent({ keepAlive: false }) : new http.Agent({ keepAlive: false })
      const [ca, cert, key] =
        secure && tls !== undefined ? await Promise.all([optional(tls.ca), optional(tls.cert), optional(tls.key)]) : []
      // every option is given, for the library takes what is missing from the environment of the process
      const options: Docker.DockerOptions & { readonly agent: http.Agent } = {
        socketPath: "socketPath" in address ? address.socketPath : undefined,
        host: "host" in address ? (net.isIPv6(address.host) ? `[${address.host}]` : address.host) : undefined,
        port: "port" in address ? address.port : undefined,
        protocol: "protocol" in address ? address.protocol : "http",
        username: undefined,
        timeout: undefined,
        agent,
        ca,
        cert,
        key
      }
      return clientOf(new Dockerode(options))
    },
    catch: (error) => new ClientInvalid({ reason: textOf(error) })
  })
