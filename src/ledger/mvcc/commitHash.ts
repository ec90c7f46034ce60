/**
 * The commit hash of a block: over its flags, its state updates and the hash before. Pure.
 * Source: ledger-privatedata.md 4.3, rules 64 and 65, trap 11; privacyenabledstate/update_batch_bytes.go.
 */
import { privacyenabledstate } from "../../wire/index.js"
import { compareUtf8, sha256, utf8 } from "../../wire/protoutil.js"
import type { Version } from "../rwset/index.js"
import type { UpdateBatch, Updates, VersionedValue } from "./UpdateBatch.js"
import { hashOfId } from "./UpdateBatch.js"

const nothing = new Uint8Array(0)

/** A number in its shortest big-endian form behind its length: order-preserving varint, `opv` of the sheet. */
export const orderedVarint = (value: bigint): Uint8Array => {
  const bytes: Array<number> = []
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.unshift(Number(rest & 0xffn))
  return Uint8Array.from([bytes.length, ...bytes])
}

export const versionBytes = (version: Version): Uint8Array =>
  Buffer.concat([orderedVarint(version.blockNum), orderedVarint(version.txNum)])

/** A batch's writes in the form and the order in which they are hashed. */
class Writes {
  readonly list: Array<privacyenabledstate.KVWriteProto> = []
  /** All writes of a transaction share one version. */
  private readonly versions = new Map<Version, Uint8Array>()

  /** The writes of a namespace; only the first carries its name, and the first of a collection the collection's. */
  add(namespace: string, updates: Updates | undefined, collections: ReadonlyMap<string, Updates> | undefined): void {
    const begin = this.list.length
    if (updates !== undefined)
      for (const key of updates.keys()) this.write(begin, namespace, "", utf8(key), updates.get(key))
    if (collections === undefined) return
    for (const collection of [...collections.keys()].sort(compareUtf8)) {
      const hashes = collections.get(collection)
      const first = this.list.length
      for (const id of hashes?.keys() ?? [])
        this.write(begin, namespace, this.list.length === first ? collection : "", hashOfId(id), hashes?.get(id))
    }
  }

  private write(begin: number, namespace: string, collection: string, key: Uint8Array, held?: VersionedValue): void {
    if (held === undefined) return
    this.list.push({
      namespace: this.list.length === begin ? namespace : "",
      collection,
      key,
      isDelete: held.value === undefined,
      value: held.value ?? nothing,
      versionBytes: this.bytesOf(held.version)
    })
  }

  private bytesOf(version: Version): Uint8Array {
    let bytes = this.versions.get(version)
    if (bytes === undefined) {
      bytes = versionBytes(version)
      this.versions.set(version, bytes)
    }
    return bytes
  }
}

/** The updates as the hash sees them; empty when there are none. Purges must not be in the batch yet (rule 65). */
export const updateBytes = (batch: UpdateBatch): Uint8Array => {
  const writes = new Writes()
  const namespaces = [...new Set([...batch.public.keys(), ...batch.hashed.keys()])].sort(compareUtf8)
  for (const namespace of namespaces)
    if (namespace !== "") writes.add(namespace, batch.public.get(namespace), batch.hashed.get(namespace))
  return privacyenabledstate.KVWritesBatchProto.encode({ kvwrites: writes.list })
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
