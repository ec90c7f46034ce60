/**
 * Whether this peer takes a channel's blocks from the orderers itself, or from its organisation's other peers. The one
 * place where that is decided: gossip and its election put their answer here.
 * Source: peer-endorse-validate.md 3.7 rules 1 and 4.
 */
import * as Either from "effect/Either"
import { SettingInvalid } from "../errors.js"

export interface LeadershipSettings {
  /** `peer.gossip.useLeaderElection` */
  readonly useLeaderElection: boolean
  /** `peer.gossip.orgLeader` */
  readonly orgLeader: boolean
}

export interface Leadership {
  /** Never gives up on the orderers, however long they are away. */
  readonly staticLeader: boolean
}

/**
 * The role of a peer that knows no other peer. It is the only one who could pull, so it does, and it does not give up
 * whatever the settings say: an elected leader that gives up is elected again, as nobody else stands.
 */
export const alone = (settings: LeadershipSettings): Either.Either<Leadership, SettingInvalid> =>
  settings.useLeaderElection && settings.orgLeader
    ? Either.left(
        new SettingInvalid({
          reason: "Setting both orgLeader and useLeaderElection to true isn't supported, aborting execution"
        })
      )
    : Either.right({ staticLeader: true })
