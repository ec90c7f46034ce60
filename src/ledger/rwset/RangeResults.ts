/**
 * What a range query returned, as the read-write set keeps it: the reads themselves up to 50, a merkle summary beyond.
 * Simulation and validation build it alike. Pure.
 * Source: ledger-privatedata.md 4.5; rwsetutil/query_results_helper.go.
 */
import { kvrwset } from "../../wire/index.js"
import { sha256 } from "../../wire/protoutil.js"

/** Reads kept raw, and hashes held at one level of the tree. */
export const MAX_DEGREE = 50

/** The summary of more than `maxDegree` reads. */
export type MerkleSummary = Pick<kvrwset.QueryReadsMerkleSummary, "maxDegree" | "maxLevel" | "maxLevelHashes">

export type RangeReads =
  | { readonly _tag: "Raw"; readonly reads: ReadonlyArray<kvrwset.KVRead> }
  | { readonly _tag: "Merkle"; readonly summary: MerkleSummary }

export class RangeResults {
  private pending: Array<kvrwset.KVRead> = []
  /** Hashes by level; level 1 holds the leaves. */
  private readonly levels = new Map<number, Array<Uint8Array>>()
  private maxLevel = 1

  /** `maxDegree` is at least 2: the caller refuses less (trap 10). */
  constructor(private readonly maxDegree: number = MAX_DEGREE) {}

  add(read: kvrwset.KVRead): void {
    this.pending.push(read)
    if (this.pending.length > this.maxDegree) this.foldPending()
  }

  /** The tree as far as it is built. */
  get summary(): MerkleSummary {
    return { maxDegree: this.maxDegree, maxLevel: this.maxLevel, maxLevelHashes: this.levels.get(this.maxLevel) ?? [] }
  }

  /** Completes the tree. May be called again: nothing changes then. */
  done(): RangeReads {
    if (this.maxLevel === 1 && (this.levels.get(1)?.length ?? 0) === 0) return { _tag: "Raw", reads: this.pending }
    if (this.pending.length > 0) this.foldPending()
    for (let level = 1; level < this.maxLevel; level++) {
      const hashes = this.levels.get(level) ?? []
      const [first] = hashes
      if (first === undefined) continue
      this.levels.delete(level)
      this.push(level + 1, hashes.length === 1 ? first : sha256(...hashes))
    }
    const top = this.levels.get(this.maxLevel) ?? []
    if (top.length > this.maxDegree) {
      this.levels.delete(this.maxLevel)
      this.maxLevel += 1
      this.levels.set(this.maxLevel, [sha256(...top)])
    }
    return { _tag: "Merkle", summary: this.summary }
  }

  private push(level: number, hash: Uint8Array): Array<Uint8Array> {
    const hashes = this.levels.get(level) ?? []
    hashes.push(hash)
    this.levels.set(level, hashes)
    return hashes
  }

  private foldPending(): void {
    let hash = sha256(kvrwset.QueryReads.encode({ kvReads: this.pending }))
    this.pending = []
    for (let level = 1; ; level++) {
      const hashes = this.push(level, hash)
      if (level > this.maxLevel) this.maxLevel = level
      if (hashes.length <= this.maxDegree) return
      this.levels.delete(level)
      hash = sha256(...hashes)
    }
  }
}
