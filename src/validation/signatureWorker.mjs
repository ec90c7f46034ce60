// A thread that verifies the signatures of blocks for SignatureVerifier.ts, a portion a message. Plain JavaScript: a worker
// starts from a file, and the same file serves the sources under test and the built programs.
//
// In:  { id, keys: KeyObject[], hashes: string[], bytes, table }: `table` holds six numbers for each signature: its key,
//      its hash, then where in `bytes` its data begins and ends and where its signature begins and ends.
// Out: { id, good }: a byte for each signature, 1 where it holds.
import { verify } from "node:crypto"
import { parentPort } from "node:worker_threads"

const holds = (hash, data, key, signature) => {
  try {
    return verify(hash, data, key, signature)
  } catch {
    return false
  }
}

parentPort?.on("message", ({ bytes, hashes, id, keys, table }) => {
  const good = new Uint8Array(table.length / 6)
  for (let i = 0, at = 0; i < good.length; i++, at += 6) {
    const data = bytes.subarray(table[at + 2], table[at + 3])
    const signature = bytes.subarray(table[at + 4], table[at + 5])
    good[i] = holds(hashes[table[at + 1]], data, keys[table[at]], signature) ? 1 : 0
  }
  parentPort?.postMessage({ id, good }, [good.buffer])
})
