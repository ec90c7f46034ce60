/** A snapshot over maps, for unit tests of simulators. */
import type { VersionedValue } from "../../../src/ledger/mvcc/index.js"
import { hashId } from "../../../src/ledger/mvcc/index.js"
import type { StateEntry, StateSnapshot } from "../../../src/ledger/simulator/index.js"
import { compareUtf8, sha256, utf8 } from "../../../src/wire/protoutil.js"

export const version = (blockNum: number, txNum: number) => ({ blockNum: BigInt(blockNum), txNum: BigInt(txNum) })

const inRange = (map: ReadonlyMap<string, VersionedValue>, start: string, end: string): Array<StateEntry> =>
  [...map]
    .filter(([key]) => compareUtf8(key, start) >= 0 && (end === "" || compareUtf8(key, end) < 0))
    .sort(([a], [b]) => compareUtf8(a, b))
    .map(([key, held]) => ({ key, held }))

export class FakeSnapshot implements StateSnapshot {
  readonly public = new Map<string, Map<string, VersionedValue>>()
  readonly private = new Map<string, Map<string, VersionedValue>>()
  readonly hashed = new Map<string, VersionedValue>()
  readonly richQueries = undefined
  released = 0

  put(namespace: string, key: string, value: string | Uint8Array, at: VersionedValue["version"]): this {
    const map = this.public.get(namespace) ?? new Map<string, VersionedValue>()
    map.set(key, { value: typeof value === "string" ? utf8(value) : value, metadata: undefined, version: at })
    this.public.set(namespace, map)
    return this
  }
  putPrivate(namespace: string, collection: string, key: string, value: string, at: VersionedValue["version"]): this {
    const id = `${namespace}/${collection}`
    const map = this.private.get(id) ?? new Map<string, VersionedValue>()
    map.set(key, { value: utf8(value), metadata: undefined, version: at })
    this.private.set(id, map)
    this.putHash(namespace, collection, key, value, at)
    return this
  }
  putHash(namespace: string, collection: string, key: string, value: string, at: VersionedValue["version"]): this {
    this.hashed.set(`${namespace}/${collection}/${hashId(sha256(utf8(key)))}`, {
      value: sha256(utf8(value)),
      metadata: undefined,
      version: at
    })
    return this
  }

  get(namespace: string, key: string) {
    return this.public.get(namespace)?.get(key)
  }
  version(namespace: string, key: string) {
    return this.get(namespace, key)?.version
  }
  range(namespace: string, start: string, end: string) {
    return inRange(this.public.get(namespace) ?? new Map(), start, end).map(
      ({ held, key }) => [key, held.version] as const
    )
  }
  entries(namespace: string, start: string, end: string) {
    return inRange(this.public.get(namespace) ?? new Map(), start, end).values()
  }
  privateEntries(namespace: string, collection: string, start: string, end: string) {
    return inRange(this.private.get(`${namespace}/${collection}`) ?? new Map(), start, end).values()
  }
  getHashed(namespace: string, collection: string, keyHash: Uint8Array) {
    return this.hashed.get(`${namespace}/${collection}/${hashId(keyHash)}`)
  }
  hashedVersion(namespace: string, collection: string, keyHash: Uint8Array) {
    return this.getHashed(namespace, collection, keyHash)?.version
  }
  getPrivate(namespace: string, collection: string, key: string) {
    return this.private.get(`${namespace}/${collection}`)?.get(key)
  }
  keyValueFault() {
    return undefined
  }
  lastBookmark() {
    return ""
  }
  release() {
    this.released += 1
  }
}
