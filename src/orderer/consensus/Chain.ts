/**
 * What a consensus mechanism offers a channel, and what it may use of it. Solo and Kafka implement it; there is room for
 * etcdraft.
 * Source: orderer/consensus/consensus.go.
 */
import * as Context from "effect/Context"
import type * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Bundle } from "../../channelconfig/index.js"
import type { CutterMetrics } from "../blockcutter/metrics.js"
import type { RawEnvelope } from "../msgprocessor/envelope.js"
import type { Processor } from "../msgprocessor/Processor.js"
import type { BlockWriter } from "../multichannel/BlockWriter.js"
import type { ChannelHealth } from "../multichannel/ChannelHealth.js"
import type { ConsenterFailed, NotReady } from "./errors.js"

/** A message that passed its filters at a config sequence. */
export interface Ordering {
  readonly message: RawEnvelope
  readonly sequence: bigint
}

/** One channel's consensus. Its loops live in the scope it was made in. */
export interface Chain {
  /**
   * Starts ordering; called once. Returns when the chain has begun, which may be before it is ready (Kafka goes on
   * connecting). Messages that an earlier run left behind are taken up first.
   */
  readonly start: Effect.Effect<void, ConsenterFailed>
  /** Waits until new messages may be ordered; fails when they cannot be for now. */
  readonly waitReady: Effect.Effect<void, NotReady>
  /**
   * Takes normal messages in this order. Done when they are certain to be ordered, whatever happens to this process
   * (solo: on disk; Kafka: acknowledged by the brokers). On failure the client must send again.
   */
  readonly order: (messages: ReadonlyArray<Ordering>) => Effect.Effect<void, NotReady>
  /**
   * `order` without a fiber. False when something stands in its way: nothing was taken, and `waitReady` and `order` tell
   * more. Else `done` is called once and later: with nothing when the messages are certain to be ordered, or with why
   * they are not. `done` must not throw.
   */
  readonly orderNow?: (messages: ReadonlyArray<Ordering>, done: (refused: NotReady | undefined) => void) => boolean
  /** Takes a config message. */
  readonly configure: (config: Ordering) => Effect.Effect<void, NotReady>
  /** Done while the chain cannot vouch for its height; replaced by a new one when it can again. */
  readonly errored: () => Deferred.Deferred<void>
  /** The name of the chain's health check; the channel's unless given. */
  readonly healthComponent?: string
  /** What is wrong with the chain, for the health check; undefined when nothing is. */
  readonly health: Effect.Effect<string | undefined>
}

/** A channel as its consensus sees it. */
export interface ConsenterSupport {
  readonly channelId: string
  readonly bundle: () => Bundle
  readonly processor: Processor
  readonly writer: BlockWriter
  /** Blocks in the ledger now. */
  readonly height: () => bigint
  /** Header hash of the channel's first block: tells this chain from another of the same name. */
  readonly firstBlockHash: Uint8Array
  /** A folder that lives and dies with the channel's ledger; undefined when nothing of it is kept. */
  readonly folder: string | undefined
  readonly health: ChannelHealth
  readonly cutterMetrics: CutterMetrics
}

export interface ConsenterShape {
  /** In: the channel and the value of its last block's ORDERER slot. */
  readonly chain: (
    support: ConsenterSupport,
    metadata: Uint8Array
  ) => Effect.Effect<Chain, ConsenterFailed, Scope.Scope>
}

/** The mechanisms of this node by the name in ConsensusType. */
export class Consenters extends Context.Tag("orderer/consensus/Consenters")<
  Consenters,
  ReadonlyMap<string, ConsenterShape>
>() {}
