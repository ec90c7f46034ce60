/**
 * When private data ends. The block-to-live of a collection never changes (upgrades may not touch it), so that it is
 * looked up once.
 * Source: ledger-privatedata.md rule 73, traps 31 and 35; core/ledger/pvtdatapolicy.
 */

/** The block whose commit makes data go; `neverExpires` for collections without a limit. */
export const neverExpires = 0xffff_ffff_ffff_ffffn

export class BtlPolicy {
  private readonly known = new Map<string, bigint>()

  /** In: the collection's block_to_live in committed state; undefined when the collection is not defined. */
  constructor(private readonly blockToLive: (namespace: string, collection: string) => bigint | undefined) {}

  /** Block at whose commit data of `committingBlock` expires: committing block + BTL + 1, saturating. */
  expiringBlock(namespace: string, collection: string, committingBlock: bigint): bigint {
    const btl = this.btl(namespace, collection)
    if (btl === 0n) return neverExpires
    const block = committingBlock + btl + 1n
    return block > neverExpires ? neverExpires : block
  }

  private btl(namespace: string, collection: string): bigint {
    const id = `${namespace}\0${collection}`
    const known = this.known.get(id)
    if (known !== undefined) return known
    const found = this.blockToLive(namespace, collection)
    // of a collection that is not defined the reference cannot say and stops; here its data stays (trap 35)
    if (found === undefined) return 0n
    this.known.set(id, found)
    return found
  }
}
