/** MSPs and orderers as clients are told of them (gossip-discovery.md 3.12 rule 4, acceptance 21). */
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { configResult } from "../../src/discovery/config.js"
import { common, msp } from "../../src/wire/index.js"
import { firstBundle } from "../peer/support.js"

const { config } = firstBundle()

/** The recorded configuration with other orderer endpoints: global ones, and those of the orderer's organisation. */
const withEndpoints = (global: ReadonlyArray<string>, own?: ReadonlyArray<string>): common.Config => {
  const root = common.ConfigGroup.create(config.channelGroup)
  const orderer = common.ConfigGroup.create(root.groups.get("Orderer"))
  const value = (addresses: ReadonlyArray<string>) =>
    common.ConfigValue.create({ value: common.OrdererAddresses.encode({ addresses }) })
  const groups = new Map(
    [...orderer.groups].map(([name, group]) => {
      const values = new Map(group.values)
      if (own !== undefined) values.set("Endpoints", value(own))
      return [name, common.ConfigGroup.create({ ...group, values })] as const
    })
  )
  return common.Config.create({
    ...config,
    channelGroup: {
      ...root,
      values: new Map(root.values).set("OrdererAddresses", value(global)),
      groups: new Map(root.groups).set("Orderer", { ...orderer, groups })
    }
  })
}
const endpoints = (made: common.Config) =>
  [...configResult(made).orderers].map(([org, { endpoint }]) => [
    org,
    endpoint.map(({ host, port }) => `${host}:${port}`)
  ])

describe("a channel's configuration, for clients", () => {
  it("has the MSPs of all organisations as they are in it", () => {
    const { msps } = configResult(config)
    expect([...msps.keys()].sort()).toEqual(["OrdererMSP", "Org1MSP", "Org2MSP"])
    for (const [name, found] of msps) {
      const orgs = ["Orderer", "Application"].flatMap((part) => [
        ...(config.channelGroup?.groups.get(part)?.groups.values() ?? [])
      ])
      const values = orgs.map((group) => msp.MSPConfig.decode(group.values.get("MSP")?.value ?? new Uint8Array()))
      const own = values.map((value) => msp.FabricMSPConfig.decode(value.config)).find((one) => one.name === name)
      expect(found).toEqual(own)
    }
  })

  it("has the global orderers for each organisation that has none of its own", () => {
    expect(endpoints(withEndpoints(["a:1", "b:2"]))).toEqual([["OrdererMSP", ["a:1", "b:2"]]])
    expect(endpoints(withEndpoints(["a:1"], []))).toEqual([["OrdererMSP", ["a:1"]]])
  })

  it("prefers an organisation's own, and leaves out what is no address; a global one is an error", () => {
    expect(endpoints(withEndpoints(["a:1"], ["c:3", "nowhere", "d:"]))).toEqual([["OrdererMSP", ["c:3"]]])
    expect(() => endpoints(withEndpoints(["a:1", "nowhere"]))).toThrow("failed parsing orderer endpoint nowhere")
  })

  it("never has anything but addresses, whatever is configured", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (own) => {
        for (const [, list] of endpoints(withEndpoints(["a:1"], own)))
          for (const one of list ?? []) expect(String(one)).toMatch(/^.*:\d{1,5}$/s)
      })
    )
  })
})
