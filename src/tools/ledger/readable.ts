/**
 * Blocks and transactions as readable JSON: names for codes and types, versions as `block:transaction`, configurations
 * through protolator. Pure; each part is decoded on its own, since a transaction may be malformed from some place on.
 */
import {
  isDelete,
  isHashedDelete,
  type NamespaceSet,
  type ParsedBlock,
  readWriteSet,
  txIdOf
} from "../../ledger/index.js"
import { common, type kvrwset, protos } from "../../wire/index.js"
import { chaincodeActionOf, headerTypeName, openEnvelope, toHex } from "../../wire/protoutil.js"
import { textOf } from "./errors.js"
import {
  big,
  bytesText,
  type Fields,
  fields,
  identityText,
  ifAny,
  messageText,
  metadataText,
  type Readable,
  signatureText,
  valueText,
  versionText
} from "./values.js"

// ---- Read-write sets -----------------------------------------------------------------------------------------------

const rangeText = (range: kvrwset.RangeQueryInfo): Fields =>
  fields({
    start: range.startKey,
    end: range.endKey,
    exhausted: range.itrExhausted,
    reads: range.rawReads?.kvReads.map(({ key, version }) => ({ key, version: versionText(version) })),
    merkle:
      range.readsMerkleHashes === undefined
        ? undefined
        : {
            maxDegree: range.readsMerkleHashes.maxDegree,
            maxLevel: range.readsMerkleHashes.maxLevel,
            hashes: range.readsMerkleHashes.maxLevelHashes.map(toHex)
          }
  })

const namespaceText = ({ collections, namespace, public: set }: NamespaceSet): Fields =>
  fields({
    namespace,
    reads: ifAny(set.reads.map(({ key, version }) => ({ key, version: versionText(version) }))),
    ranges: ifAny(set.rangeQueriesInfo.map(rangeText)),
    writes: ifAny(
      set.writes.map((write) =>
        isDelete(write)
          ? { key: write.key, delete: true }
          : { key: write.key, value: valueText(namespace, write.key, write.value) }
      )
    ),
    metadata: ifAny(set.metadataWrites.map(({ entries, key }) => ({ key, entries: metadataText(entries) }))),
    collections: ifAny(
      collections.map(({ collection, hashed, privateHash }) =>
        fields({
          collection,
          reads: ifAny(
            hashed.hashedReads.map(({ keyHash, version }) => ({
              keyHash: toHex(keyHash),
              version: versionText(version)
            }))
          ),
          writes: ifAny(
            hashed.hashedWrites.map((write) =>
              isHashedDelete(write)
                ? { keyHash: toHex(write.keyHash), delete: true }
                : { keyHash: toHex(write.keyHash), valueHash: toHex(write.valueHash) }
            )
          ),
          metadata: ifAny(
            hashed.metadataWrites.map(({ entries, keyHash }) => ({
              keyHash: toHex(keyHash),
              entries: metadataText(entries)
            }))
          ),
          privateSetHash: privateHash.length === 0 ? undefined : toHex(privateHash)
        })
      )
    )
  })

// ---- Transactions --------------------------------------------------------------------------------------------------

const codeText = (code: number | undefined): Readable | undefined =>
  code === undefined ? undefined : (protos.TxValidationCodeInfo.nameOf(code) ?? code)

const timeText = (
  timestamp: { readonly seconds: bigint; readonly nanos: number } | undefined
): Readable | undefined => {
  if (timestamp === undefined) return undefined
  const date = new Date(Number(timestamp.seconds) * 1000 + Math.trunc(timestamp.nanos / 1e6))
  return Number.isNaN(date.getTime()) ? String(timestamp.seconds) : date.toISOString()
}

const invocationText = (payload: Uint8Array): Fields => {
  const { input } = protos.ChaincodeProposalPayload.decode(payload)
  const { chaincodeSpec } = protos.ChaincodeInvocationSpec.decode(input)
  return fields({
    chaincode: chaincodeSpec?.chaincodeId?.name,
    arguments: (chaincodeSpec?.input?.args ?? []).map(bytesText)
  })
}

const eventText = (bytes: Uint8Array): Readable | undefined => {
  if (bytes.length === 0) return undefined
  const { chaincodeId, eventName, payload } = protos.ChaincodeEvent.decode(bytes)
  return { chaincode: chaincodeId, name: eventName, payload: bytesText(payload) }
}

/** Each part on its own: a transaction may be malformed from some place on. */
const part = (read: () => Readable | undefined): Readable | undefined => {
  try {
    return read()
  } catch (cause) {
    return { undecoded: textOf(cause) }
  }
}

const endorserText = (data: Uint8Array): { readonly [key: string]: Readable | undefined } => {
  const found = chaincodeActionOf(data)
  if (found === undefined) return { malformed: "it has no chaincode action" }
  const { chaincodeAction, endorsed, payload } = found
  const { chaincodeId, response } = chaincodeAction
  return {
    chaincode: chaincodeId === undefined ? undefined : `${chaincodeId.name}:${chaincodeId.version}`,
    invocation: part(() => invocationText(payload.chaincodeProposalPayload)),
    endorsers: endorsed.endorsements.map(({ endorser, signature }) =>
      fields({
        ...identityText(endorser),
        signature: signatureText(endorser, Buffer.concat([endorsed.proposalResponsePayload, endorser]), signature)
      })
    ),
    response:
      response === undefined
        ? undefined
        : fields({
            status: response.status,
            message: response.message === "" ? undefined : response.message,
            payload: response.payload.length === 0 ? undefined : bytesText(response.payload)
          }),
    event: part(() => eventText(chaincodeAction.events)),
    readWriteSet: part(() => readWriteSet(chaincodeAction.results).map(namespaceText))
  }
}

