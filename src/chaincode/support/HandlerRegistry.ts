/**
 * Which chaincode is being launched and which has a stream, by `name:version`.
 * Source: chaincode.md R9, R11, R25, R27; core/chaincode/handler_registry.go.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import { LaunchFailed } from "./errors.js"

/** A launch under way or done: those who wait for it see its first result. */
export class LaunchState {
  private readonly deferred = Deferred.unsafeMake<void, LaunchFailed>(FiberId.none)
  private settled = false

  /** The first call counts. */
  succeed(): void {
    if (this.settled) return
    this.settled = true
    Deferred.unsafeDone(this.deferred, Effect.void)
  }
  fail(failure: LaunchFailed): void {
    if (this.settled) return
    this.settled = true
    Deferred.unsafeDone(this.deferred, Effect.fail(failure))
  }
  readonly result: Effect.Effect<void, LaunchFailed> = Deferred.await(this.deferred)
}

/** What the registry keeps of a handler. */
export interface Registered {
  /** Closes what the handler holds for its transactions. */
  readonly close: () => void
}

export class HandlerRegistry<H extends Registered> {
  private readonly handlers = new Map<string, H>()
  private readonly launches = new Map<string, LaunchState>()

  /** @param admitsUnsolicited whether a process that nobody launched may register under this name */
  constructor(private readonly admitsUnsolicited: (chaincode: string) => boolean) {}

  handler(chaincode: string): H | undefined {
    return this.handlers.get(chaincode)
  }

  /** The launch of a chaincode; `first` is true for the one who must do it. */
  launching(chaincode: string): { readonly state: LaunchState; readonly first: boolean } {
    const under = this.launches.get(chaincode)
    if (under !== undefined) return { state: under, first: false }
    const state = new LaunchState()
    if (this.handlers.has(chaincode)) {
      state.succeed() // came without a launch
      return { state, first: false }
    }
    this.launches.set(chaincode, state)
    return { state, first: true }
  }

  /** Why a handler may not register; undefined when it now is. */
  register(chaincode: string, handler: H): string | undefined {
    if (this.handlers.has(chaincode)) return `duplicate chaincodeID: ${chaincode}`
    if (!this.launches.has(chaincode) && !this.admitsUnsolicited(chaincode)) {
      return `peer will not accept external chaincode connection ${chaincode} (except in dev mode)`
    }
    this.handlers.set(chaincode, handler)
    return undefined
  }

  /** The chaincode was told READY. */
  ready(chaincode: string): void {
    this.launches.get(chaincode)?.succeed()
  }

  /** A registration was refused: the launch that it may belong to has failed. */
  failed(chaincode: string, reason: string): void {
    this.launches.get(chaincode)?.fail(new LaunchFailed({ chaincode, reason }))
  }

  /**
   * Forgets a handler, its launch with it. The reference goes by name alone, so that a refused duplicate takes the
   * original down when it leaves (T9); here only the handler's own entry goes.
   */
  deregister(chaincode: string, handler: H): void {
    if (this.handlers.get(chaincode) !== handler) return
    this.handlers.delete(chaincode)
    this.launches.delete(chaincode)
    handler.close()
  }

  /** Forgets a launch that has failed, and the handler that may have come of it. */
  abandon(chaincode: string, state: LaunchState): void {
    if (this.launches.get(chaincode) !== state) return
    this.launches.delete(chaincode)
    const handler = this.handlers.get(chaincode)
    this.handlers.delete(chaincode)
    handler?.close()
  }

  /** Names with a handler, for diagnosis. */
  get names(): ReadonlyArray<string> {
    return [...this.handlers.keys()]
  }
}
