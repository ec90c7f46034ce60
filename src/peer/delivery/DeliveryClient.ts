/**
 * The client of a channel's orderers: keeps one Deliver stream open, from the ledger's height on, and hands every block
 * to the commit line, waiting while that is full. Connections are lost, orderers refuse, addresses change: it goes on
 * from the height that the ledger has by then.
 * Source: peer-endorse-validate.md 3.7; core/deliverservice, blocksprovider.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Scope from "effect/Scope"
import { type BlockSource, type ClientSigner, DeliverEnded, forever, ordererBlocks } from "../../client/index.js"
import * as Log from "../../runtime/Log.js"
import { textOf } from "../../runtime/Stage.js"
import { shuffled } from "../../runtime/shuffled.js"
import type { Channel } from "../../transport/index.js"
import { common } from "../../wire/index.js"
import { connectionDelay, refusalLimit, statusDelay } from "./backoff.js"
import { type OrdererEndpoint, sameEndpoints } from "./endpoints.js"

const log = Log.module("deliveryClient")

interface Failure {
  readonly message: string
}

export interface DeliveryOptions {
  readonly channelId: string
  /** Orderers by the configuration in force when it starts; `updated` brings later ones. */
  readonly endpoints: ReadonlyArray<OrdererEndpoint>
  /** Opens a connection that is closed with its scope. */
  readonly connect: (endpoint: OrdererEndpoint) => Effect.Effect<Channel, Failure, Scope.Scope>
  readonly signer: ClientSigner
  /** SHA-256 of the own TLS client certificate; undefined without TLS. */
  readonly tlsCertHash: Uint8Array | undefined
  /** The next block that is missing here. */
  readonly nextBlock: () => bigint
  /** Takes a block; waits while too many are under way. A failure makes the client ask again from `nextBlock`. */
  readonly submit: (block: Uint8Array) => Effect.Effect<void, Failure>
  readonly staticLeader: boolean
  /** Milliseconds: no delay between connection attempts is longer (`reConnectBackoffThreshold`). */
  readonly longestDelay: number
  /** Milliseconds of delays in a row after which it gives up (`reconnectTotalTimeThreshold`). */
  readonly totalDelay: number
  readonly random: () => number
}

/** Why a delivery ended; it never does while all is well. */
export type DeliveryEnd = "complete" | "refused" | "gave up"

export interface DeliveryClient {
  /** Delivers until it ends for a reason of its own; interrupt it to stop. Runs once at a time. */
  readonly run: Effect.Effect<DeliveryEnd>
  /** The configuration names other orderers: the stream is opened anew at one of them. */
  readonly updated: (endpoints: ReadonlyArray<OrdererEndpoint>) => void
  /** The orderer of the open stream. */
  readonly connectedTo: () => string | undefined
}

/** What became of one stream. */
type StreamEnd =
  | { readonly _tag: "Status"; readonly status: number }
  | { readonly _tag: "Broken"; readonly reason: string }
  | { readonly _tag: "Moved" }

/** Where the client stands: one object per client, changed by its one loop. */
class Progress {
  /** Failed attempts since the last connection. */
  attempts = 0
  /** Milliseconds waited since the last connection. */
  waited = 0
  /** Statuses since the last block. */
  statuses = 0
  /** BAD_REQUEST and FORBIDDEN since the last block or other status. */
  refusals = 0
  connected: string | undefined

  opened(address: string): void {
    this.attempts = 0
    this.waited = 0
    this.connected = address
  }
  block(): void {
    this.statuses = 0
    this.refusals = 0
  }
}

class Endpoints {
  private list: ReadonlyArray<OrdererEndpoint>
  private next = 0
  private change = Deferred.unsafeMake<void>(FiberId.none)

  constructor(list: ReadonlyArray<OrdererEndpoint>, random: () => number) {
    this.list = shuffled(list, random)
  }
  get size(): number {
    return this.list.length
  }
  /** Round robin. */
  take(): OrdererEndpoint | undefined {
    const endpoint = this.list[this.next % Math.max(this.list.length, 1)]
    this.next += 1
    return endpoint
  }
  /** Not shuffled, as in the reference; nothing happens when the set is the same or empty. */
  replace(list: ReadonlyArray<OrdererEndpoint>): void {
    if (list.length === 0 || sameEndpoints(this.list, list)) return
    this.list = list
    this.next = 0
    const { change } = this
    this.change = Deferred.unsafeMake<void>(FiberId.none)
    Deferred.unsafeDone(change, Effect.void)
  }
  /** Comes with the next replacement. */
  get changed(): Effect.Effect<void> {
    return Deferred.await(this.change)
  }
  toString(): string {
    return this.list.map(({ address }) => address).join(" ")
  }
}

