/**
 * What one transaction of a block does to another: repeated ids and upgraded chaincodes. Pure.
 * Source: peer-endorse-validate.md 3.9 rules 7 and 8; core/committer/txvalidator/validator.go.
 */
import { chaincodeTypeName, codePackageFault } from "../chaincode/packages/platforms.js"
import { finish } from "../chaincode/packages/tar.js"
import { protos } from "../wire/index.js"
import { toText } from "../wire/protoutil.js"
import type { EndorserTransaction } from "./message.js"

const Code = protos.TxValidationCode

/** What is remembered of a transaction that was found valid. */
export interface ValidTransaction {
  readonly index: number
  /** Empty for config transactions. */
  readonly txId: string
  /** The chaincode invoked; undefined for config transactions. */
  readonly chaincode: string | undefined
  /** The chaincode that it upgrades. */
  readonly upgrades: string | undefined
}

/** Rule 7: of several valid transactions with one id the first stays. Changes `codes`. */
export const markRepeatedIds = (valid: ReadonlyArray<ValidTransaction>, codes: Uint8Array): void => {
  const seen = new Set<string>()
  for (const { index, txId } of valid) {
    if (txId === "") continue
    if (seen.has(txId)) codes[index] = Code.DUPLICATE_TXID
    else seen.add(txId)
  }
}

/**
 * Rule 8: of several upgrades of one chaincode the last stays, and whoever invokes it in the same block goes. It looks
 * at all that were valid before rule 7. Changes `codes`.
 */
export const markUpgradeConflicts = (valid: ReadonlyArray<ValidTransaction>, codes: Uint8Array): void => {
  const last = new Map<string, number>()
  for (const { index, upgrades } of valid) {
    if (upgrades === undefined) continue
    const earlier = last.get(upgrades)
    if (earlier !== undefined) codes[earlier] = Code.CHAINCODE_VERSION_CONFLICT
    last.set(upgrades, index)
  }
  if (last.size === 0) return
  for (const { chaincode, index } of valid)
    if (chaincode !== undefined && last.has(chaincode) && codes[index] === Code.VALID)
      codes[index] = Code.CHAINCODE_VERSION_CONFLICT
}

/** The chaincode that a valid `lscc` transaction upgrades, as the reference sees it: Go packages only (trap 4). */
export const upgradedChaincode = (chaincode: string, parts: EndorserTransaction): string | undefined => {
  if (chaincode !== "lscc") return undefined
  try {
    const { input } = protos.ChaincodeProposalPayload.decode(parts.actionPayload.chaincodeProposalPayload)
    const args = protos.ChaincodeInvocationSpec.decode(input).chaincodeSpec?.input?.args ?? []
    const [action, , specBytes] = args
    if (action === undefined || toText(action) !== "upgrade" || specBytes === undefined) return undefined
    const spec = protos.ChaincodeDeploymentSpec.decode(specBytes)
    const type = chaincodeTypeName(spec.chaincodeSpec?.type ?? 0)
    if (type !== "GOLANG" || finish(codePackageFault(type, spec.codePackage)) !== undefined) return undefined
    return spec.chaincodeSpec?.chaincodeId?.name
  } catch {
    return undefined
  }
}
