/**
 * A server with CouchDB's API for tests: the one that COUCHDB_URL names, else express-pouchdb in memory. The latter has
 * no bookmarks and compares strings by code units: tests that need more say that they were left out.
 */
import type { Server } from "node:http"
import { createRequire } from "node:module"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CouchInstance, type CouchSettings } from "../../../src/ledger/couchdb/index.js"
import { disabled, type MetricsShape } from "../../../src/runtime/Metrics.js"

export const isReal = process.env.COUCHDB_URL !== undefined
export const which = isReal ? `CouchDB at ${process.env.COUCHDB_URL}` : "express-pouchdb"

interface Pouch {
  readonly plugin: (plugin: unknown) => Pouch
  readonly defaults: (options: object) => Pouch
}
type App = { readonly listen: (port: number, host: string, ready: () => void) => Server }
const require = createRequire(import.meta.url)

/** PouchDB takes its parts once. */
const assembled = (() => {
  let pouch: Pouch | undefined
  return (): Pouch => {
    const core: Pouch = require("pouchdb-core")
    pouch ??= ["adapter-memory", "mapreduce", "find", "replication"].reduce(
      (made, name) => made.plugin(require(`pouchdb-${name}`)),
      core
    )
    return pouch
  }
})()

const startPouch = (): Promise<Server> => {
  const make: (pouch: Pouch, options: object) => App = require("express-pouchdb")
  // every server a store of its own
  const prefix = `${Date.now()}-${Math.random()}-`
  const logPath = path.join(os.tmpdir(), `express-pouchdb-${process.pid}.log`)
  const app = make(assembled().defaults({ adapter: "memory", prefix }), { inMemoryConfig: true, logPath })
  return new Promise((resolve) => {
    const server: Server = app.listen(0, "127.0.0.1", () => resolve(server))
  })
}

export interface TestServer {
  readonly url: string
  readonly settings: CouchSettings
  /** As a client of its own: method, path, body; gives the parsed answer. */
  readonly ask: (method: string, path: string, body?: unknown) => Promise<unknown>
  /** Nobody answers any more. */
  readonly stop: () => Promise<void>
}

const serverAt = (url: URL, stop: () => Promise<void>): TestServer => {
  const username = decodeURIComponent(url.username)
  const password = decodeURIComponent(url.password)
  return {
    url: url.href,
    stop,
    settings: {
      couchDBAddress: url.host,
      username,
      password,
      maxRetries: 1,
      maxRetriesOnStartup: 1,
      requestTimeout: 30_000,
      internalQueryLimit: 1000,
      maxBatchUpdateSize: 3,
      autoWarmIndexes: true,
      warmIndexesAfterNBlocks: 1,
      createGlobalChangesDB: false
    },
    ask: async (method, path, body) => {
      const answer = await fetch(`${url.origin}/${path}`, {
        method,
        headers: {
          "content-type": "application/json",
          // attachments inside the document: CouchDB sends parts otherwise
          accept: "application/json",
          ...(username === ""
            ? {}
            : { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` })
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      return answer.json()
    }
  }
}

/** Databases of the channel `ch`, gone. */
const wipe = async (server: TestServer): Promise<void> => {
  const all = await server.ask("GET", "_all_dbs")
  for (const name of Array.isArray(all) ? all : [])
    if (String(name).startsWith("ch_")) await server.ask("DELETE", encodeURIComponent(String(name)))
}

const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.closeAllConnections()
    server.close(() => resolve())
  })

/** An empty server for the scope. */
export const testServer: Effect.Effect<TestServer, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(async () => {
    const given = process.env.COUCHDB_URL
    if (given !== undefined) {
      const server = serverAt(new URL(given), async () => {})
      await wipe(server)
      return server
    }
    const server = await startPouch()
    const address = server.address()
    if (address === null || typeof address === "string") throw new Error("no port")
    return serverAt(new URL(`http://127.0.0.1:${address.port}`), () => close(server))
  }),
  (server) => Effect.promise(async () => (isReal ? wipe(server) : server.stop()))
)

export const connect = (server: TestServer, settings: Partial<CouchSettings> = {}, metrics: MetricsShape = disabled) =>
  CouchInstance.make({ ...server.settings, ...settings }, metrics)
