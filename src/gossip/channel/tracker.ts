/**
 * Tells who came and went on a channel. Texts and metric are the reference's.
 * Source: gossip-discovery.md 3.6.10; gossip/gossip/channel/channel.go membershipTracker.
 */
import { idKey } from "../ids.js"
import type { NetworkMember } from "../messages.js"

/** As Go prints a list of lists. */
const shown = (members: ReadonlyArray<NetworkMember>): string =>
  `[${members
    .map(({ endpoint, internalEndpoint }) =>
      endpoint === internalEndpoint ? `[${endpoint}]` : `[${endpoint} ${internalEndpoint}]`
    )
    .join(" ")}]`

/** The line for what changed from one view to the next; undefined: nothing. */
export const viewChange = (
  before: ReadonlyArray<NetworkMember>,
  now: ReadonlyArray<NetworkMember>
): string | undefined => {
  const keys = (members: ReadonlyArray<NetworkMember>) => new Set(members.map(({ pkiId }) => idKey(pkiId)))
  const old = keys(before)
  const current = keys(now)
  const gone = before.filter(({ pkiId }) => !current.has(idKey(pkiId)))
  const come = now.filter(({ pkiId }) => !old.has(idKey(pkiId)))
  if (gone.length === 0 && come.length === 0) return undefined
  const changed = "Membership view has changed. "
  const view = `, current view:  ${shown(now)}`
  if (gone.length === 0) return `${changed}peers went online:  ${shown(come)} ${view}`
  if (come.length === 0) return `${changed}peers went offline:  ${shown(gone)} ${view}`
  return `${changed}peers went offline:  ${shown(gone)} , peers went online:  ${shown(come)} ${view}`
}
