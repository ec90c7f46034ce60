/** State in maps, for unit tests of validation and MVCC without a ledger: the same rules, no medium. */
import type { CommittedState, VersionedValue } from "../../src/ledger/mvcc/index.js"
import { hashId, type UpdateBatch } from "../../src/ledger/mvcc/index.js"
import type { ValidationState } from "../../src/validation/index.js"
import { kvrwset } from "../../src/wire/index.js"
import { compareUtf8 } from "../../src/wire/protoutil.js"

const metadataOf = (bytes: Uint8Array | undefined): ReadonlyMap<string, Uint8Array> =>
  bytes === undefined
    ? new Map()
    : new Map(kvrwset.KVMetadataWrite.decode(bytes).entries.map(({ name, value }) => [name, value]))

export class MemoryState implements CommittedState, ValidationState {
  private readonly values = new Map<string, VersionedValue>()

  private static id(...parts: ReadonlyArray<string>): string {
    return parts.join("\u0000")
  }
  get(namespace: string, key: string): VersionedValue | undefined {
    return this.values.get(MemoryState.id("p", namespace, key))
  }
  version(namespace: string, key: string) {
    return this.get(namespace, key)?.version
  }
  range(namespace: string, start: string, end: string) {
    const prefix = MemoryState.id("p", namespace, "")
    return [...this.values]
      .filter(([id]) => id.startsWith(prefix))
      .map(([id, { version }]) => [id.slice(prefix.length), version] as const)
      .filter(([key]) => compareUtf8(key, start) >= 0 && (end === "" || compareUtf8(key, end) < 0))
      .sort(([a], [b]) => compareUtf8(a, b))
  }
  getHashed(namespace: string, collection: string, keyHash: Uint8Array) {
    return this.values.get(MemoryState.id("h", namespace, collection, hashId(keyHash)))
  }
  hashedVersion(namespace: string, collection: string, keyHash: Uint8Array) {
    return this.getHashed(namespace, collection, keyHash)?.version
  }
  getPrivate() {
    return undefined
  }
  getState(namespace: string, key: string) {
    return this.get(namespace, key)?.value
  }
  getStateMetadata(namespace: string, key: string) {
    return metadataOf(this.get(namespace, key)?.metadata)
  }
  getPrivateDataMetadataByHash(namespace: string, collection: string, keyHash: Uint8Array) {
    return metadataOf(this.getHashed(namespace, collection, keyHash)?.metadata)
  }

  apply(batch: UpdateBatch): void {
    const put = (id: string, value: VersionedValue | undefined) => {
      if (value?.value === undefined) this.values.delete(id)
      else this.values.set(id, value)
    }
    for (const [namespace, updates] of batch.public)
      for (const key of updates.keys()) put(MemoryState.id("p", namespace, key), updates.get(key))
    for (const [namespace, collections] of batch.hashed)
      for (const [collection, updates] of collections)
        for (const id of updates.keys()) put(MemoryState.id("h", namespace, collection, id), updates.get(id))
  }
}
