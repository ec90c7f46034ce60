/**
 * A channel's MSPs and orderer endpoints for clients. Source: gossip-discovery.md 3.12 rule 4;
 * discovery/support/config/support.go.
 */
import * as Either from "effect/Either"
import { textOf } from "../runtime/Stage.js"
import { splitAddress } from "../transport/index.js"
import { common, discovery, msp } from "../wire/index.js"
import { QueryFailed } from "./errors.js"

const failed = (reason: string): QueryFailed => new QueryFailed({ reason })

/** FABRIC; MSPs of other types tell discovery nothing. */
const X509 = 0

const mspOf = (group: common.ConfigGroup): msp.FabricMSPConfig | undefined => {
  const { config, type } = msp.MSPConfig.decode(group.values.get("MSP")?.value ?? new Uint8Array())
  return type === X509 ? msp.FabricMSPConfig.decode(config) : undefined
}

const addresses = (value: common.ConfigValue | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : common.OrdererAddresses.decode(value.value).addresses

const endpointOf = (address: string): discovery.Endpoint | undefined => {
  const split = splitAddress(address)
  if (Either.isLeft(split) || address.endsWith(":")) return undefined
  return discovery.Endpoint.create({ host: split.right.host, port: split.right.port })
}

/** In: the configuration in force. Throws QueryFailed, or what decoding throws. */
export const configResult = (config: common.Config): discovery.ConfigResult => {
  const { channelGroup } = config
  if (channelGroup === undefined) throw failed("config envelope is invalid: field Config.ChannelGroup is nil")
  const ordererGroup = channelGroup.groups.get("Orderer")
  const applicationGroup = channelGroup.groups.get("Application")
  for (const [name, group] of [
    ["Orderer", ordererGroup],
    ["Application", applicationGroup]
  ] as const)
    if (group === undefined)
      throw failed(`config envelope is invalid: key Config.ChannelGroup.Groups[${name}] is missing`)

  const own = new Map<string, ReadonlyArray<string>>()
  for (const group of ordererGroup?.groups.values() ?? []) {
    const found = mspOf(group)
    if (found !== undefined) own.set(found.name, addresses(group.values.get("Endpoints")))
  }
  const perOrg = [...own.values()].some((list) => list.length > 0)
  const global = addresses(channelGroup.values.get("OrdererAddresses"))
  const orderers = new Map<string, discovery.Endpoints>()
  for (const [mspId, list] of own) {
    const endpoint: Array<discovery.Endpoint> = []
    for (const address of perOrg ? list : global) {
      const made = endpointOf(address)
      // an organisation's own bad address is left out, a global one is an error: as in the reference
      if (made === undefined && !perOrg) throw failed(`failed parsing orderer endpoint ${address}`)
      if (made !== undefined) endpoint.push(made)
    }
    orderers.set(mspId, discovery.Endpoints.create({ endpoint }))
  }

  const msps = new Map<string, msp.FabricMSPConfig>()
  for (const parent of [ordererGroup, applicationGroup])
    for (const group of parent?.groups.values() ?? []) {
      const found = mspOf(group)
      if (found !== undefined && !msps.has(found.name)) msps.set(found.name, found)
    }
  return discovery.ConfigResult.create({ msps, orderers })
}

/** As above, for a channel that may be unknown; every failure with its text. */
export const configOf = (channelId: string, config: common.Config | undefined): discovery.ConfigResult => {
  if (config === undefined) throw failed(`could not get last config block for channel ${channelId}`)
  try {
    return configResult(config)
  } catch (error) {
    throw error instanceof QueryFailed ? error : failed(textOf(error))
  }
}
