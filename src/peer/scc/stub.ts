/**
 * What a system chaincode sees of a call, and what it answers. State goes through the transaction's simulator under the
 * chaincode's own namespace, so that reads and writes land in the read-write set as in the reference.
 * Source: chaincode.md R50a, R79.
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { protos } from "../../wire/index.js"

/** A call of a system chaincode that ends with status 500 and this message. */
export class SystemCallFailed extends Data.TaggedError("SystemCallFailed")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** Fails a call. */
export const fail = (reason: string): SystemCallFailed => new SystemCallFailed({ reason })

export interface StateEntry {
  readonly key: string
  readonly value: Uint8Array
}

export interface SystemStub {
  /** Empty for calls that concern the peer and no channel. */
  readonly channelId: string
  readonly txId: string
  readonly args: ReadonlyArray<Uint8Array>
  /** Absent when nobody proposed the call (deployment of the chaincode itself). */
  readonly signedProposal: protos.SignedProposal | undefined
  /** Undefined when there is no such key. Fails without a simulator, in the words of the shim. */
  readonly getState: (key: string) => Effect.Effect<Uint8Array | undefined, SystemCallFailed>
  readonly putState: (key: string, value: Uint8Array) => Effect.Effect<void, SystemCallFailed>
  /** All keys of the namespace in order; a read of the whole range in the read-write set. */
  readonly allState: Effect.Effect<ReadonlyArray<StateEntry>, SystemCallFailed>
  /** The one event of the call. */
  readonly setEvent: (name: string, payload: Uint8Array) => Effect.Effect<void>
}

/** One system chaincode. Success is the payload of a response of status 200. */
export interface SystemChaincodeCode {
  readonly name: string
  /** Whether clients may call it. */
  readonly invokableExternal: boolean
  /** Whether chaincode may call it. */
  readonly invokableCC2CC: boolean
  readonly invoke: (stub: SystemStub) => Effect.Effect<Uint8Array, SystemCallFailed>
}
