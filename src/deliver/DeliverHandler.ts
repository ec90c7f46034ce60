/**
 * Deliver: streams blocks by seek request, for the orderer and for the peer alike. What differs between them (channels,
 * policies, how a block is answered) comes in with `DeliverOptions`. A stream that waits for a block holds one fiber
 * and costs nothing until the block is there.
 * Source: orderer.md 3.6; peer-endorse-validate.md 3.5; common/deliver/deliver.go, acl.go.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BlockIterator } from "../ledger/blockstore/index.js"
import { expiresAt } from "../msp/index.js"
import type { SignedData } from "../policy/index.js"
import * as Log from "../runtime/Log.js"
import type { CallIn, CallInfo, CallOut } from "../transport/index.js"
import { Code, GrpcFailure } from "../transport/index.js"
import { common, orderer } from "../wire/index.js"
import { type AccessDenied, RequestRefused } from "./errors.js"
import type { DeliverMetrics, RequestMetrics } from "./metrics.js"
import type { RequestHead } from "./request.js"
import { checkBinding, readHead, readSeekInfo, readSignedData } from "./request.js"
import { statusResponse } from "./response.js"
import { newestNumber, resolveSeek } from "./seek.js"

const log = Log.module("common.deliver")

/** A channel as Deliver sees it. */
export interface DeliverChain {
  /** Sequence of the config in force. */
  readonly sequence: () => bigint
  /** Blocks held now. */
  readonly height: () => bigint
  readonly blocks: (from: bigint) => BlockIterator
  /**
   * Done while the chain cannot vouch for its height (consenter error); a new one stands here once it can again. A
   * request keeps the one it found. Undefined: never (peers).
   */
  readonly errored: () => Deferred.Deferred<void> | undefined
  /** Whether the signer may read, by the config in force. */
  readonly checkAccess: (request: SignedData) => Effect.Effect<void, AccessDenied>
}

export interface DeliverOptions {
  /** Undefined: unknown channel. */
  readonly channel: (id: string) => DeliverChain | undefined
  /** The message for a block in its stored bytes: a whole block, a filtered block, or a status in its place. */
  readonly blockMessage: (block: Uint8Array) => Uint8Array
  /** For the metrics' label. */
  readonly filtered: boolean
  /** Milliseconds that a request's clock may differ from ours. */
  readonly timeWindow: number
  readonly mutualTls: boolean
  /** False with General.Authentication.NoExpirationChecks: identities then never end. */
  readonly checkExpiration: boolean
  readonly metrics: DeliverMetrics
}

/** Serves one Deliver call: ends OK after the first status that is not SUCCESS, or when the client half-closes. */
export const makeDeliverHandler =
  (options: DeliverOptions) =>
  (incoming: CallIn, out: CallOut, call: CallInfo): Effect.Effect<void, GrpcFailure> =>
    Effect.suspend(() => {
      options.metrics.streamOpened()
      return serve(options, incoming, out, call)
    }).pipe(Effect.ensuring(Effect.sync(options.metrics.streamClosed)))

const serve = (
  options: DeliverOptions,
  incoming: CallIn,
  out: CallOut,
  call: CallInfo
): Effect.Effect<void, GrpcFailure> =>
  Effect.gen(function* () {
    while (true) {
      const message = yield* incoming.next
      if (message === undefined) return
      const envelope = yield* decodeEnvelope(message)
      const status = yield* answer(options, out, call, envelope)
      yield* out.send(statusResponse(status))
      if (status !== common.Status.SUCCESS) return
    }
  })

/** What gRPC itself refuses in the reference: bytes that are no Envelope. */
const decodeEnvelope = (message: Uint8Array): Effect.Effect<common.Envelope, GrpcFailure> =>
  Effect.try({
    try: () => common.Envelope.decode(message),
    catch: (error) =>
      new GrpcFailure({
        code: Code.Internal,
        details: `grpc: failed to unmarshal the received message ${error instanceof Error ? error.message : String(error)}`
      })
  })

const refuse = (status: number, detail: string) => new RequestRefused({ status, detail })

