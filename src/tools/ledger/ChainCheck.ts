/**
 * A chain held against itself, block after block: numbers, hashes, the orderers' signatures under the configuration in
 * force, the form of the flags, and that each configuration follows from the one before. Pure and synchronous; needs no
 * state, so that it serves orderers' blocks as well as peers'.
 * Source: ledger-privatedata.md rules 1, 13, 60; identity-policy-config rules 58, 76.
 */
import * as Either from "effect/Either"
import { Bundle, blockSignedData, validateConfigEnvelope, validateNew } from "../../channelconfig/index.js"
import type { ParsedBlock } from "../../ledger/index.js"
import { blockValidation } from "../../policy/index.js"
import { common, protos } from "../../wire/index.js"
import { blockDataHash, equalBytes, millisecondsOf, openEnvelope, toHex } from "../../wire/protoutil.js"
import { field } from "../../wire/raw.js"
import { textOf } from "./errors.js"
import type { Owner } from "./folders.js"
import { codesIn } from "./readable.js"

const { NOT_VALIDATED, VALID } = protos.TxValidationCode

export class ChainCheck {
  private next = 0n
  private previousHash: Uint8Array = new Uint8Array(0)
  private bundle: Bundle | undefined

  constructor(
    private readonly channelId: string,
    private readonly owner: Owner
  ) {}

  /** The configuration in force behind the last block; undefined while there is none that can be used. */
  get current(): Bundle | undefined {
    return this.bundle
  }

  /** Takes the next block; gives what is wrong with it. */
  block(block: ParsedBlock): ReadonlyArray<string> {
    const faults = [...this.chainFaults(block), ...this.signatureFaults(block), ...this.flagFaults(block)]
    block.envelopes.forEach((envelope, tx) => {
      const fault = this.transaction(block, envelope, tx)
      if (fault !== undefined) faults.push(`transaction [${tx}]: ${fault}`)
    })
    this.next = block.number + 1n
    this.previousHash = block.hash
    return faults
  }

  private chainFaults(block: ParsedBlock): Array<string> {
    const faults: Array<string> = []
    if (block.number !== this.next) faults.push(`its number is ${block.number}, not ${this.next}`)
    if (!equalBytes(block.previousHash, this.previousHash))
      faults.push(
        `its previous hash is [${toHex(block.previousHash)}], the block before has [${toHex(this.previousHash)}]`
      )
    const dataHash = blockDataHash(block.envelopes)
    if (!equalBytes(block.dataHash, dataHash))
      faults.push(`its data hash is [${toHex(block.dataHash)}], its data has [${toHex(dataHash)}]`)
    return faults
  }

  /** Block 0 is signed by nobody: whoever joined with it has vouched for it. */
  private signatureFaults(block: ParsedBlock): ReadonlyArray<string> {
    if (block.number === 0n || this.bundle === undefined) return []
    const { dataHash, metadata, number, previousHash } = block
    const bundle = this.bundle
    const signed = blockSignedData({
      header: common.BlockHeader.create({ number, previousHash, dataHash }),
      metadata: common.BlockMetadata.create({ metadata })
    })
    const verdict = Either.flatMap(signed, (set) => bundle.policyManager.getPolicy(blockValidation).evaluate(set))
    return Either.isLeft(verdict) ? [`its signatures: ${verdict.left.message}`] : []
  }

  private flagFaults(block: ParsedBlock): ReadonlyArray<string> {
    if (this.owner === "orderer") return []
    const codes = codesIn(block)
    if (codes === undefined) return ["it has no validation flags"]
    if (codes.length !== block.envelopes.length)
      return [`it has ${codes.length} validation flags for ${block.envelopes.length} transactions`]
    return [...codes].flatMap((code, tx) =>
      code === NOT_VALIDATED || protos.TxValidationCodeInfo.nameOf(code) === undefined
        ? [`transaction [${tx}] has the validation flag ${code}, which no peer leaves`]
        : []
    )
  }

  /** The channel of a transaction, and the configuration that one brings. */
  private transaction(block: ParsedBlock, bytes: Uint8Array, tx: number): string | undefined {
    let opened: ReturnType<typeof openEnvelope>
    try {
      opened = openEnvelope(bytes)
    } catch {
      return undefined // a peer has flagged it; an orderer does not look inside
    }
    if (opened?.channelHeader.type !== common.HeaderType.CONFIG) return undefined
    // block 0 counts as valid as a whole
    if (this.owner === "peer" && block.number > 0n && codesIn(block)?.[tx] !== VALID) return undefined
    const { channelHeader, payload } = opened
    if (channelHeader.channelId !== this.channelId)
      return `it configures channel [${channelHeader.channelId}], not [${this.channelId}]`
    try {
      const now = channelHeader.timestamp === undefined ? undefined : millisecondsOf(channelHeader.timestamp)
      return this.configure(block.number, payload.data, now)
    } catch (cause) {
      return `its configuration cannot be read: ${textOf(cause)}`
    }
  }

  /** In: a config envelope, and when it was made: authorities that have expired since were good then. */
  private configure(number: bigint, bytes: Uint8Array, now: number | undefined): string | undefined {
    const envelope = common.ConfigEnvelope.decode(bytes)
    const config = field(bytes, 1)
    if (config === undefined) return "it carries no configuration"
    const made = Bundle.fromConfigBytes(this.channelId, config, now === undefined ? {} : { now })
    if (Either.isLeft(made)) {
      this.bundle = undefined
      return `its configuration cannot be used, signatures behind it are not checked: ${made.left.message}`
    }
    const before = this.bundle
    this.bundle = made.right
    if (number === 0n || before === undefined) return undefined
    const follows = Either.flatMap(validateConfigEnvelope(before, envelope), () => validateNew(before, made.right))
    return Either.isLeft(follows)
      ? `its configuration does not follow from the one before: ${follows.left.message}`
      : undefined
  }
}
