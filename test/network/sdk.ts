/** The unmodified SDK, silent about peers that are meant to be away. */
process.env.HFC_LOGGING ??= "{}"
const sdk = await import("fabric-network")
export const { DefaultEventHandlerStrategies, Gateway, Wallets } = sdk
export type { BlockEvent, Contract, ContractEvent, Network } from "fabric-network"
