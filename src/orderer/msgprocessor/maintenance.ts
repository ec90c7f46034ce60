/**
 * The rules of maintenance mode, on a config that an update has produced: entering and leaving change nothing else, the
 * consensus type changes only within. Pure.
 * Source: orderer.md 3.3 (maintenance filter), 5.1 group D; orderer/common/msgprocessor/maintenancefilter.go.
 */
import * as Either from "effect/Either"
import { Bundle, decodeConfigUpdate, envelopeToConfigUpdate } from "../../channelconfig/index.js"
import { common, etcdraft } from "../../wire/index.js"
import { equalBytes } from "../../wire/protoutil.js"
import { ordererOf } from "./filters.js"
import { decoding } from "./Message.js"

type Verdict = Either.Either<void, string>
const passed: Verdict = Either.right(undefined)
const permitted: ReadonlySet<string> = new Set(["etcdraft", "solo", "kafka"])

/** In: the bundle in force and the config envelope that would follow. The left side is the reference's text. */
export const maintenanceFilter = (current: Bundle, next: common.ConfigEnvelope): Verdict =>
  Either.mapLeft(inspect(current, next), (text) => `config transaction inspection failed: ${text}`)

const inspect = (currentBundle: Bundle, envelope: common.ConfigEnvelope): Verdict => {
  if (envelope.lastUpdate === undefined) return Either.left("updated config does not include a config update")
  const bundle = Bundle.fromConfig(currentBundle.channelId, envelope.config)
  if (Either.isLeft(bundle)) return Either.left(`failed to parse config: ${bundle.left.message}`)
  const current = ordererOf(currentBundle)
  const next = bundle.right.orderer
  if (next === undefined) return Either.left("next config is missing orderer group")
  const [from, to] = [current.consensusType, next.consensusType]
  const [before, after] = [stateText(current.consensusState), stateText(next.consensusState)]

  if (!current.capabilities.consensusTypeMigration) {
    if (next.consensusState !== "NORMAL") {
      return Either.left(`next config attempted to change ConsensusType.State to ${after}, but capability is disabled`)
    }
    return from === to
      ? passed
      : Either.left(
          `next config attempted to change ConsensusType.Type from ${from} to ${to}, but capability is disabled`
        )
  }
  if (before !== after) {
    const only = changesConsensusTypeOnly(envelope.lastUpdate)
    if (Either.isLeft(only)) return only
    if (from !== to) {
      return Either.left(
        `attempted to change ConsensusType.Type from ${from} to ${to}, but ConsensusType.State is changing from ${before} to ${after}`
      )
    }
    if (!equalBytes(current.consensusMetadata, next.consensusMetadata)) {
      return Either.left(
        `attempted to change ConsensusType.Metadata, but ConsensusType.State is changing from ${before} to ${after}`
      )
    }
  }
  if (from === to) return passed
  const attempt = `attempted to change consensus type from ${from} to ${to}`
  if (current.consensusState === "NORMAL") {
    return Either.left(`${attempt}, but current config ConsensusType.State is not in maintenance mode`)
  }
  if (next.consensusState === "NORMAL") {
    return Either.left(`${attempt}, but next config ConsensusType.State is not in maintenance mode`)
  }
  if (!permitted.has(to)) return Either.left(`${attempt}, transition not supported`)
  if (to !== "etcdraft") return passed
  return Either.map(
    decoding("failed to unmarshal etcdraft metadata configuration", () =>
      etcdraft.ConfigMetadata.decode(next.consensusMetadata)
    ),
    () => undefined
  )
}

const stateText = (state: string): string => (state === "NORMAL" || state === "MAINTENANCE" ? `STATE_${state}` : state)

/** The update writes the one value `Orderer/ConsensusType` and nothing beside it. */
const changesConsensusTypeOnly = (lastUpdate: common.Envelope): Verdict => {
  const envelope = envelopeToConfigUpdate(lastUpdate)
  if (Either.isLeft(envelope)) {
    return Either.left(`envelope to config update unmarshaling error: ${envelope.left.message}`)
  }
  const update = decodeConfigUpdate(envelope.right.configUpdate)
  if (Either.isLeft(update)) return Either.left(`config update unmarshaling error: ${update.left.message}`)
  const writeSet = update.right.writeSet ?? common.ConfigGroup.create()
  if (writeSet.groups.size === 0) return Either.left("config update contains no changes")
  if (writeSet.values.size > 0) return Either.left("config update contains changes to values in group Channel")
  if (writeSet.groups.size > 1) return Either.left("config update contains changes to more than one group")
  const group = writeSet.groups.get("Orderer")
  if (group === undefined) return Either.left("update does not contain the Orderer group")
  if (group.groups.size > 0) {
    return Either.left("config update contains changes to groups within the Orderer group")
  }
  if (!group.values.has("ConsensusType")) {
    return Either.left("config update does not contain the ConsensusType value")
  }
  return group.values.size > 1
    ? Either.left("config update contain more then just the ConsensusType value in the Orderer group")
    : passed
}
