/**
 * Config updates: who may change what, and what comes out (identity-policy-config rules 66 to 76;
 * common/configtx/update.go and validator.go). Pure; the first fault in byte order of the elements' names is the one
 * reported (the reference reports any one of them).
 */
import * as Either from "effect/Either"
import type { Policy, PolicyManager, SignedData, Verify } from "../policy/index.js"
import { compareUtf8, equalBytes } from "../wire/bytes.js"
import { common } from "../wire/index.js"
import { headerTypeName } from "../wire/protoutil.js"
import type { Bundle } from "./Bundle.js"
import { type ConfigMap, configMapToGroup, type Element, mapConfig } from "./configMap.js"
import { ConfigError, wrap } from "./errors.js"
import { validateModPolicy } from "./ids.js"
import { type ConfigGroup, decodeConfigUpdate, equalConfigs, equalGroups } from "./tree.js"

type Result<A> = Either.Either<A, ConfigError>
const refuse = (detail: string) => Either.left(new ConfigError({ detail }))

/** What an update is judged against. */
export type Current = Pick<Bundle, "channelId" | "sequence" | "configMap" | "policyManager">

const decoded = <A>(read: () => A): Result<A> =>
  Either.try({
    try: read,
    catch: (cause) => new ConfigError({ detail: cause instanceof Error ? cause.message : String(cause), cause })
  })

/** The update inside an envelope of type CONFIG_UPDATE. */
export const envelopeToConfigUpdate = (envelope: common.Envelope | undefined): Result<common.ConfigUpdateEnvelope> =>
  Either.gen(function* () {
    if (envelope === undefined) return yield* refuse("envelope must have a Header")
    const payload = yield* Either.mapLeft(
      decoded(() => common.Payload.decode(envelope.payload)),
      wrap("error unmarshaling Payload")
    )
    if (payload.header === undefined) return yield* refuse("envelope must have a Header")
    const { channelHeader } = payload.header
    const header = yield* Either.mapLeft(
      decoded(() => common.ChannelHeader.decode(channelHeader)),
      wrap("error unmarshaling ChannelHeader")
    )
    if (header.type !== common.HeaderType.CONFIG_UPDATE) {
      return yield* refuse(`invalid type ${headerTypeName(header.type)}, expected CONFIG_UPDATE`)
    }
    return yield* Either.mapLeft(
      decoded(() => common.ConfigUpdateEnvelope.decode(payload.data)),
      wrap("error unmarshaling message for type CONFIG_UPDATE")
    )
  })

/** The update's signatures as policies take them: each over its header and the update's bytes (rule 70). */
export const signedDataOf = (update: common.ConfigUpdateEnvelope): Result<ReadonlyArray<SignedData>> =>
  Either.gen(function* () {
    const out: Array<SignedData> = []
    for (const { signature, signatureHeader } of update.signatures) {
      const header = yield* decoded(() => common.SignatureHeader.decode(signatureHeader))
      const data = Uint8Array.from(Buffer.concat([signatureHeader, update.configUpdate]))
      out.push({ data, identity: header.creator, signature })
    }
    return out
  })

const inOrder = (map: ConfigMap): ReadonlyArray<readonly [string, Element]> =>
  [...map].sort(([a], [b]) => compareUtf8(a, b))

const verifyReadSet = (current: ConfigMap, readSet: ConfigMap): Result<void> => {
  for (const [key, { element }] of inOrder(readSet)) {
    const existing = current.get(key)?.element
    if (existing === undefined) {
      return refuse(`existing config does not contain element for ${key} but was in the read set`)
    }
    if (existing.version !== element.version) {
      return refuse(
        `proposed update requires that key ${key} be at version ${element.version}, but it is currently at version ${existing.version}`
      )
    }
  }
  return Either.right(undefined)
}

const deltaOf = (readSet: ConfigMap, writeSet: ConfigMap): ConfigMap =>
  new Map([...writeSet].filter(([key, { element }]) => readSet.get(key)?.element.version !== element.version))

/** The group whose policies guard an element of the current configuration; `undefined` when it is not there. */
const managerFor = (current: Current, { element, key, kind, path }: Element): PolicyManager | undefined => {
  const { modPolicy } = element
  if (modPolicy === "" || modPolicy.startsWith("/") || path.length === 0) return current.policyManager
  return current.policyManager.manager(kind === "group" ? [...path.slice(1), key] : path.slice(1))
}

/** The policy that guards an element of the current configuration; `undefined` when the name leads nowhere. */
const policyFor = (current: Current, existing: Element): Policy | undefined => {
  const { modPolicy } = existing.element
  const manager = managerFor(current, existing)
  return manager?.has(modPolicy) === true ? manager.getPolicy(modPolicy) : undefined
}

const verifyDeltaSet = (
  current: Current,
  delta: ConfigMap,
  signedData: ReadonlyArray<SignedData>,
  verify: Verify | undefined
): Result<void> => {
  if (delta.size === 0) return refuse("delta set was empty -- update would have no effect")
  for (const [key, { element }] of inOrder(delta)) {
    const valid = validateModPolicy(element.modPolicy)
    if (Either.isLeft(valid)) return Either.left(wrap(`invalid mod_policy for element ${key}`)(valid.left))
    const existing = current.configMap.get(key)
    if (existing === undefined) {
      if (element.version !== 0n) {
        return refuse(`attempted to set key ${key} to version ${element.version}, but key does not exist`)
      }
      continue
    }
    if (element.version !== BigInt.asUintN(64, existing.element.version + 1n)) {
      return refuse(
        `attempt to set key ${key} to version ${element.version}, but key is at version ${existing.element.version}`
      )
    }
    const policy = policyFor(current, existing)
    if (policy === undefined) {
      return refuse(`unexpected missing policy ${existing.element.modPolicy} for item ${key}`)
    }
    const satisfied = policy.evaluate(signedData, verify)
    if (Either.isLeft(satisfied)) return Either.left(wrap(`policy for ${key} not satisfied`)(satisfied.left))
  }
  return Either.right(undefined)
}

