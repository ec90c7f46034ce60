/**
 * The configuration that a new channel starts from, before its creation update is applied to it (orderer.md 3.4,
 * identity-policy-config rules 79 to 81; orderer/common/msgprocessor/systemchannel.go). Pure.
 */
import * as Either from "effect/Either"
import { common } from "../wire/index.js"
import { Bundle, type BundleOptions } from "./Bundle.js"
import { ConfigError } from "./errors.js"
import { type ConfigGroup, decodeConfigUpdate, newGroup, zeroVersions } from "./tree.js"
import { decodeMessage } from "./values.js"

type Result<A> = Either.Either<A, ConfigError>
const refuse = (detail: string) => Either.left(new ConfigError({ detail }))
const explain = (prefix: string) => (error: ConfigError) =>
  new ConfigError({ detail: `${prefix}: ${error.message}`, cause: error })

/** What the checks of the request leave: the channel, its consortium and the organisations that it names. */
interface Request {
  readonly channelId: string
  readonly consortium: string
  readonly orgs: ReadonlyArray<string>
}

const readRequest = (envelope: common.Envelope): Result<Request> =>
  Either.gen(function* () {
    const payload = yield* Either.mapLeft(
      decodeMessage(common.Payload, envelope.payload),
      explain("Failing initial channel config creation because of payload unmarshaling error")
    )
    const { configUpdate } = yield* Either.mapLeft(
      decodeMessage(common.ConfigUpdateEnvelope, payload.data),
      explain("Failing initial channel config creation because of config update envelope unmarshaling error")
    )
    if (payload.header === undefined) {
      return yield* refuse("Failed initial channel config creation because config update header was missing")
    }
    const { channelId } = yield* Either.mapLeft(
      decodeMessage(common.ChannelHeader, payload.header.channelHeader),
      explain("Failed initial channel config creation because channel header was malformed")
    )
    const update = yield* Either.mapLeft(
      decodeConfigUpdate(configUpdate),
      explain("Failing initial channel config creation because of config update unmarshaling error")
    )
    if (update.channelId !== channelId) {
      return yield* refuse(
        `Failing initial channel config creation: mismatched channel IDs: '${update.channelId}' != '${channelId}'`
      )
    }
    if (update.writeSet === undefined) return yield* refuse("Config update has an empty writeset")
    const application = update.writeSet.groups.get("Application")
    if (application === undefined) return yield* refuse("Config update has missing application group")
    if (application.version !== 1n) {
      return yield* refuse(
        `Config update for channel creation does not set application group version to 1, was ${application.version}`
      )
    }
    const value = update.writeSet.values.get("Consortium")
    if (value === undefined) return yield* refuse("Consortium config value missing")
    const { name } = yield* Either.mapLeft(
      decodeMessage(common.Consortium, value.value),
      explain("Error reading unmarshaling consortium name")
    )
    return { channelId, consortium: name, orgs: [...application.groups.keys()] }
  })

/**
 * The template for the channel that a creation request names.
 * In: the system channel's bundle and the CONFIG_UPDATE envelope as received.
 * Out: a bundle of sequence 0 under the new channel's id: `proposeConfigUpdate` on it gives the channel's first
 * configuration, of sequence 1, or refuses by the consortium's creation policy.
 * Errors: the reference's texts, without the processor's prefixes.
 */
export const newChannelTemplate = (
  system: Bundle,
  envelope: common.Envelope,
  options?: BundleOptions
): Result<Bundle> =>
  Either.gen(function* () {
    const request = yield* readRequest(envelope)
    if (system.consortiums === undefined) {
      return yield* refuse("The ordering system channel does not appear to support creating channels")
    }
    const consortium = system.consortiums.consortiums.get(request.consortium)
    const root = system.channelGroup
    const members = root.groups.get("Consortiums")?.groups.get(request.consortium)?.groups
    if (consortium === undefined || members === undefined) {
      return yield* refuse(`Unknown consortium name: ${request.consortium}`)
    }
    const orgs = new Map<string, ConfigGroup>()
    if (members.size > 0) {
      if (request.orgs.length === 0) {
        return yield* refuse("Proposed configuration has no application group members, but consortium contains members")
      }
      for (const name of request.orgs) {
        const org = members.get(name)
        if (org === undefined) return yield* refuse("Attempted to include a member which is not in the consortium")
        orgs.set(name, org)
      }
    }
    const orderer = root.groups.get("Orderer")
    const creation = "ChannelCreationPolicy"
    const template = newGroup({
      groups: new Map([
        ...(orderer === undefined ? [] : [["Orderer", orderer] as const]),
        [
          "Application",
          newGroup({
            groups: orgs,
            policies: new Map([[creation, { policy: consortium.channelCreationPolicy }]]),
            modPolicy: creation
          })
        ]
      ]),
      values: new Map([
        ...root.values,
        [
          "Consortium",
          common.ConfigValue.create({
            value: common.Consortium.encode({ name: request.consortium }),
            modPolicy: "Admins"
          })
        ]
      ]),
      policies: root.policies
    })
    const predictable = system.orderer?.capabilities.predictableChannelTemplate === true
    const channelGroup = predictable ? zeroVersions({ ...template, modPolicy: root.modPolicy }) : template
    return yield* Bundle.fromConfig(request.channelId, common.Config.create({ channelGroup }), options)
  })
