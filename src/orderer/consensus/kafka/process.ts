/**
 * What becomes of a channel's topic, as a function of its records: each record in, a list of actions out. Pure but for
 * the state it keeps; posting, timers and writing are the shell's (KafkaChain).
 *
 * Two habits of the reference look like oversights and are kept, for metadata and duplicate suppression of all orderers
 * on a topic must agree: a time-to-cut block leaves out the resubmitted offset, and a batch cut while its last message
 * stays pending does not advance the processed offset (trap 8).
 * Source: orderer.md 3.8 rules 10-20; orderer/consensus/kafka/chain.go.
 */
import * as Either from "effect/Either"
import { orderer } from "../../../wire/index.js"
import type { Batch, BatchLimits } from "../../blockcutter/BlockCutter.js"
import { BlockCutter } from "../../blockcutter/BlockCutter.js"

/** The ORDERER slot of a Kafka block, decoded. */
export interface KafkaOffsets {
  readonly lastOffsetPersisted: bigint
  readonly lastOriginalOffsetProcessed: bigint
  readonly lastResubmittedConfigOffset: bigint
}

/** Where a channel without Kafka blocks starts: reading begins one above, at -2, Kafka's "oldest". */
export const initialOffsets: KafkaOffsets = {
  lastOffsetPersisted: -3n,
  lastOriginalOffsetProcessed: 0n,
  lastResubmittedConfigOffset: 0n
}

/** The channel as the records are judged by it; asked afresh for each record. `E` is the channel's decoded envelope. */
export interface KafkaSupport<E> {
  readonly sequence: () => bigint
  /** Whether the orderer capabilities allow resubmission; otherwise compatibility mode. */
  readonly resubmission: () => boolean
  readonly limits: () => BatchLimits
  readonly decode: (bytes: Uint8Array) => Either.Either<E, string>
  readonly size: (envelope: E) => number
  /** By the channel header's type. */
  readonly classify: (envelope: E) => Either.Either<"normal" | "config" | "configUpdate", string>
  /** Judges a normal message by the present config; gives the sequence it was judged at. */
  readonly processNormal: (envelope: E) => Either.Either<bigint, string>
  /** Judges a config message anew; gives its replacement. */
  readonly processConfig: (envelope: E) => Either.Either<{ readonly config: E; readonly sequence: bigint }, string>
}

export type KafkaAction<E> =
  | { readonly _tag: "WriteBlock"; readonly batch: Batch<E>; readonly offsets: KafkaOffsets }
  | { readonly _tag: "WriteConfigBlock"; readonly envelope: E; readonly offsets: KafkaOffsets }
  /** Post again with the new sequence; on success of a config call `configResubmitted`. */
  | {
      readonly _tag: "Resubmit"
      readonly kind: "normal" | "config"
      readonly envelope: E
      readonly sequence: bigint
      readonly originalOffset: bigint
    }
  /** Broadcast may go on: the resubmitted config came back and is being committed. */
  | { readonly _tag: "UnblockIngress" }
  /** Nothing is written for this record; the reference's warning. */
  | { readonly _tag: "Dropped"; readonly reason: string }
  /** The same for a record that no orderer made. */
  | { readonly _tag: "Undecodable"; readonly reason: string }
  | { readonly _tag: "Compatibility" }
  /** The chain's loop ends for good. */
  | { readonly _tag: "Fatal"; readonly reason: string }

const dropped = <E>(reason: string): ReadonlyArray<KafkaAction<E>> => [{ _tag: "Dropped", reason }]
const nothing: ReadonlyArray<never> = []

/** One channel's state between records. `lastCutBlockNumber` is the ledger's height less one. */
export class KafkaProcess<E> {
  private readonly cutter = new BlockCutter<E>()
  private processed: bigint
  private resubmitted: bigint
  private timer = false
  private blocked: boolean

  constructor(
    private readonly support: KafkaSupport<E>,
    start: KafkaOffsets,
    private lastCut: bigint
  ) {
    this.processed = start.lastOriginalOffsetProcessed
    this.resubmitted = start.lastResubmittedConfigOffset
    this.blocked = this.resubmitted !== 0n && this.resubmitted > this.processed
  }

