/** The unmodified SDK, silent about peers that are meant to be away. */
process.env.HFC_LOGGING ??= "{}"
const sdk = await import("fabric-network")
export const { DefaultEventHandlerStrategies, Gateway, Wallets } = sdk
export type { BlockEvent, Contract, ContractEvent, Network } from "fabric-network"

import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Network } from "fabric-network"

/** Opens a network's folder as an application does (discovery off), for the time of `use`. */
export const withNetwork = async <A>(
  dir: string,
  use: (network: Network) => Promise<A>,
  { channel = "mychannel", identity = "user1" } = {}
): Promise<A> => {
  const profile: unknown = JSON.parse(readFileSync(join(dir, "connection-org1.json"), "utf8"))
  if (typeof profile !== "object" || profile === null) throw new Error("no profile")
  const wallet = await Wallets.newFileSystemWallet(join(dir, "wallet"))
  const gateway = new Gateway()
  await gateway.connect({ ...profile }, { wallet, identity, discovery: { enabled: false, asLocalhost: false } })
  try {
    return await use(await gateway.getNetwork(channel))
  } finally {
    gateway.disconnect()
  }
}
