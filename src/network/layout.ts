/** Where things lie in a network's folder, and what its nodes are called. Pure. */
import { join } from "node:path"
import { type NetworkSpec, type OrdererSpec, type OrgSpec, OWN_ORDERER } from "./spec.js"

export { SYSTEM_CHANNEL } from "./spec.js"

/** Those of the orderer whose material is made here. */
export const { domain: ORDERER_DOMAIN, host: ORDERER_HOST, mspId: ORDERER_MSP_ID } = OWN_ORDERER
export const CONSORTIUM = "SampleConsortium"

/** The loopback ports of one peer. */
export interface PeerPorts {
  readonly peer: number
  readonly chaincode: number
  readonly operations: number
}

export interface NetworkPorts {
  readonly orderer: number
  readonly ordererOperations: number
  /** By host name. */
  readonly peers: Readonly<Record<string, PeerPorts>>
}

/** A network as it is now; it may grow. */
export interface Shape {
  readonly spec: NetworkSpec
  readonly ports: NetworkPorts
}

export interface PeerPlace {
  readonly org: OrgSpec
  readonly host: string
  /** Folder with `msp` and `tls`. */
  readonly material: string
  readonly ledger: string
  readonly log: string
}

export const crypto = (dir: string): string => join(dir, "crypto-config")
const ordererOrg = (dir: string, orderer: OrdererSpec): string =>
  join(crypto(dir), "ordererOrganizations", orderer.domain)
export const ordererMaterial = (dir: string, orderer: OrdererSpec = OWN_ORDERER): string =>
  join(ordererOrg(dir, orderer), "orderers", orderer.host)
export const ordererMsp = (dir: string, orderer: OrdererSpec = OWN_ORDERER): string =>
  join(ordererOrg(dir, orderer), "msp")
export const orgMsp = (dir: string, org: OrgSpec): string => join(crypto(dir), "peerOrganizations", org.domain, "msp")
/** Folder with `msp` and `tls` of `Admin` or `User1`. */
export const userMaterial = (dir: string, org: OrgSpec, user: string): string =>
  join(crypto(dir), "peerOrganizations", org.domain, "users", `${user}@${org.domain}`)
export const ordererTlsCa = (dir: string, orderer: OrdererSpec = OWN_ORDERER): string =>
  join(ordererOrg(dir, orderer), "tlsca", `tlsca.${orderer.domain}-cert.pem`)
export const orgTlsCa = (dir: string, org: OrgSpec): string =>
  join(crypto(dir), "peerOrganizations", org.domain, "tlsca", `tlsca.${org.domain}-cert.pem`)

export const genesisFile = (dir: string): string => join(dir, "genesis.block")
export const channelFile = (dir: string, channel: string): string => join(dir, `${channel}.tx`)
export const stateFile = (dir: string): string => join(dir, "network.json")
export const walletFolder = (dir: string): string => join(dir, "wallet")
export const profileFile = (dir: string, org: OrgSpec): string => join(dir, `connection-${org.name.toLowerCase()}.json`)
export const ordererLedger = (dir: string, { host }: OrdererSpec = OWN_ORDERER): string => join(dir, "ledgers", host)
export const ordererLog = (dir: string, { host }: OrdererSpec = OWN_ORDERER): string => join(dir, "logs", `${host}.log`)

export const peerHost = (org: OrgSpec, index: number): string => org.hosts?.[index] ?? `peer${index}.${org.domain}`
/** Admin first, then the users. */
export const usersOf = (org: OrgSpec): ReadonlyArray<string> => [
  "Admin",
  ...Array.from({ length: org.users }, (_, i) => `User${i + 1}`)
]

/** The network's first channel and the others. */
export const channelsOf = ({ channel, furtherChannels }: NetworkSpec): ReadonlyArray<string> => [
  channel,
  ...furtherChannels
]

/** All peers, organisation by organisation. */
export const peersOf = (spec: Pick<NetworkSpec, "dir" | "orgs">): ReadonlyArray<PeerPlace> =>
  spec.orgs.flatMap((org) =>
    Array.from({ length: org.peers }, (_, i) => {
      const host = peerHost(org, i)
      return {
        org,
        host,
        material: join(crypto(spec.dir), "peerOrganizations", org.domain, "peers", host),
        ledger: join(spec.dir, "ledgers", host),
        log: join(spec.dir, "logs", `${host}.log`)
      }
    })
  )
