/**
 * Blocks that have been verified and wait for their turn: by number, each once. Pure but for its own contents.
 * Source: gossip-discovery.md 3.8 rule 3; gossip/state/payloads_buffer.go.
 */
import type { VouchedBlock } from "../../commit/index.js"
import type { TxPvtData } from "../../ledger/index.js"

/** A block before its commit. */
export interface BlockPayload {
  readonly number: bigint
  /** `common.Block` as it came. */
  readonly bytes: Uint8Array
  /** Private data that came with it; held against the block's hashes at commit. */
  readonly pvtData?: TxPvtData
  /** Holds a config transaction: what follows is judged by the configuration that it brings. */
  readonly config: boolean
  /** The proof of its verification, where this peer made it itself. */
  readonly vouched?: VouchedBlock
}

export class PayloadBuffer {
  private readonly payloads = new Map<bigint, BlockPayload>()
  private held = 0

  /** In: the number expected first. */
  constructor(private expected: bigint) {}

  /** The number that `pop` gives next. */
  get next(): bigint {
    return this.expected
  }
  get size(): number {
    return this.payloads.size
  }
  /** Bytes of the blocks held. */
  get bytes(): number {
    return this.held
  }
  /** The lowest number from `next` on that is not here. */
  get firstMissing(): bigint {
    let number = this.expected
    while (this.payloads.has(number)) number += 1n
    return number
  }

  /** False where the number is below `next`, or here already. */
  push(payload: BlockPayload): boolean {
    if (payload.number < this.expected || this.payloads.has(payload.number)) return false
    this.payloads.set(payload.number, payload)
    this.held += payload.bytes.length
    return true
  }

  pop(): BlockPayload | undefined {
    const payload = this.payloads.get(this.expected)
    if (payload === undefined) return undefined
    this.payloads.delete(this.expected)
    this.held -= payload.bytes.length
    this.expected += 1n
    return payload
  }

  /** Expects `number` again: the block popped before was refused, and whatever was built on it is dropped. */
  rewind(number: bigint): void {
    this.expected = number
    this.payloads.clear()
    this.held = 0
  }
}