/** One request: sends its blocks and gives the status to send after them. */
const answer = (
  options: DeliverOptions,
  out: CallOut,
  call: CallInfo,
  envelope: common.Envelope
): Effect.Effect<number> =>
  Effect.gen(function* () {
    const head = yield* readHead(envelope)
    const { channelHeader } = head
    yield* checkBinding(channelHeader, {
      now: yield* Clock.currentTimeMillis,
      timeWindow: options.timeWindow,
      mutualTls: options.mutualTls,
      clientCertificateDer: call.clientCertificateDer
    })
    const chain = options.channel(channelHeader.channelId)
    if (chain === undefined) {
      // clients poll for channels that are being created: no warning
      yield* log.debug(`Rejecting deliver for ${call.peer} because channel ${channelHeader.channelId} not found`)
      return common.Status.NOT_FOUND
    }
    const metrics = options.metrics.request(channelHeader.channelId, options.filtered)
    metrics.received()
    return yield* deliver(options, chain, head, out, metrics).pipe(
      Effect.scoped,
      Effect.catchAll((refusal) => warn(call, refusal, channelHeader.channelId)),
      Effect.tap((status) => Effect.sync(() => metrics.completed(status === common.Status.SUCCESS))),
      Effect.onInterrupt(() => Effect.sync(() => metrics.completed(false)))
    )
  }).pipe(Effect.catchAll((refusal) => warn(call, refusal)))

const warn = (call: CallInfo, refusal: RequestRefused, channel?: string): Effect.Effect<number> =>
  Effect.as(
    log.warning(
      `${channel === undefined ? "" : `[channel: ${channel}] `}Rejecting deliver for ${call.peer}: ${refusal.detail}`
    ),
    refusal.status
  )

const deliver = (
  options: DeliverOptions,
  chain: DeliverChain,
  head: RequestHead,
  out: CallOut,
  metrics: RequestMetrics
): Effect.Effect<number, RequestRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const seek = yield* readSeekInfo(head.payload)
    const bestEffort = seek.errorResponse === orderer.SeekInfo_SeekErrorResponse.BEST_EFFORT
    const errored = bestEffort ? undefined : chain.errored()
    yield* checkErrored(errored)
    const signed = yield* readSignedData(head)
    const access = makeAccess(chain, signed, options.checkExpiration ? expiresAt(signed.identity) : undefined)
    yield* access
    const range = resolveSeek(seek, chain.height())
    if (range._tag === "Refused") return yield* refuse(range.status, "seek request cannot be met")
    const failIfNotReady = seek.behavior === orderer.SeekInfo_SeekBehavior.FAIL_IF_NOT_READY
    const iterator = yield* Effect.acquireRelease(
      Effect.sync(() => chain.blocks(range.start)),
      (opened) => opened.close
    )
    const next = Effect.matchEffect(iterator.next, {
      onFailure: (cause) => Effect.fail(readFailed(cause)),
      onSuccess: (block) =>
        block === undefined ? Effect.fail(readFailed("the ledger is closed")) : Effect.succeed(block)
    })
    const nextOrErrored =
      errored === undefined
        ? next
        : Effect.raceFirst(next, Effect.zipRight(Deferred.await(errored), Effect.fail(consenterError)))
    for (let number = range.start; ; number += 1n) {
      if (failIfNotReady && number > newestNumber(chain.height())) return common.Status.NOT_FOUND
      yield* checkErrored(errored)
      const block = yield* number < chain.height() ? next : nextOrErrored
      yield* access
      yield* out.send(options.blockMessage(block))
      metrics.blockSent()
      if (number === range.stop) return common.Status.SUCCESS
    }
  })

const consenterError = refuse(
  common.Status.SERVICE_UNAVAILABLE,
  "the backing consensus implementation indicates an error"
)

const readFailed = (cause: unknown) =>
  refuse(
    common.Status.SERVICE_UNAVAILABLE,
    `Error reading from channel, cause was: ${cause instanceof Error ? cause.message : String(cause)}`
  )

const checkErrored = (errored: Deferred.Deferred<void> | undefined): Effect.Effect<void, RequestRefused> =>
  errored === undefined
    ? Effect.void
    : Effect.flatMap(Deferred.isDone(errored), (done) => (done ? Effect.fail(consenterError) : Effect.void))

/**
 * The check before the first and before every block: the identity's end each time, the policy when the config sequence
 * has grown since the last time.
 */
const makeAccess = (
  chain: DeliverChain,
  signed: SignedData,
  endsAt: number | undefined
): Effect.Effect<void, RequestRefused> => {
  let checkedAt: bigint | undefined
  const policy = Effect.suspend(() => {
    const sequence = chain.sequence()
    if (checkedAt !== undefined && sequence <= checkedAt) return Effect.void
    checkedAt = sequence
    return Effect.mapError(chain.checkAccess(signed), ({ detail }) => refuse(common.Status.FORBIDDEN, detail))
  })
  if (endsAt === undefined) return policy
  return Effect.flatMap(Clock.currentTimeMillis, (now) =>
    now > endsAt ? refuse(common.Status.FORBIDDEN, `client identity expired ${now - endsAt}ms before`) : policy
  )
}