const dataText = (type: number, data: Uint8Array): { readonly [key: string]: Readable | undefined } => {
  const { HeaderType } = common
  switch (type) {
    case HeaderType.ENDORSER_TRANSACTION:
      return endorserText(data)
    case HeaderType.CONFIG:
      return { config: messageText(common.ConfigEnvelope, data) }
    case HeaderType.CONFIG_UPDATE:
      return { configUpdate: messageText(common.ConfigUpdateEnvelope, data) }
    case HeaderType.ORDERER_TRANSACTION:
      return { envelope: messageText(common.Envelope, data) }
    default:
      return { data: data.length === 0 ? undefined : bytesText(data) }
  }
}

/** One transaction. `code` undefined: of an orderer's block, which carries none. */
export const transactionText = (
  bytes: Uint8Array,
  at: { readonly block: bigint; readonly index: number; readonly code: number | undefined }
): Fields => {
  const place = { block: big(at.block), index: at.index, code: codeText(at.code) }
  try {
    const opened = openEnvelope(bytes)
    if (opened === undefined) return fields({ ...place, malformed: "it has no header", hex: toHex(bytes) })
    const { channelHeader, envelope, payload, signatureHeader } = opened
    return fields({
      ...place,
      txId: txIdOf(bytes),
      type: headerTypeName(channelHeader.type),
      channel: channelHeader.channelId,
      time: timeText(channelHeader.timestamp),
      creator: signatureHeader.creator.length === 0 ? undefined : identityText(signatureHeader.creator),
      signature: signatureText(signatureHeader.creator, envelope.payload, envelope.signature),
      ...withFallback(() => dataText(channelHeader.type, payload.data), payload.data)
    })
  } catch (cause) {
    return fields({ ...place, malformed: textOf(cause), hex: toHex(bytes) })
  }
}

const withFallback = (
  read: () => { readonly [key: string]: Readable | undefined },
  data: Uint8Array
): { readonly [key: string]: Readable | undefined } => {
  try {
    return read()
  } catch (cause) {
    return { malformed: textOf(cause), hex: toHex(data) }
  }
}

// ---- Blocks --------------------------------------------------------------------------------------------------------

/** The codes that a peer's block carries; undefined for an orderer's. */
export const codesIn = (block: ParsedBlock): Uint8Array | undefined => {
  const slot = block.metadata[common.BlockMetadataIndex.TRANSACTIONS_FILTER]
  return slot === undefined || (slot.length === 0 && block.envelopes.length > 0) ? undefined : slot
}

export const commitHashIn = (block: ParsedBlock): Uint8Array | undefined => {
  const slot = block.metadata[common.BlockMetadataIndex.COMMIT_HASH]
  if (slot === undefined || slot.length === 0) return undefined
  try {
    const { value } = common.Metadata.decode(slot)
    return value.length === 0 ? undefined : value
  } catch {
    return undefined
  }
}

const signersText = (block: ParsedBlock): Readable | undefined => {
  const slot = block.metadata[common.BlockMetadataIndex.SIGNATURES]
  if (slot === undefined || slot.length === 0) return undefined
  return part(() =>
    common.Metadata.decode(slot).signatures.map(({ signatureHeader }) =>
      identityText(common.SignatureHeader.decode(signatureHeader).creator)
    )
  )
}

/** What a list shows of a block. */
export interface BlockSummary {
  readonly number: bigint
  readonly transactions: number
  /** Undefined for an orderer's block. */
  readonly invalid: number | undefined
  readonly config: boolean
  /** Of the first transaction. */
  readonly time: string | undefined
  readonly hash: string
  readonly commitHash: string | undefined
}

export const summaryOf = (block: ParsedBlock): BlockSummary => {
  const codes = codesIn(block)
  const headers = block.envelopes.map((bytes) => {
    try {
      return openEnvelope(bytes)?.channelHeader
    } catch {
      return undefined
    }
  })
  const time = timeText(headers[0]?.timestamp)
  const commitHash = commitHashIn(block)
  return {
    number: block.number,
    transactions: block.envelopes.length,
    invalid: codes?.reduce((sum, code) => (code === 0 ? sum : sum + 1), 0),
    config: headers.some((header) => header?.type === common.HeaderType.CONFIG),
    time: typeof time === "string" ? time : undefined,
    hash: toHex(block.hash),
    commitHash: commitHash === undefined ? undefined : toHex(commitHash)
  }
}

/** A block with its transactions. */
export const blockText = (block: ParsedBlock): Fields => {
  const codes = codesIn(block)
  const commitHash = commitHashIn(block)
  return fields({
    number: big(block.number),
    hash: toHex(block.hash),
    previousHash: block.previousHash.length === 0 ? null : toHex(block.previousHash),
    dataHash: toHex(block.dataHash),
    signers: signersText(block),
    commitHash: commitHash === undefined ? undefined : toHex(commitHash),
    transactions: block.envelopes.map((bytes, index) =>
      transactionText(bytes, { block: block.number, index, code: codes?.[index] })
    )
  })
}
