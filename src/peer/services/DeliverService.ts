/**
 * protos.Deliver: blocks and filtered blocks of the channels that this peer has joined, to those whom the channel's ACLs
 * let read. Source: peer-endorse-validate.md 3.5; core/peer/deliverevents.go.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import {
  AccessDenied,
  blockResponse,
  type DeliverChain,
  declareDeliverMetrics,
  filteredBlock,
  filteredBlockResponse,
  makeDeliverHandler,
  statusResponse
} from "../../deliver/index.js"
import { Metrics } from "../../runtime/Metrics.js"
import { GrpcServer, type ServiceRefused } from "../../transport/index.js"
import { common } from "../../wire/index.js"
import * as services from "../../wire/services.js"
import { Acl } from "../acl/Acl.js"
import type { AclChecker } from "../acl/AclChecker.js"
import { ChannelTable, type PeerChannel } from "../channels/ChannelTable.js"

/** A channel as Deliver sees it, guarded by one resource. */
const chainOf = ({ bundles, id, ledger }: PeerChannel, acl: AclChecker, resource: string): DeliverChain => ({
  sequence: () => bundles.current().sequence,
  height: ledger.height,
  blocks: ledger.iterator,
  // a peer never vouches less for its height
  errored: () => undefined,
  checkAccess: (request) =>
    Either.mapLeft(acl.check(resource, id, request), (refused) => new AccessDenied({ detail: refused.message }))
})

/** A block that cannot be filtered is a status in its place; the stream goes on. */
const filteredMessage = (block: Uint8Array): Uint8Array =>
  Either.match(filteredBlock(block), {
    onLeft: () => statusResponse(common.Status.BAD_REQUEST),
    onRight: filteredBlockResponse
  })

export interface DeliverServiceOptions {
  /** Milliseconds: `peer.authentication.timewindow`. */
  readonly timeWindow: number
}

export const layer = (
  options: DeliverServiceOptions
): Layer.Layer<never, ServiceRefused, Acl | ChannelTable | GrpcServer | Metrics> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const server = yield* GrpcServer
      const table = yield* ChannelTable
      const acl = yield* Acl
      const metrics = declareDeliverMetrics(yield* Metrics)
      const handler = (resource: string, filtered: boolean, blockMessage: (block: Uint8Array) => Uint8Array) =>
        makeDeliverHandler({
          channel: (id) => {
            const channel = table.get(id)
            return channel === undefined ? undefined : chainOf(channel, acl, resource)
          },
          blockMessage,
          filtered,
          timeWindow: options.timeWindow,
          mutualTls: server.mutualTls,
          checkExpiration: true,
          metrics
        })
      yield* server.addService(services.PeerDeliver, {
        Deliver: handler("event/Block", false, blockResponse),
        DeliverFiltered: handler("event/FilteredBlock", true, filteredMessage)
      })
    })
  )
