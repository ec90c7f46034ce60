/** A way to a CouchDB that can be made bad: each request is passed on, or dealt with as the test says. */
import * as http from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isReal, type TestServer } from "./server.js"

export interface Passing {
  readonly method: string
  /** With the query, as it came. */
  readonly path: string
}

/** What becomes of a request. `lost`: done, but the answer never comes; `cut`: half of the answer, then nothing. */
export type Fate =
  | { readonly _tag: "passed" }
  | { readonly _tag: "answered"; readonly status: number; readonly body: string }
  | { readonly _tag: "late"; readonly milliseconds: number }
  | { readonly _tag: "refused" }
  | { readonly _tag: "lost" }
  | { readonly _tag: "cut" }

export const passed: Fate = { _tag: "passed" }
export const answered = (status: number, body: string): Fate => ({ _tag: "answered", status, body })
export const refused: Fate = { _tag: "refused" }
export const lost: Fate = { _tag: "lost" }
export const cut: Fate = { _tag: "cut" }
export const late = (milliseconds: number): Fate => ({ _tag: "late", milliseconds })

export interface Proxy {
  /** As the server, but through here. */
  readonly server: TestServer
  /** Asked for each request from now on. */
  readonly decide: (fate: (passing: Passing) => Fate) => void
}

const bodyOf = async (stream: AsyncIterable<Buffer>): Promise<Buffer> => {
  const parts: Array<Buffer> = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}

const forward = (to: URL, request: http.IncomingMessage, body: Buffer): Promise<readonly [number, Buffer, string]> =>
  new Promise((resolve, reject) => {
    const { authorization, ...others } = request.headers
    // express-pouchdb refuses users that it does not know, and knows none
    const headers = isReal && authorization !== undefined ? { ...others, authorization } : others
    const onward = http.request(
      { host: to.hostname, port: to.port, method: request.method, path: request.url, headers },
      (answer) => {
        bodyOf(answer).then(
          (bytes) => resolve([answer.statusCode ?? 0, bytes, answer.headers["content-type"] ?? "application/json"]),
          reject
        )
      }
    )
    onward.on("error", reject)
    onward.end(body)
  })

export const proxyTo = (server: TestServer): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const to = new URL(server.url)
    let decide: (passing: Passing) => Fate = () => passed
    const handle = async (request: http.IncomingMessage, response: http.ServerResponse): Promise<void> => {
      const body = await bodyOf(request)
      const fate = decide({ method: request.method ?? "", path: request.url ?? "" })
      if (fate._tag === "refused") return void request.socket.destroy()
      if (fate._tag === "answered")
        return void response.writeHead(fate.status, { "content-type": "application/json" }).end(fate.body)
      const [status, bytes, type] = await forward(to, request, body)
      if (fate._tag === "lost") return void request.socket.destroy()
      if (fate._tag === "late") await new Promise((resolve) => setTimeout(resolve, fate.milliseconds))
      response.writeHead(status, { "content-type": type, "content-length": bytes.length })
      if (fate._tag === "cut")
        return void response.write(bytes.subarray(0, bytes.length >> 1), () => request.socket.destroy())
      response.end(request.method === "HEAD" ? undefined : bytes)
    }
    const listening = yield* Effect.acquireRelease(
      Effect.promise(
        () =>
          new Promise<http.Server>((resolve) => {
            const made = http.createServer((request, response) => {
              handle(request, response).catch(() => request.socket.destroy())
            })
            made.listen(0, "127.0.0.1", () => resolve(made))
          })
      ),
      (made) =>
        Effect.promise(
          () =>
            new Promise<void>((resolve) => {
              made.closeAllConnections()
              made.close(() => resolve())
            })
        )
    )
    const address = listening.address()
    if (address === null || typeof address === "string") throw new Error("no port")
    const couchDBAddress = `127.0.0.1:${address.port}`
    return {
      server: { ...server, settings: { ...server.settings, couchDBAddress } },
      decide: (fate) => {
        decide = fate
      }
    }
  })
