/**
 * The commit hash of a block: over its flags, its state updates and the hash before. Pure.
 * Source: ledger-privatedata.md 4.3, rules 64 and 65, trap 11; privacyenabledstate/update_batch_bytes.go.
 */
import { privacyenabledstate } from "../../wire/index.js"
import { compareUtf8, sha256, utf8 } from "../../wire/protoutil.js"
import type { Version } from "../rwset/index.js"
import type { UpdateBatch, VersionedValue } from "./UpdateBatch.js"
import { hashOfId } from "./UpdateBatch.js"

/** A number in its shortest big-endian form behind its length: order-preserving varint, `opv` of the sheet. */
export const orderedVarint = (value: bigint): Uint8Array => {
  const bytes: Array<number> = []
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.unshift(Number(rest & 0xffn))
  return Uint8Array.from([bytes.length, ...bytes])
}

export const versionBytes = (version: Version): Uint8Array =>
  Buffer.concat([orderedVarint(version.blockNum), orderedVarint(version.txNum)])

/** All writes of a transaction share one version. */
const versionCache = (): ((version: Version) => Uint8Array) => {
  const known = new Map<Version, Uint8Array>()
  return (version) => {
    const found = known.get(version) ?? versionBytes(version)
    known.set(version, found)
    return found
  }
}

type Entry = Pick<privacyenabledstate.KVWriteProto, "namespace" | "collection" | "key"> & {
  readonly value: VersionedValue
}

function* entriesOf(batch: UpdateBatch): Generator<Entry> {
  const namespaces = [...new Set([...batch.public.keys(), ...batch.hashed.keys()])].sort(compareUtf8)
  for (const namespace of namespaces) {
    if (namespace === "") continue
    let named = ""
    const name = (): string => {
      const first = named === "" ? namespace : ""
      named = namespace
      return first
    }
    const updates = batch.public.get(namespace)
    for (const key of updates?.keys() ?? []) {
      const value = updates?.get(key)
      if (value !== undefined) yield { namespace: name(), collection: "", key: utf8(key), value }
    }
    const collections = batch.hashed.get(namespace)
    for (const collection of [...(collections?.keys() ?? [])].sort(compareUtf8)) {
      const hashes = collections?.get(collection)
      let first = collection
      for (const id of hashes?.keys() ?? []) {
        const value = hashes?.get(id)
        if (value === undefined) continue
        yield { namespace: name(), collection: first, key: hashOfId(id), value }
        first = ""
      }
    }
  }
}

/** The updates as the hash sees them; empty when there are none. Purges must not be in the batch yet (rule 65). */
export const updateBytes = (batch: UpdateBatch): Uint8Array => {
  const versions = versionCache()
  return privacyenabledstate.KVWritesBatchProto.encode({
    kvwrites: [...entriesOf(batch)].map(({ collection, key, namespace, value: { value, version } }) => ({
      namespace,
      collection,
      key,
      isDelete: value === undefined,
      value,
      versionBytes: versions(version)
    }))
  })
}

const varint = (value: number): Uint8Array => {
  const bytes: Array<number> = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Uint8Array.from([...bytes, rest])
}

/** In: the final flags, the block's updates, the hash of the block before (empty for block 1). */
export const commitHash = (flags: Uint8Array, batch: UpdateBatch, previous: Uint8Array): Uint8Array =>
  sha256(varint(flags.length), flags, updateBytes(batch), previous)
