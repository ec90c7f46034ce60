/**
 * The updates of a block so far: what its valid transactions have written, on top of committed state. Plain maps; the
 * commit reads them out in byte order.
 * Source: ledger-privatedata.md 3.B (16-21), 4.3.
 */
import { compareUtf8 } from "../../wire/protoutil.js"
import type { Version } from "../rwset/index.js"

/** A value as state holds it; `value` undefined marks a delete. */
export interface VersionedValue {
  readonly value: Uint8Array | undefined
  /** Serialized metadata entries (`kvrwset.KVMetadataWrite` without key); undefined when there is none. */
  readonly metadata: Uint8Array | undefined
  readonly version: Version
}

/** Key hashes as map keys: one character a byte, so that they sort as bytes. */
export const hashId = (hash: Uint8Array): string =>
  Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString("latin1")
export const hashOfId = (id: string): Uint8Array => Buffer.from(id, "latin1")

/** Updates of one namespace, or of one collection of it. */
export class Updates {
  private readonly byKey = new Map<string, VersionedValue>()
  private order: Array<string> | undefined

  get size(): number {
    return this.byKey.size
  }
  get(key: string): VersionedValue | undefined {
    return this.byKey.get(key)
  }
  has(key: string): boolean {
    return this.byKey.has(key)
  }
  set(key: string, value: VersionedValue): void {
    if (this.order !== undefined && !this.byKey.has(key)) this.order.splice(this.position(key), 0, key)
    this.byKey.set(key, value)
  }
  /** Keys in byte order. */
  keys(): ReadonlyArray<string> {
    if (this.order === undefined) this.order = [...this.byKey.keys()].sort(compareUtf8)
    return this.order
  }
  /** Keys from `start` (inclusive) to `end` (exclusive; empty means no end), in byte order. */
  *range(start: string, end: string): Generator<readonly [string, VersionedValue]> {
    const keys = this.keys()
    for (let i = this.position(start); i < keys.length; i++) {
      const key = keys[i]
      if (key === undefined || (end !== "" && compareUtf8(key, end) >= 0)) return
      const value = this.byKey.get(key)
      if (value !== undefined) yield [key, value]
    }
  }

  /** Index of the first key that is not below `key`. */
  private position(key: string): number {
    const keys = this.keys()
    let low = 0
    let high = keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareUtf8(keys[middle] ?? "", key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

const child = <V>(map: Map<string, V>, key: string, make: () => V): V => {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}

export class UpdateBatch {
  /** Public keys by namespace. */
  readonly public = new Map<string, Updates>()
  /** Key hashes ({@link hashId}) by namespace and collection; values are value hashes. */
  readonly hashed = new Map<string, Map<string, Updates>>()
  /** Private keys in clear by namespace and collection. */
  readonly private = new Map<string, Map<string, Updates>>()

  publicOf(namespace: string): Updates {
    return child(this.public, namespace, () => new Updates())
  }
  hashedOf(namespace: string, collection: string): Updates {
    return child(
      child(this.hashed, namespace, () => new Map<string, Updates>()),
      collection,
      () => new Updates()
    )
  }
  privateOf(namespace: string, collection: string): Updates {
    return child(
      child(this.private, namespace, () => new Map<string, Updates>()),
      collection,
      () => new Updates()
    )
  }
}
