/** Tells why transactions were refused: gathers what the refusing check knew. Runs for refused transactions only. */
import type { Bundle } from "../channelconfig/index.js"
import type { IdentityDeserializer } from "../msp/index.js"
import { describeIdentity, explainSignaturePolicy, type Verify } from "../policy/index.js"
import { ccprovider, protos } from "../wire/index.js"
import type { RefusedPolicy } from "./errors.js"
import type { EndorserTransaction, OpenedTransaction } from "./message.js"
import { codeMeaning, codeName, creatorFault, type Refusal, type RefusalDetail } from "./refusal.js"
import type { ValidationState } from "./state.js"

const Code = protos.TxValidationCode

export interface ReportSupport {
  readonly channelId: string
  /** The MSPs of a channel that the peer has joined; the local MSP for the empty id. */
  readonly deserializerOf: (channelId: string) => IdentityDeserializer | undefined
  /** Told why of every transaction that is refused here, before the block's codes are given. Must not throw. */
  readonly refused?: (refusal: Refusal) => void
}

/** Refusals of one block that are looked into; of more only code and id are told: a block may be full of them. */
const LOOKED_INTO = 100

/** Tells of refused transactions. Nothing of it runs for valid ones. */
export class Report {
  private told = 0
  constructor(
    private readonly support: ReportSupport,
    private readonly block: bigint,
    private readonly bundle: Bundle
  ) {}

  add(position: number, code: number, opened: OpenedTransaction | undefined, detail?: () => RefusalDetail): void {
    const { channelId, refused } = this.support
    if (refused === undefined) return
    const base = {
      channel: channelId,
      txId: opened?.channelHeader.txId ?? "",
      code: codeName(code),
      block: this.block,
      position,
      ...codeMeaning(code)
    }
    this.told += 1
    if (opened === undefined || this.told > LOOKED_INTO) {
      refused(base)
      return
    }
    const { mspManager } = this.bundle
    const msps =
      opened.channelHeader.channelId === channelId
        ? mspManager
        : this.support.deserializerOf(opened.channelHeader.channelId)
    const fault = code === Code.BAD_CREATOR_SIGNATURE ? creatorFault(opened.creator, msps) : undefined
    refused({
      ...base,
      creator: describeIdentity(opened.creator.creator, msps),
      chaincode: chaincodeName(opened),
      ...(fault === undefined ? {} : { reason: fault }),
      ...detail?.()
    })
  }
}

const chaincodeName = ({ channelHeader }: OpenedTransaction): string | undefined => {
  try {
    return protos.ChaincodeHeaderExtension.decode(channelHeader.extension).chaincodeId?.name
  } catch {
    return undefined
  }
}

/** The version endorsed and the one in force. */
export const chaincodeDetail = ({ responsePayload }: EndorserTransaction, state: ValidationState): RefusalDetail => {
  try {
    const { chaincodeId } = protos.ChaincodeAction.decode(responsePayload.extension)
    const name = chaincodeId?.name ?? ""
    const stored = state.getState("lscc", name)
    const found = stored === undefined ? undefined : ccprovider.ChaincodeData.decode(stored).version
    return { namespace: name, expected: chaincodeId?.version, found }
  } catch {
    return {}
  }
}

export const policyDetail = (
  namespace: string,
  reason: string,
  refused: RefusedPolicy | undefined,
  { mspManager }: Bundle,
  verify: Verify
): RefusalDetail => {
  if (refused === undefined) return { namespace, reason }
  const { collection, key, policy, set } = refused
  const name = key === undefined ? `chaincode ${namespace}` : `key ${JSON.stringify(key)} of chaincode ${namespace}`
  const explanation = explainSignaturePolicy(name, policy, set, mspManager, verify)
  return { namespace, reason, collection, key, explanation }
}
