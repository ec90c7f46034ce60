/**
 * The requests of one chaincode stream that wait for their turn.
 * Source: chaincode.md R30, T6.
 */
import type { protos } from "../../wire/index.js"

/** Bytes of requests that may wait for their turn; beyond, they are answered at once. */
const MAX_WAITING = 4 << 20

export interface WaitingRequest {
  readonly message: protos.ChaincodeMessage
  /** When it came, by the clock of the service (milliseconds). */
  readonly since: number
}

/**
 * Requests wait for the end of what arrived together: a second one of the same transaction is then seen while the
 * first is in progress, and dropped as the reference drops it.
 */
export class RequestTurns {
  /** Transactions with a request in progress. */
  private readonly active = new Set<string>()
  private waiting: Array<WaitingRequest> = []
  private waitingBytes = 0
  private turn: NodeJS.Immediate | undefined

  constructor(
    private readonly now: () => number,
    /** Answers one request; `done` is called when its reply leaves. */
    private readonly answer: (request: WaitingRequest) => void,
    /** Runs a turn where nobody else would catch what breaks. */
    private readonly guard: (turn: () => void) => void
  ) {}

  /** False when the transaction has a request in progress: this one is not taken. */
  add(message: protos.ChaincodeMessage, size: number): boolean {
    const key = keyOf(message)
    if (this.active.has(key)) return false
    this.active.add(key)
    this.waiting.push({ message, since: this.now() })
    this.waitingBytes += size
    if (this.waitingBytes > MAX_WAITING) this.answerAll()
    else if (this.turn === undefined) this.turn = setImmediate(() => this.guard(() => this.answerAll()))
    return true
  }

  /** Answers what waits, in the order of arrival. */
  answerAll(): void {
    this.stopTurn()
    if (this.waiting.length === 0) return
    const requests = this.waiting
    this.waiting = []
    this.waitingBytes = 0
    for (const request of requests) this.answer(request)
  }

  /** The transaction of this request may send its next one. */
  done(message: protos.ChaincodeMessage): void {
    this.active.delete(keyOf(message))
  }

  /** Forgets what waits: the stream has ended. */
  drop(): void {
    this.stopTurn()
    this.waiting = []
  }

  private stopTurn(): void {
    if (this.turn !== undefined) clearImmediate(this.turn)
    this.turn = undefined
  }
}

const keyOf = (message: protos.ChaincodeMessage): string => message.channelId + message.txid
