/**
 * The peers' state database as `--state-database` names it: `goleveldb` (the built-in one, as Fabric's default answers),
 * `embedded` (the built-in one, which also answers rich queries), or `couchdb=host:port`, one server a peer. Pure.
 */
import type { Environment } from "./environment.js"

interface CouchServer {
  readonly address: string
  readonly username: string
  readonly password: string
}

/** `user:password@host:port`; undefined when it is none. */
const serverOf = (text: string): CouchServer | undefined => {
  const found = /^(?:([^:@\s]+):([^@\s]+)@)?([^:@/\s]+:\d{1,5})$/.exec(text)
  const address = found?.[3]
  return address === undefined ? undefined : { address, username: found?.[1] ?? "", password: found?.[2] ?? "" }
}

const serversOf = (text: string): ReadonlyArray<CouchServer | undefined> =>
  text.slice("couchdb=".length).split(",").map(serverOf)

/** Why the text names no state database for so many peers; undefined when it does. */
export const stateDatabaseFault = (text: string, peers: number): string | undefined => {
  if (text === "goleveldb" || text === "embedded") return undefined
  if (!text.startsWith("couchdb=")) return `'${text}' is no state database`
  const servers = serversOf(text)
  if (servers.includes(undefined)) return `'${text}' does not name servers as host:port`
  // peers would write each other's documents
  const addresses = new Set(servers.map((server) => server?.address))
  if (addresses.size !== servers.length || servers.length !== peers)
    return `${peers} peer${peers === 1 ? " needs a CouchDB of its own" : "s need a CouchDB each"}`
  return undefined
}

/** What a peer is told of its state database. In: the peer's place among all peers. */
export const stateDatabaseEnvironment = (text: string | undefined, peer: number): Environment => {
  if (text === "embedded") return { CORE_LEDGER_STATE_EMBEDDEDRICHQUERIES: "true" }
  const server = text?.startsWith("couchdb=") === true ? serversOf(text)[peer] : undefined
  return server === undefined
    ? {}
    : {
        CORE_LEDGER_STATE_STATEDATABASE: "CouchDB",
        CORE_LEDGER_STATE_COUCHDBCONFIG_COUCHDBADDRESS: server.address,
        CORE_LEDGER_STATE_COUCHDBCONFIG_USERNAME: server.username,
        CORE_LEDGER_STATE_COUCHDBCONFIG_PASSWORD: server.password
      }
}