  /** Whether the batch timer should be running: the shell compares before and after each record. */
  get timerRunning(): boolean {
    return this.timer
  }
  /** Whether a resubmitted config is under way and Broadcast must wait. */
  get ingressBlocked(): boolean {
    return this.blocked
  }
  get lastCutBlockNumber(): bigint {
    return this.lastCut
  }

  /** The batch timer ran out: the number to post as TIMETOCUT. */
  timerExpired(): bigint {
    this.timer = false
    return this.lastCut + 1n
  }

  /** A config message received at `offset` was posted again: Broadcast waits until it comes back. */
  configResubmitted(offset: bigint): void {
    this.resubmitted = offset
    this.blocked = true
  }

  /** The next record of the partition. `now` is the time for fill durations. */
  consume(offset: bigint, value: Uint8Array, now: number): ReadonlyArray<KafkaAction<E>> {
    let message: orderer.KafkaMessage
    try {
      message = orderer.KafkaMessage.decode(value)
    } catch (error) {
      return [{ _tag: "Undecodable", reason: `Unable to unmarshal consumed message = ${String(error)}` }]
    }
    if (message.regular !== undefined) return this.regular(message.regular, offset, now)
    if (message.timeToCut !== undefined) return this.timeToCut(message.timeToCut.blockNumber, offset)
    return nothing
  }

  // ---- TIMETOCUT -------------------------------------------------------------------------------------------------

  private timeToCut(number: bigint, offset: bigint): ReadonlyArray<KafkaAction<E>> {
    const expected = this.lastCut + 1n
    if (number < expected) return nothing
    if (number > expected) {
      const reason = `got larger time-to-cut message (${number}) than allowed/expected (${expected}) - this might indicate a bug`
      return [{ _tag: "Fatal", reason }]
    }
    this.timer = false
    const batch = this.cutter.cut()
    if (batch === undefined) {
      const reason = `got right time-to-cut message (for block [${expected}]), no pending requests though; this might indicate a bug`
      return [{ _tag: "Fatal", reason }]
    }
    const offsets = {
      lastOffsetPersisted: offset,
      lastOriginalOffsetProcessed: this.processed,
      lastResubmittedConfigOffset: 0n
    }
    return [this.block(batch, offsets)]
  }

  // ---- REGULAR ---------------------------------------------------------------------------------------------------

  private regular(message: orderer.KafkaMessageRegular, offset: bigint, now: number): ReadonlyArray<KafkaAction<E>> {
    const sequence = this.support.sequence()
    const decoded = this.support.decode(message.payload)
    if (Either.isLeft(decoded)) {
      return dropped(`failed to unmarshal payload of regular message because = ${decoded.left}`)
    }
    const envelope = decoded.right
    const { NORMAL, CONFIG, UNKNOWN } = orderer.KafkaMessageRegular_Class
    if (message.class === UNKNOWN || !this.support.resubmission()) return this.compatible(envelope, offset, now)
    if (message.class === NORMAL) return this.normal(message, envelope, sequence, offset, now)
    if (message.class === CONFIG) return this.config(message, envelope, sequence, offset)
    return dropped(`unsupported regular kafka message type: ${message.class}`)
  }

  /** As orderers before 1.1: judge again, commit what came, never post again. */
  private compatible(envelope: E, offset: bigint, now: number): ReadonlyArray<KafkaAction<E>> {
    const mode: KafkaAction<E> = { _tag: "Compatibility" }
    const kind = this.support.classify(envelope)
    if (Either.isLeft(kind)) {
      return [
        mode,
        ...dropped<E>(`discarding bad config message because of channel header unmarshalling error = ${kind.left}`)
      ]
    }
    if (kind.right === "configUpdate") return [mode, ...dropped<E>("not expecting message of type ConfigUpdate")]
    const verdict: Either.Either<unknown, string> =
      kind.right === "config" ? this.support.processConfig(envelope) : this.support.processNormal(envelope)
    if (Either.isLeft(verdict)) {
      return [mode, ...dropped<E>(`discarding bad ${kind.right} message because = ${verdict.left}`)]
    }
    const actions =
      kind.right === "config"
        ? this.commitConfig(envelope, offset, this.processed)
        : this.commitNormal(envelope, offset, this.processed, now)
    return [mode, ...actions]
  }

