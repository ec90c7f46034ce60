/**
 * Which orderers a channel names, and whom to trust behind each. Pure.
 * Source: peer-endorse-validate.md 3.7 rule 2, 3.8; toEndpointCriteria in core/deliverservice/deliveryclient.go,
 * core/comm/producer.go and connection.go.
 */
import type { Bundle } from "../../channelconfig/index.js"
import { compareUtf8 } from "../../wire/protoutil.js"

/** An orderer as the channel's configuration names it. */
export interface OrdererEndpoint {
  readonly address: string
  /** MSP ids of the organisations whose TLS authorities vouch for it, in byte order. */
  readonly orgs: ReadonlyArray<string>
}

/** `peer.deliveryclient.addressOverrides`: another address for one that a configuration names. */
export interface AddressOverride {
  readonly to: string
  /** PEM of authorities, added to those of every orderer; undefined when none is configured. */
  readonly caCerts: Uint8Array | undefined
}
export type AddressOverrides = ReadonlyMap<string, AddressOverride>

/** Per organisation where any has endpoints of its own, else the channel-wide list. */
export const endpointsOf = (bundle: Bundle, overrides: AddressOverrides): ReadonlyArray<OrdererEndpoint> => {
  const orgs = [...(bundle.orderer?.orgs.values() ?? [])]
  const resolve = (address: string): string => overrides.get(address)?.to ?? address
  const ofOrgs = orgs.flatMap(({ endpoints, mspId }) =>
    endpoints.map((address) => ({ address: resolve(address), orgs: [mspId] }))
  )
  if (ofOrgs.length > 0) return ofOrgs
  const all = orgs.map(({ mspId }) => mspId).sort(compareUtf8)
  return bundle.channel.ordererAddresses.map((address) => ({ address: resolve(address), orgs: all }))
}

const keyOf = ({ address, orgs }: OrdererEndpoint): string => JSON.stringify([address, orgs])

/** Whether two lists name the same orderers, in whatever order. */
export const sameEndpoints = (a: ReadonlyArray<OrdererEndpoint>, b: ReadonlyArray<OrdererEndpoint>): boolean => {
  const known = new Set(a.map(keyOf))
  return a.length === b.length && b.every((endpoint) => known.has(keyOf(endpoint)))
}

/** PEM of the authorities that an endpoint is held against, by the channel's configuration in force. */
export const rootsFor = (
  bundle: Bundle,
  endpoint: OrdererEndpoint,
  overrides: AddressOverrides,
  /** `peer.tls.serverRootCAs`, when `staticRootsEnabled` says so. */
  staticRoots: ReadonlyArray<Uint8Array>
): ReadonlyArray<Uint8Array> => {
  const roots: Array<Uint8Array> = []
  for (const mspId of endpoint.orgs) {
    const msp = bundle.mspManager.msps.get(mspId)
    if (msp !== undefined) roots.push(...msp.tlsRootCerts, ...msp.tlsIntermediateCerts)
  }
  roots.push(...staticRoots)
  for (const { caCerts } of overrides.values()) if (caCerts !== undefined) roots.push(caCerts)
  return roots
}