export const makeDeliveryClient = (options: DeliveryOptions): DeliveryClient => {
  const { channelId } = options
  const endpoints = new Endpoints(options.endpoints, options.random)
  const progress = new Progress()

  /** A connection to the first orderer that answers, each tried once. */
  const connect: Effect.Effect<Channel, Failure, Scope.Scope> = Effect.gen(function* () {
    for (let tried = 0; tried < endpoints.size; tried += 1) {
      const endpoint = endpoints.take()
      if (endpoint === undefined) break
      // an attempt that fails leaves nothing open
      const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      const opened = yield* Effect.exit(Scope.extend(options.connect(endpoint), scope))
      if (Exit.isSuccess(opened)) return opened.value
      yield* Scope.close(scope, opened)
      if (Cause.isInterruptedOnly(opened.cause)) return yield* Effect.interrupt
      yield* log.warning(`Failed connecting to ${endpoint.address}, error: ${textOf(Cause.squash(opened.cause))}`, {
        channel: channelId
      })
    }
    return yield* Effect.fail({ message: `could not connect to any of the endpoints: [${endpoints}]` })
  })

  const consume = (blocks: BlockSource<Uint8Array>): Effect.Effect<StreamEnd> =>
    Effect.gen(function* () {
      while (true) {
        const block = yield* blocks.next
        if (block === undefined) return { _tag: "Status", status: common.Status.SUCCESS } as const
        progress.block()
        yield* options.submit(block)
      }
    }).pipe(
      Effect.catchAll((error): Effect.Effect<StreamEnd> => {
        if (error instanceof DeliverEnded) return Effect.succeed({ _tag: "Status", status: error.status })
        return Effect.succeed({ _tag: "Broken", reason: error.message })
      })
    )

  /** One connection and its stream, to the end of either. */
  const stream: Effect.Effect<StreamEnd> = Effect.gen(function* () {
    const { changed } = endpoints
    const channel = yield* connect
    progress.opened(channel.address)
    const height = options.nextBlock()
    yield* log.info(
      height > 0n
        ? `Starting deliver with block [${height}] for channel ${channelId}`
        : `Starting deliver with oldest block for channel ${channelId}`,
      { orderer: channel.address }
    )
    const blocks = yield* ordererBlocks(channel, {
      channelId,
      signer: options.signer,
      seek: { start: height > 0n ? height : "oldest", stop: forever },
      ...(options.tlsCertHash === undefined ? {} : { tlsCertHash: options.tlsCertHash })
    })
    return yield* Effect.raceFirst(consume(blocks), Effect.as(changed, { _tag: "Moved" } as const))
  }).pipe(
    Effect.scoped,
    Effect.catchAll((error) => Effect.succeed({ _tag: "Broken", reason: error.message } as const)),
    Effect.ensuring(
      Effect.sync(() => {
        progress.connected = undefined
      })
    )
  )

  const sleep = (milliseconds: number) => Effect.sleep(Duration.millis(milliseconds))

  /** Waits after a broken connection; false when it is time to give up. */
  const again = (reason: string): Effect.Effect<boolean> =>
    Effect.gen(function* () {
      progress.attempts += 1
      const { attempts } = progress
      if (progress.waited >= options.totalDelay) {
        if (!options.staticLeader) {
          yield* log.warning(`Got error: ${reason} at ${attempts} attempt. Ceasing to retry`, { channel: channelId })
          return false
        }
        yield* log.warning("peer is a static leader, ignoring peer.deliveryclient.reconnectTotalTimeThreshold")
      }
      const delay = connectionDelay(attempts, options.longestDelay)
      yield* log.warning(`Got error: ${reason}, at ${attempts} attempt. Retrying in ${delay}ms`, { channel: channelId })
      progress.waited += delay
      yield* sleep(delay)
      return true
    })

  /** Waits after a status; false when it was refused too often. */
  const afterStatus = (status: number): Effect.Effect<boolean> =>
    Effect.gen(function* () {
      const text = `[${channelId}] Got error status:${common.StatusInfo.nameOf(status) ?? status}`
      if (status === common.Status.BAD_REQUEST || status === common.Status.FORBIDDEN) {
        yield* log.error(text)
        progress.refusals += 1
        if (progress.refusals > refusalLimit) {
          yield* log.error(`[${channelId}] Wrong statuses threshold passed, stopping block provider`)
          return false
        }
      } else {
        progress.refusals = 0
        yield* log.warning(text)
      }
      yield* sleep(statusDelay(progress.statuses))
      progress.statuses += 1
      return true
    })

  const run: Effect.Effect<DeliveryEnd> = Effect.gen(function* () {
    yield* log.info(`This peer will retrieve blocks from ordering service for channel ${channelId}`)
    while (true) {
      const end = yield* stream
      switch (end._tag) {
        case "Moved":
          yield* log.info(`[${channelId}] the orderers' addresses have changed: [${endpoints}]`)
          continue
        case "Broken":
          if (yield* again(end.reason)) continue
          return "gave up"
        case "Status":
          if (end.status === common.Status.SUCCESS) {
            yield* log.warning(`[${channelId}] ERROR! Received success for a seek that should never complete`)
            return "complete"
          }
          if (yield* afterStatus(end.status)) continue
          return "refused"
      }
    }
  })

  return { run, updated: (list) => endpoints.replace(list), connectedTo: () => progress.connected }
}
