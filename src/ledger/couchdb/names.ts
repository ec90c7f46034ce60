/**
 * Names of CouchDB databases: one per namespace of a channel, and one for the channel's own records. Pure.
 * Source: ledger-privatedata.md rule 98; ledger/util/couchdb/couchdbutil.go.
 */
import { sha256, toHex, utf8 } from "../../wire/protoutil.js"
import { CouchFailed } from "./errors.js"

const MAX_LENGTH = 238
/** What is left of each part of a name that is too long. */
const PART = 50

const hashed = (name: string): string => `(${toHex(sha256(utf8(name)))})`

/** `<channel>_`: savepoint and channel configuration. */
export const metadataDatabase = (channel: string): string => valid(metadataName(channel))

const metadataName = (channel: string): string =>
  `${channel.length > MAX_LENGTH ? channel.slice(0, PART) + hashed(channel) : channel}_`

/** `<channel>_<namespace>`, upper case as `$` and the lower-case letter. @throws CouchFailed when CouchDB cannot have it */
export const namespaceDatabase = (channel: string, namespace: string): string => {
  const escaped = namespace.replace(/[A-Z]/g, (letter) => `$${letter}`).toLowerCase()
  const name = `${channel}_${escaped}`
  if (name.length <= MAX_LENGTH) return valid(name)
  const [chaincode = "", collection, ...more] = escaped.split("$$")
  const rest = collection === undefined || more.length > 0 ? "" : `$$${collection.slice(0, PART)}`
  return valid(`${channel.slice(0, PART)}_${chaincode.slice(0, PART)}${rest}${hashed(`${channel}_${namespace}`)}`)
}

/** Names are those that Fabric allows: dots alone are not CouchDB's. */
const valid = (name: string): string => {
  if (name.length > MAX_LENGTH)
    throw new CouchFailed({ reason: `database name is illegal, cannot be longer than ${MAX_LENGTH}` })
  if (!/^[a-z][a-z0-9.$_()+-]*$/.test(name))
    throw new CouchFailed({ reason: `databaseName '${name}' does not match pattern '[a-z][a-z0-9.$_()+-]*'` })
  return name.replaceAll(".", "$")
}

/** Namespaces of what a collection holds in clear, and of its hashes. */
export const privateNamespace = (namespace: string, collection: string): string => `${namespace}$$p${collection}`
export const hashedNamespace = (namespace: string, collection: string): string => `${namespace}$$h${collection}`
