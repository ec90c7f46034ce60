/** What stands for a Docker daemon in unit tests of requests: it keeps what it is sent and answers what it is told to. */
import * as fs from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import * as os from "node:os"
import * as path from "node:path"

export interface Recorded {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly type: string | undefined
  readonly body: Buffer
}

export interface Answer {
  readonly status: number
  /** Objects are sent as JSON. */
  readonly body?: unknown
  /** The connection stays open until the daemon is closed. */
  readonly hang?: boolean
}

export type Behaviour = (request: Recorded) => Answer | undefined | Promise<Answer | undefined>

/** One frame of an attached container's output. */
export const frame = (stream: 1 | 2, text: string): Buffer => {
  const content = Buffer.from(text)
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(content.length, 4)
  return Buffer.concat([header, content])
}

export class FakeDaemon {
  /** How many connections were made. */
  connections = 0

  private constructor(
    readonly endpoint: string,
    readonly requests: ReadonlyArray<Recorded>,
    private readonly server: http.Server,
    private readonly folder: string
  ) {}

  /** `POST /containers/create` and the like, in the order in which they came. */
  get calls(): ReadonlyArray<string> {
    return this.requests.map(({ method, path: place }) => `${method} ${place}`)
  }

  static async open(behaviour: Behaviour, tls?: https.ServerOptions): Promise<FakeDaemon> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "docker-"))
    const socket = path.join(folder, "docker.sock")
    const requests: Array<Recorded> = []
    const handle: http.RequestListener = (request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const url = new URL(request.url ?? "", "http://daemon")
        const recorded: Recorded = {
          method: request.method ?? "",
          path: url.pathname,
          query: Object.fromEntries(url.searchParams),
          type: request.headers["content-type"],
          body: Buffer.concat(chunks)
        }
        requests.push(recorded)
        void Promise.resolve(behaviour(recorded)).then((answer) => {
          const {
            body,
            hang = false,
            status
          } = answer ?? { status: 404, body: { message: `no route ${recorded.path}` } }
          const bytes = body === undefined ? "" : Buffer.isBuffer(body) ? body : JSON.stringify(body)
          response.writeHead(status, Buffer.isBuffer(body) ? {} : { "Content-Type": "application/json" })
          if (hang) response.write(bytes)
          else response.end(bytes)
        })
      })
    }
    const server = tls === undefined ? http.createServer(handle) : https.createServer(tls, handle)
    await new Promise<void>((resolve) =>
      tls === undefined ? server.listen(socket, resolve) : server.listen(0, "127.0.0.1", resolve)
    )
    const bound = server.address()
    const endpoint = typeof bound === "object" && bound !== null ? `tcp://127.0.0.1:${bound.port}` : `unix://${socket}`
    const made = new FakeDaemon(endpoint, requests, server, folder)
    server.on(tls === undefined ? "connection" : "secureConnection", () => {
      made.connections++
    })
    return made
  }

  async close(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
    fs.rmSync(this.folder, { recursive: true, force: true })
  }
}
