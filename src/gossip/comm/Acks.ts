/** Acknowledgements awaited, by nonce and the PKI-ID of the stream they come on. Source: gossip-discovery.md 3.2 rule 9. */
import { idKey } from "../ids.js"
import type { ReceivedMessage } from "../messages.js"

const keyOf = (nonce: bigint, pkiId: Uint8Array): string => `${nonce} ${idKey(pkiId)}`

export class Acks {
  private readonly waiting = new Map<string, (error: string) => void>()

  get size(): number {
    return this.waiting.size
  }

  /** `tell` gets the acknowledgement's text once, empty for success. The result ends the wait. */
  expect(nonce: bigint, pkiId: Uint8Array, tell: (error: string) => void): () => void {
    const key = keyOf(nonce, pkiId)
    this.waiting.set(key, tell)
    return () => {
      if (this.waiting.get(key) === tell) this.waiting.delete(key)
    }
  }

  /** True: the message is an acknowledgement, awaited or not, and no one else's business. */
  intercept({ message, connection }: Pick<ReceivedMessage, "message" | "connection">): boolean {
    const { ack, nonce } = message
    if (ack === undefined) return false
    const key = keyOf(nonce, connection.pkiId)
    const tell = this.waiting.get(key)
    this.waiting.delete(key)
    tell?.(ack.error)
    return true
  }
}