/** An element that an update changes, and the policy that guards it. */
export interface GuardedChange {
  /** As the reference's texts name it: `[Group]  /Channel/Application`. */
  readonly key: string
  readonly modPolicy: string
  /** Undefined where the name leads nowhere. */
  readonly manager: PolicyManager | undefined
}

/** What an update changes of what is there, in order; for reports, after the update was refused. */
export const guardedChanges = (
  current: Current,
  update: common.ConfigUpdateEnvelope
): Result<ReadonlyArray<GuardedChange>> =>
  Either.gen(function* () {
    const { readSet, writeSet } = yield* decodeConfigUpdate(update.configUpdate)
    const delta = deltaOf(yield* mapConfig(readSet), yield* mapConfig(writeSet))
    return inOrder(delta).flatMap(([key]) => {
      const existing = current.configMap.get(key)
      if (existing === undefined) return []
      return [{ key, modPolicy: existing.element.modPolicy, manager: managerFor(current, existing) }]
    })
  })

/** Rules 66 to 74: the group that the update makes of the current configuration. */
const authorize = (
  current: Current,
  update: common.ConfigUpdateEnvelope,
  verify: Verify | undefined
): Result<ConfigMap> =>
  Either.gen(function* () {
    const { channelId, readSet, writeSet } = yield* decodeConfigUpdate(update.configUpdate)
    if (channelId !== current.channelId) {
      return yield* refuse(`ConfigUpdate for channel '${channelId}' but envelope for channel '${current.channelId}'`)
    }
    const reads = yield* Either.mapLeft(mapConfig(readSet), wrap("error mapping ReadSet"))
    yield* Either.mapLeft(verifyReadSet(current.configMap, reads), wrap("error validating ReadSet"))
    const writes = yield* Either.mapLeft(mapConfig(writeSet), wrap("error mapping WriteSet"))
    const delta = deltaOf(reads, writes)
    const signedData = yield* signedDataOf(update)
    yield* Either.mapLeft(verifyDeltaSet(current, delta, signedData, verify), wrap("error validating DeltaSet"))
    const proposed = new Map([...current.configMap, ...delta])
    for (const [key] of inOrder(writes)) {
      if (!proposed.has(key)) {
        return yield* refuse(
          `full config did not verify: writeset contained key ${key} which did not appear in proposed config`
        )
      }
    }
    return proposed
  })

const rebuild = (map: ConfigMap): Result<ConfigGroup> =>
  Either.mapLeft(configMapToGroup(map), wrap("could not turn configMap back to channelGroup"))

/**
 * Applies a config update to the current configuration.
 * In: the bundle (or the channel's template, rule 81), and the received CONFIG_UPDATE envelope, whose bytes are kept as
 * the new configuration's last update. `verify` when signatures were verified beforehand.
 * Errors: the reference's texts, `error authorizing update: …`; a policy that was not satisfied is the error's cause.
 */
export const proposeConfigUpdate = (
  current: Current,
  envelope: common.Envelope,
  verify?: Verify
): Result<common.ConfigEnvelope> =>
  Either.gen(function* () {
    const update = yield* Either.mapLeft(
      envelopeToConfigUpdate(envelope),
      wrap("error converting envelope to config update")
    )
    const map = yield* Either.mapLeft(authorize(current, update, verify), wrap("error authorizing update"))
    const channelGroup = yield* rebuild(map)
    return common.ConfigEnvelope.create({
      config: { sequence: current.sequence + 1n, channelGroup },
      lastUpdate: envelope
    })
  })

/**
 * Checks that a CONFIG envelope follows from the current configuration: its sequence is the next one, its update is
 * authorised, and gives exactly the configuration that it carries (rule 76).
 * Errors: the reference's texts.
 */
export const validateConfigEnvelope = (
  current: Current,
  envelope: common.ConfigEnvelope | undefined,
  verify?: Verify
): Result<void> =>
  Either.gen(function* () {
    if (envelope === undefined) return yield* refuse("config envelope is nil")
    const { config, lastUpdate } = envelope
    if (config === undefined) return yield* refuse("config envelope has nil config")
    if (config.sequence !== BigInt.asUintN(64, current.sequence + 1n)) {
      return yield* refuse(
        `config currently at sequence ${current.sequence}, cannot validate config at sequence ${config.sequence}`
      )
    }
    const update = yield* envelopeToConfigUpdate(lastUpdate)
    const map = yield* authorize(current, update, verify)
    const channelGroup = yield* rebuild(map)
    if (config.channelGroup === undefined || !equalGroups(channelGroup, config.channelGroup)) {
      return yield* refuse("ConfigEnvelope LastUpdate did not produce the supplied config result")
    }
  })

const equalEnvelopes = (a: common.Envelope | undefined, b: common.Envelope | undefined): boolean =>
  a === undefined || b === undefined ? a === b : equalBytes(common.Envelope.encode(a), common.Envelope.encode(b))

/** Message equality of two config envelopes, as the orderer demands of a channel creation (orderer.md 3.3, 5d). */
export const equalConfigEnvelopes = (a: common.ConfigEnvelope, b: common.ConfigEnvelope): boolean =>
  (a.config === undefined || b.config === undefined ? a.config === b.config : equalConfigs(a.config, b.config)) &&
  equalEnvelopes(a.lastUpdate, b.lastUpdate)
