/**
 * The connections by PKI-ID of the remote, at most one each, and the dials under way.
 * Source: gossip-discovery.md 3.2 rules 6-7 (gossip/comm/conn.go). Ours: both ends of two streams that were dialled at
 * once keep the same one (that of the lower PKI-ID; in Go both fall), and a stream that ends takes no other with it.
 */
import * as Either from "effect/Either"
import { compareBytes } from "../../wire/bytes.js"
import { CommFailed } from "../errors.js"
import { idKey } from "../ids.js"
import type { RemotePeer } from "../messages.js"
import type { Connection } from "./Connection.js"

/** Streams whose handshakes lie this close together count as dialled at once, milliseconds. */
export const atOnceMs = 1000

/** A dial under way; who wants the connection waits for it together. */
export interface Dial {
  readonly key: string
  readonly peer: RemotePeer
  /** Envelopes that go out first when it succeeds. */
  readonly waiting: Array<Uint8Array>
  readonly settled: Set<(result: Either.Either<Connection, CommFailed>) => void>
}

interface Registered {
  readonly connection: Connection
  /** When it was registered, by a clock that never jumps. */
  readonly at: number
}

export class ConnectionStore {
  private readonly registered = new Map<string, Registered>()
  private readonly dials = new Map<string, Dial>()
  private stopped = false

  constructor(
    private readonly pkiId: Uint8Array,
    /** Milliseconds of a clock that never jumps. */
    private readonly monotonic: () => number
  ) {}

  get size(): number {
    return this.registered.size
  }
  get dialling(): number {
    return this.dials.size
  }
  get closing(): boolean {
    return this.stopped
  }

  has(pkiId: Uint8Array): boolean {
    return this.registered.has(idKey(pkiId))
  }

  get(peer: RemotePeer): Connection | undefined {
    return peer.pkiId.length === 0 ? this.toEndpoint(peer.endpoint) : this.registered.get(idKey(peer.pkiId))?.connection
  }

  /** A connection that this side dialled at an address. */
  toEndpoint(endpoint: string): Connection | undefined {
    for (const { connection } of this.registered.values()) if (connection.dialled === endpoint) return connection
    return undefined
  }

  // ---- Dials -----------------------------------------------------------------------------------------------------

  dialTo(peer: RemotePeer): Dial | undefined {
    return this.dials.get(dialKey(peer))
  }

  startDial(peer: RemotePeer): Dial {
    const dial: Dial = { key: dialKey(peer), peer, waiting: [], settled: new Set() }
    this.dials.set(dial.key, dial)
    return dial
  }

  /** Ends a dial and tells those who wait; the envelopes that waited are the connection's. */
  settle(dial: Dial, result: Either.Either<Connection, CommFailed>): void {
    if (this.dials.get(dial.key) !== dial) return
    this.dials.delete(dial.key)
    if (Either.isRight(result)) for (const bytes of dial.waiting) result.right.send(bytes)
    dial.waiting.length = 0
    for (const tell of dial.settled) tell(result)
    dial.settled.clear()
  }

  // ---- Registering -----------------------------------------------------------------------------------------------

  /**
   * Registers a stream that this side dialled. The result is the connection to use: an inbound one that appeared in the
   * meantime stays, unless this side's PKI-ID is the lower one.
   */
  adopt(dial: Dial, connection: Connection): Connection {
    const expected = this.get(dial.peer)
    if (expected !== undefined && !this.ownPrevails(expected.info.pkiId)) {
      connection.close()
      return expected
    }
    this.replace(connection)
    return connection
  }

  /**
   * Registers a stream that the remote dialled; any other with that PKI-ID is closed. False: the remote and this side
   * dialled at once and this side's stream stays.
   */
  accept(connection: Connection, handshakeStarted: number): boolean {
    const { pkiId } = connection.info
    const existing = this.registered.get(idKey(pkiId))
    if (
      existing !== undefined &&
      existing.connection.dialled !== undefined &&
      handshakeStarted < existing.at + atOnceMs &&
      this.ownPrevails(pkiId)
    ) {
      connection.close()
      return false
    }
    this.replace(connection)
    return true
  }

  /** Takes a connection out when it is the one registered. */
  remove(connection: Connection): void {
    const key = idKey(connection.info.pkiId)
    if (this.registered.get(key)?.connection === connection) this.registered.delete(key)
  }

  close(pkiId: Uint8Array): void {
    const key = idKey(pkiId)
    const found = this.registered.get(key)
    if (found === undefined) return
    this.registered.delete(key)
    found.connection.close()
  }

  /** Closes everything; whatever is dialled from now on fails. */
  shutdown(): void {
    this.stopped = true
    const open = [...this.registered.values()]
    this.registered.clear()
    for (const { connection } of open) connection.close()
    for (const dial of [...this.dials.values()]) {
      this.settle(dial, Either.left(new CommFailed({ endpoint: dial.peer.endpoint, reason: "ConnStore is closing" })))
    }
  }

  private replace(connection: Connection): void {
    const key = idKey(connection.info.pkiId)
    const before = this.registered.get(key)
    this.registered.set(key, { connection, at: this.monotonic() })
    before?.connection.close()
  }

  private ownPrevails(remote: Uint8Array): boolean {
    return compareBytes(this.pkiId, remote) < 0
  }
}

/** Dials go by PKI-ID; where none is expected, by address. */
const dialKey = ({ endpoint, pkiId }: RemotePeer): string => (pkiId.length === 0 ? `@${endpoint}` : idKey(pkiId))
