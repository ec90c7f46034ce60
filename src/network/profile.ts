/**
 * What SDKs open as it is: connection profiles and a file system wallet in the form of `fabric-network` 2.x. Pure but
 * for reading certificates and keys.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { NetworkPorts } from "./layout.js"
import * as layout from "./layout.js"
import type { NetworkSpec, OrgSpec } from "./spec.js"

export type ConnectionProfile = Readonly<Record<string, unknown>>

/** One identity as the wallet's `.id` file holds it. */
export interface WalletIdentity {
  readonly label: string
  readonly credentials: { readonly certificate: string; readonly privateKey: string }
  readonly mspId: string
  readonly type: "X.509"
  readonly version: 1
}

const only = (folder: string): string => {
  const [name] = readdirSync(folder)
  if (name === undefined) throw new Error(`${folder} is empty`)
  return readFileSync(join(folder, name), "utf8")
}

/** The profile of one organisation's applications: all peers and the orderer, discovery not needed. */
export const connectionProfile = (spec: NetworkSpec, ports: NetworkPorts, org: OrgSpec): ConnectionProfile => {
  const node = (host: string, port: number, caFile: string) => ({
    url: `${spec.tls ? "grpcs" : "grpc"}://127.0.0.1:${port}`,
    grpcOptions: { "ssl-target-name-override": host, hostnameOverride: host },
    ...(spec.tls ? { tlsCACerts: { pem: readFileSync(caFile, "utf8") } } : {})
  })
  const peers = layout.peersOf(spec)
  const roles = { endorsingPeer: true, chaincodeQuery: true, ledgerQuery: true, eventSource: true, discover: true }
  return {
    name: `fabric-effect-${spec.channel}-${org.name}`,
    version: "1.0.0",
    client: {
      organization: org.name,
      connection: { timeout: { peer: { endorser: "300" }, orderer: "300" } }
    },
    channels: Object.fromEntries(
      layout
        .channelsOf(spec)
        .map((channel) => [
          channel,
          { orderers: [spec.orderer.host], peers: Object.fromEntries(peers.map(({ host }) => [host, roles])) }
        ])
    ),
    organizations: Object.fromEntries(
      spec.orgs.map((o) => [
        o.name,
        { mspid: o.mspId, peers: peers.filter((p) => p.org.name === o.name).map(({ host }) => host) }
      ])
    ),
    orderers: {
      [spec.orderer.host]: node(spec.orderer.host, ports.orderer, layout.ordererTlsCa(spec.dir, spec.orderer))
    },
    peers: Object.fromEntries(
      peers.map(({ host, org: owner }) => [
        host,
        node(host, ports.peers[host]?.peer ?? 0, layout.orgTlsCa(spec.dir, owner))
      ])
    )
  }
}

/** What the wallet calls an identity: `admin`, `user1`, … of the first organisation, `user1@org2` of the others. */
const labelOf = (org: OrgSpec, index: number, user: string): string =>
  index === 0 ? user.toLowerCase() : `${user.toLowerCase()}@${org.name.toLowerCase()}`

/** The user and organisation behind a label; the first organisation's may carry their name too. */
export const splitLabel = (
  label: string,
  orgs: ReadonlyArray<OrgSpec>
): { readonly org: OrgSpec | undefined; readonly user: string } => {
  const [name = "", orgName] = label.toLowerCase().split("@")
  const org = orgName === undefined ? orgs[0] : orgs.find((o) => o.name.toLowerCase() === orgName)
  return { org, user: `${name.slice(0, 1).toUpperCase()}${name.slice(1)}` }
}

/** Admin and users of every organisation. */
export const walletIdentities = (spec: Pick<NetworkSpec, "dir" | "orgs">): ReadonlyArray<WalletIdentity> =>
  spec.orgs.flatMap((org, i) =>
    layout.usersOf(org).map((user) => {
      const msp = join(layout.userMaterial(spec.dir, org, user), "msp")
      return {
        label: labelOf(org, i, user),
        credentials: { certificate: only(join(msp, "signcerts")), privateKey: only(join(msp, "keystore")) },
        mspId: org.mspId,
        type: "X.509",
        version: 1
      }
    })
  )

/** The text of a wallet file. */
export const walletText = ({ credentials, mspId, type, version }: WalletIdentity): string =>
  JSON.stringify({ credentials, mspId, type, version })