  private normal(
    message: orderer.KafkaMessageRegular,
    envelope: E,
    sequence: bigint,
    offset: bigint,
    now: number
  ): ReadonlyArray<KafkaAction<E>> {
    const original = message.originalOffset
    if (original !== 0n && original <= this.processed) return nothing
    if (message.configSeq < sequence) {
      const verdict = this.support.processNormal(envelope)
      if (Either.isLeft(verdict)) return dropped(`discarding bad normal message because = ${verdict.left}`)
      return [{ _tag: "Resubmit", kind: "normal", envelope, sequence: verdict.right, originalOffset: offset }]
    }
    return this.commitNormal(envelope, offset, original === 0n ? this.processed : original, now)
  }

  private config(
    message: orderer.KafkaMessageRegular,
    envelope: E,
    sequence: bigint,
    offset: bigint
  ): ReadonlyArray<KafkaAction<E>> {
    const original = message.originalOffset
    const actions: Array<KafkaAction<E>> = []
    if (original !== 0n) {
      if (original <= this.processed) return nothing
      if (original === this.resubmitted && message.configSeq === sequence) {
        this.blocked = false
        actions.push({ _tag: "UnblockIngress" })
      }
      // another orderer found valid what this one did not: follow, or metadata would differ
      if (this.resubmitted < original) this.resubmitted = original
    }
    if (message.configSeq < sequence) {
      const verdict = this.support.processConfig(envelope)
      if (Either.isLeft(verdict)) {
        return [...actions, ...dropped<E>(`rejecting config message because = ${verdict.left}`)]
      }
      const { config, sequence: judged } = verdict.right
      return [
        ...actions,
        { _tag: "Resubmit", kind: "config", envelope: config, sequence: judged, originalOffset: offset }
      ]
    }
    return [...actions, ...this.commitConfig(envelope, offset, original === 0n ? this.processed : original)]
  }

  // ---- Commit ----------------------------------------------------------------------------------------------------

  private commitNormal(envelope: E, offset: bigint, newProcessed: bigint, now: number): ReadonlyArray<KafkaAction<E>> {
    const size = this.support.size(envelope)
    const { batches, pending } = this.cutter.ordered(envelope, size, this.support.limits(), now)
    this.timer = pending
    const [first, second] = batches
    if (first === undefined) {
      this.processed = newProcessed
      return nothing
    }
    const outside = pending || second !== undefined // the newest message is not in the first batch
    if (!outside) this.processed = newProcessed
    const actions = [this.block(first, this.offsets(outside ? offset - 1n : offset))]
    if (second !== undefined) {
      this.processed = newProcessed
      actions.push(this.block(second, this.offsets(offset)))
    }
    return actions
  }

  private commitConfig(envelope: E, offset: bigint, newProcessed: bigint): ReadonlyArray<KafkaAction<E>> {
    const actions: Array<KafkaAction<E>> = []
    const batch = this.cutter.cut()
    if (batch !== undefined) actions.push(this.block(batch, this.offsets(offset - 1n)))
    this.processed = newProcessed
    this.lastCut += 1n
    this.timer = false
    actions.push({ _tag: "WriteConfigBlock", envelope, offsets: this.offsets(offset) })
    return actions
  }

  private offsets(persisted: bigint): KafkaOffsets {
    return {
      lastOffsetPersisted: persisted,
      lastOriginalOffsetProcessed: this.processed,
      lastResubmittedConfigOffset: this.resubmitted
    }
  }

  private block(batch: Batch<E>, offsets: KafkaOffsets): KafkaAction<E> {
    this.lastCut += 1n
    return { _tag: "WriteBlock", batch, offsets }
  }
}
