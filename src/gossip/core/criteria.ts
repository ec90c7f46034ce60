/**
 * Sending to as many eligible peers as wanted, and counting who acknowledged.
 * Source: gossip-discovery.md 5 (gossip/gossip/gossip_impl.go SendByCriteria; gossip/comm/comm.go AggregatedSendResults).
 */
import * as Effect from "effect/Effect"
import type { SyncLog } from "../../runtime/Log.js"
import type { gossip } from "../../wire/index.js"
import type { CommShape } from "../Comm.js"
import { SendFailed } from "../errors.js"
import type { SendCriteria } from "../Gossip.js"
import type { NetworkMember, SendResult } from "../messages.js"
import { preferredEndpoint } from "../messages.js"
import type { Random } from "../random.js"
import { pick } from "../random.js"

export interface CriteriaPorts {
  /** Whom there is to choose from; undefined: no such channel. */
  readonly peers: ReadonlyArray<NetworkMember> | undefined
  readonly random: Random
  readonly log: SyncLog
  readonly sendWithAck: CommShape["sendWithAck"]
}

/** JSON as Go prints it: keys sorted, `successes` left out when 0. */
export const aggregated = (results: ReadonlyArray<SendResult>): string => {
  const counts = new Map<string, number>()
  let successes = 0
  for (const { error } of results) {
    if (error === "") successes += 1
    else counts.set(error, (counts.get(error) ?? 0) + 1)
  }
  const failures = Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
  return JSON.stringify({
    ...(counts.size === 0 ? {} : { failures }),
    ...(successes === 0 ? {} : { successes })
  })
}

export const sendByCriteria = (
  message: gossip.GossipMessage,
  { timeoutMs, minAck, maxPeers, channelId, eligible }: SendCriteria,
  { peers, random, log, sendWithAck }: CriteriaPorts
): Effect.Effect<void, SendFailed> => {
  const fail = (reason: string) => Effect.fail(new SendFailed({ reason }))
  if (maxPeers === 0) return Effect.void
  if (timeoutMs === 0) return fail("Timeout should be specified")
  if (peers === undefined) return fail(`Requested to Send for channel ${channelId}, but no such channel exists`)
  const chosen = pick(random, maxPeers, peers, eligible)
  if (chosen.length < minAck) {
    return fail(`Requested to send to at least ${minAck} peers, but know only of ${chosen.length} suitable peers`)
  }
  const remotes = chosen.map((member) => ({ endpoint: preferredEndpoint(member), pkiId: member.pkiId }))
  return Effect.flatMap(sendWithAck(message, { timeoutMs, minimum: minAck }, remotes), (results) => {
    for (const { peer, error } of results) {
      if (error !== "") log.warning(`Failed sending to ${peer.endpoint} error: ${error}`)
    }
    const acknowledged = results.filter(({ error }) => error === "").length
    return acknowledged < minAck ? fail(aggregated(results)) : Effect.void
  })
}
