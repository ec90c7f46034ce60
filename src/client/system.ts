/**
 * Arguments of calls to system chaincodes. The calls themselves are `query` and `endorse` with these.
 * Source: chaincode.md R81, R84-R92.
 */
import { common, type protos } from "../wire/index.js"
import { utf8 } from "../wire/protoutil.js"

/** A call of a system chaincode: name, arguments and the header type where it is not the usual one. */
export interface SystemCall {
  readonly chaincode: string
  readonly args: ReadonlyArray<Uint8Array | string>
  readonly type?: number
}

/** Has the peer join the channel whose first block this is; sent without a channel. */
export const joinChannel = (genesisBlock: Uint8Array): SystemCall => ({
  chaincode: "cscc",
  args: ["JoinChain", genesisBlock],
  type: common.HeaderType.CONFIG
})

export const getChannels: SystemCall = { chaincode: "cscc", args: ["GetChannels"] }

export const getConfigBlock = (channelId: string): SystemCall => ({
  chaincode: "cscc",
  args: ["GetConfigBlock", channelId]
})

/** Installs a package (ChaincodeDeploymentSpec or signed package) on one peer; sent without a channel. */
export const install = (packageBytes: Uint8Array): SystemCall => ({
  chaincode: "lscc",
  args: ["install", packageBytes]
})

export const getInstalledChaincodes: SystemCall = { chaincode: "lscc", args: ["getinstalledchaincodes"] }
export const getChaincodes: SystemCall = { chaincode: "lscc", args: ["getchaincodes"] }

export interface Deployment {
  readonly channelId: string
  /** `protos.ChaincodeDeploymentSpec` without code, with the Init arguments as its spec's input. */
  readonly spec: Uint8Array
  /** `common.SignaturePolicyEnvelope`; absent: any member of the channel. */
  readonly endorsementPolicy?: Uint8Array
  readonly escc?: string
  readonly vscc?: string
  /** `common.CollectionConfigPackage`. Absent and empty differ on upgrade (chaincode.md T15). */
  readonly collections?: Uint8Array
}

/** Instantiates or upgrades; goes through the orderer like any transaction. */
export const deploy = (action: "deploy" | "upgrade", deployment: Deployment): SystemCall => ({
  chaincode: "lscc",
  args: [
    action,
    deployment.channelId,
    deployment.spec,
    deployment.endorsementPolicy ?? utf8(""),
    deployment.escc ?? "escc",
    deployment.vscc ?? "vscc",
    ...(deployment.collections === undefined ? [] : [deployment.collections])
  ]
})

export const getChainInfo = (channelId: string): SystemCall => ({
  chaincode: "qscc",
  args: ["GetChainInfo", channelId]
})

export const getBlockByNumber = (channelId: string, number: bigint): SystemCall => ({
  chaincode: "qscc",
  args: ["GetBlockByNumber", channelId, String(number)]
})

export const getTransactionById = (channelId: string, txId: string): SystemCall => ({
  chaincode: "qscc",
  args: ["GetTransactionByID", channelId, txId]
})

/** Whether an answer of `getchaincodes` names this chaincode in this version. */
export const lists = (answer: protos.ChaincodeQueryResponse, name: string, version: string): boolean =>
  answer.chaincodes.some((chaincode) => chaincode.name === name && chaincode.version === version)
